"""No rule costs more than linear in the object, whatever list, map or text of it grows, alone or beside another.

Work is counted, and no time is measured: of an object that is four times as large, the work is at most five times as
much. That holds for all rules together and for each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

import pytest

from kmodgate.webhook.admission.requested_kinds import PAIRS
from tests.policy.work.counting import Counter, counted_modules
from tests.policy.work.growth import Path, at, growing, grown
from tests.policy.work.judging import Judge
from tests.policy.work.templates import FORMS, templates

FEW, MANY = 8, 8
"""How many items a list has at first, where each pair is tried, and where all grow at once."""

_SLACK = 700
"""Of one rule, which may not have been asked at all about the smallest object."""


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    counter = Counter()
    with counted_modules(counter):
        yield Judge(counter)


def superlinear(
    judge: Judge,
    name: str,
    paths: Iterable[Path],
    few: int,
    *,
    distinct: bool = True,
    profiled: bool = False,
    **how: bool,
) -> list[str]:
    """The rules whose work grows faster than the object, each with what it took at n, 2n and 4n."""

    def work(size: int) -> dict[str, int]:
        object = grown(templates()[name], dict.fromkeys(paths, size), distinct=distinct)
        old = changed(object) if how.get("updated") else None
        return judge.work(object, old, with_facts=how.get("with_facts", True), profiled=profiled)

    first, third = work(few), work(4 * few)
    found = [rule for rule, most in third.items() if most > 5 * first.get(rule, 0) + (_SLACK if rule else 0)]
    second = work(2 * few) if found else {}
    return [f"{rule or 'all rules'}: {first.get(rule)}, {second.get(rule)}, {third[rule]}" for rule in found]


def changed(object: Any) -> Any:
    """The object as it may have been before, in which everything stands in another order, and a field was another."""
    if isinstance(object, dict):
        return {key: changed(item) for key, item in reversed(object.items())} | {"z": "was"}
    return [changed(item) for item in reversed(object)] if isinstance(object, list) else object


def own_paths(name: str) -> Iterator[Path]:
    """The paths of an object; of another form of Module those of the loader, and where it differs from the first form."""
    template, first = templates()[name], templates()[_FIRST]
    for path in growing(template):
        if name not in _OTHERS or "moduleLoader" in path or at(template, path) != at(first, path):
            yield path


_FIRST, *_OTHERS = (f"Module with {form}" for form in FORMS)


def test_every_kind_that_the_webhook_is_asked_about_is_counted() -> None:
    kinds = {kind for (_, _, subresource), pairs in PAIRS.items() if not subresource for _, kind in pairs}
    assert kinds - {"Binding"} <= {template["kind"] for template in templates().values()}


@pytest.mark.parametrize("name", templates())
def test_work_is_linear_in_every_list_map_and_text(judge: Judge, name: str) -> None:
    """Three at a time, which are far from each other: each rule is looked at by itself, and few look at two of them."""
    paths = list(own_paths(name))
    third = -(-len(paths) // 3)
    found = {paths[start]: superlinear(judge, name, paths[start::third], FEW) for start in range(third)}
    assert not {path: rules for path, rules in found.items() if rules}


@pytest.mark.parametrize("name", templates())
def test_work_is_linear_in_every_pair(judge: Judge, name: str) -> None:
    """Two groups of four at a time: each two lists, maps and texts grow together in one of these unions."""
    paths = list(own_paths(name))
    groups = [paths[start::_GROUPS] for start in range(_GROUPS)]
    for first, second in combinations(groups, 2):
        assert not superlinear(judge, name, (*first, *second), FEW)


_GROUPS = 4


@pytest.mark.parametrize("name", templates())
@pytest.mark.parametrize(
    ("updated", "with_facts"),
    [(False, True), (False, False), (True, True)],
    ids=["created", "created without facts", "updated"],
)
def test_work_is_linear_where_all_of_them_grow(judge: Judge, name: str, updated: bool, with_facts: bool) -> None:
    paths = list(own_paths(name))
    for distinct in (True, False):
        how = {"distinct": distinct, "with_facts": with_facts, "updated": updated}
        assert not superlinear(judge, name, paths, MANY, profiled=distinct and with_facts and not updated, **how)
