"""Flags of recipes: which file can be used, and which flag is for which recipe."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kmodgate.renderer.ims.recipe_sync import Failed, Outcome, Recipe, parse_flags, parse_recipes, resolve

RECIPES = [
    Recipe("1", "cos-gpu-2.5", "x86_64", "2026-01-01T00:00:00", False),
    Recipe("2", "cos-gpu-2.6", "x86_64", "2026-03-01T00:00:00Z", True),
    Recipe("3", "cos-gpu-2.6", "aarch64", "2026-02-01T00:00:00+00:00", True),
    Recipe("4", "cos-barebones-2.6", "x86_64", "2026-01-01T00:00:00.123456", True),
]


def resolved(*flags: dict[str, Any], default: bool | None = None) -> Outcome:
    value: dict[str, Any] = {"flags": list(flags)}
    if default is not None:
        value["default"] = {"requireDkms": default}
    return resolve(parse_flags(json.dumps(value), "flags.json"), RECIPES)


def wanted(outcome: Outcome) -> dict[str, bool]:
    return {row.id: row.wanted for row in outcome.rows}


@pytest.mark.parametrize(("flag", "ids"), [
    ({"id": "3"}, "3"),
    ({"name": "cos-gpu-2.5"}, "1"),
    ({"name": "cos-gpu-2.6", "arch": "aarch64"}, "3"),
    ({"name": "cos-gpu-2.6", "all": True}, "23"),
    ({"name": "cos-gpu-2.6", "newest": True}, "2"),
    ({"pattern": "cos-gpu-*"}, "123"),
    ({"pattern": "*", "arch": "x86_64"}, "124"),
    ({"pattern": "*-gpu-*", "newest": True}, "2"),
    ({"pattern": "cos-?pu-2.[56]", "newest": True, "arch": "aarch64"}, "3"),
])  # fmt: skip
def test_a_flag_is_for_the_recipes_that_it_selects(flag: dict[str, Any], ids: str) -> None:
    outcome = resolved({**flag, "requireDkms": True})
    assert "".join(sorted(wanted(outcome))) == ids
    assert not outcome.unresolved
    assert not outcome.unmatched


def test_an_id_wins_over_a_name_a_name_over_a_pattern_and_any_over_the_default() -> None:
    outcome = resolved(
        {"pattern": "*-gpu-*", "requireDkms": True},
        {"name": "cos-gpu-2.6", "all": True, "requireDkms": False},
        {"id": "3", "requireDkms": True},
        default=False,
    )
    assert wanted(outcome) == {"1": True, "2": False, "3": True, "4": False}


def test_two_flags_of_one_rank_that_disagree_are_an_error() -> None:
    with pytest.raises(
        Failed, match=r"flags\[0\] pattern \*-gpu-\* and flags\[1\] pattern \* disagree on cos-gpu-2.5"
    ) as caught:
        resolved({"pattern": "*-gpu-*", "requireDkms": True}, {"pattern": "*", "requireDkms": False})
    assert caught.value.code == 2


def test_two_flags_that_agree_are_none() -> None:
    outcome = resolved({"pattern": "*-gpu-*", "requireDkms": True}, {"pattern": "*", "requireDkms": True})
    assert len(outcome.rows) == 4


def test_recipes_of_one_name_are_left_alone_where_one_is_meant_even_by_the_default() -> None:
    outcome = resolved(
        {"name": "cos-gpu-2.6", "requireDkms": False}, {"pattern": "*-gpu-*", "requireDkms": False}, default=False
    )
    assert set(wanted(outcome)) == {"1", "4"}
    assert outcome.unresolved == ["flags[0] name cos-gpu-2.6: 2 recipes: add arch, all or newest, or give the id"]
    assert outcome.code(strict=False) == 1


def test_a_missing_id_or_name_is_unresolved_and_a_pattern_without_a_recipe_only_with_strict() -> None:
    for flag in ({"id": "9"}, {"name": "gone"}):
        assert len(resolved({**flag, "requireDkms": True}).unresolved) == 1
    outcome = resolved({"pattern": "uan-*", "requireDkms": True})
    assert outcome.notes(asserted=False) == ["warning: flags[0] pattern uan-*: matches no recipe"]
    assert (outcome.code(strict=False), outcome.code(strict=True)) == (0, 1)


def test_a_service_without_recipes_is_in_step() -> None:
    outcome = resolve(parse_flags('{"default": {"requireDkms": true}}', "f"), [])
    assert (outcome.report("text"), outcome.code(strict=True)) == ("the service has no recipe\n", 0)


def test_recipes_that_are_equally_new_are_all_the_newest() -> None:
    recipes = [Recipe(id, "a", "x86_64", "2026-01-01T00:00:00", True) for id in "12"]
    flags = parse_flags('{"flags": [{"pattern": "*", "newest": true, "requireDkms": true}]}', "f")
    assert len(resolve(flags, recipes).rows) == 2


@pytest.mark.parametrize("created", ["None", "yesterday", ""])
def test_the_newest_cannot_be_told_of_recipes_without_a_time(created: str) -> None:
    flags = parse_flags('{"flags": [{"pattern": "*", "newest": true, "requireDkms": true}]}', "f")
    with pytest.raises(Failed, match="recipe a 1 was created"):
        resolve(flags, [Recipe("1", "a", "x86_64", created, True)])


@pytest.mark.parametrize(("text", "says"), [
    ("", "f.json:1:1: not JSON"),
    ('{"flags": [\n  {"id": }]}', "f.json:2:10: not JSON"),
    ("<!DOCTYPE html>", "f.json:1:1: not JSON"),
    ("flags:\n- id: a\n", "f.json:1:1: not JSON"),
    ('{"flags": [], "flags": []}', "f.json:1:15: the key flags stands twice"),
    ('{\n "flags": [{"id": "a", "requireDkms": true},\n  {"id": "b", "requireDkms": true, "id": "c"}]}', "f.json:3:36: the key id stands twice"),
    ('{"default":\n {"requireDkms": true,\n  "requireDkms": true}}', "f.json:3:3: the key requireDkms stands twice"),
    ('\n\n{"flags": [ {"id": "a", "requireDkms": true} ,\n\t{"requireDkms" : "false", "id": "\\"b"}]}', r"f.json:4:3: flags\[1\]: requireDkms is"),
    ("[" * 100_000, "f.json: "),
    ("[]", r"f.json:1:1: the file is \[\]"),
    ("null", "f.json:1:1: the file is null"),
    ('"x"', 'f.json:1:1: the file is "x"'),
    ("{}", "f.json:1:1: neither flags nor default"),
    ('{"flag": []}', "f.json:1:2: unknown key flag"),
    ('{"flags": {}}', "f.json:1:2: flags is {}"),
    ('{"flags": null}', "f.json:1:2: flags is null"),
    ('{"flags": [1]}', r"f.json:1:12: flags\[0\] is 1"),
    ('{"default": true}', "f.json:1:2: default is true"),
    ('{"default": {}}', "f.json:1:2: default: requireDkms is missing"),
    ('{"default": {"requireDkms": "true"}}', 'f.json:1:14: default: requireDkms is "true"'),
    ('{"flags": [{"id": "a", "requireDkms": true}, {"id": "a"}]}', r"f.json:1:46: flags\[1\]: requireDkms is missing"),
    ('{"flags": [{"id": "a", "requireDkms": 1}]}', r"flags\[0\]: requireDkms is 1"),
    ('{"flags": [{"id": "a", "requireDkms": null}]}', r"flags\[0\]: requireDkms is null"),
    ('{"flags": [{"id": "a", "require_dkms": true}]}', r"flags\[0\]: unknown key require_dkms"),
    ('{"flags": [{"id": 7, "requireDkms": true}]}', r"flags\[0\]: id is 7"),
    ('{"flags": [{"id": "", "requireDkms": true}]}', r"flags\[0\]: id"),
    ('{"flags": [{"requireDkms": true}]}', r"flags\[0\]: no selector"),
    ('{"flags": [{"id": "a", "name": "b", "requireDkms": true}]}', r"flags\[0\]: id and name"),
    ('{"flags": [{"name": "b", "arch": "arm64", "requireDkms": true}]}', r"flags\[0\].arch: arm64"),
    ('{"flags": [{"name": "b", "all": true, "newest": true, "requireDkms": true}]}', "exclude each other"),
    ('{"flags": [{"id": "b", "all": true, "requireDkms": true}]}', "an id needs neither"),
])  # fmt: skip
def test_a_file_that_cannot_be_used_is_an_error_with_its_place(text: str, says: str) -> None:
    with pytest.raises(Failed, match=says) as caught:
        parse_flags(text, "f.json")
    assert caught.value.code == 2
    assert caught.value.fix


@pytest.mark.parametrize(("value", "says"), [
    ({"detail": "x"}, "no list of recipes"),
    (None, "no list of recipes"),
    ([{"id": "1", "name": "a"}, {"name": "b"}], "recipe 1 of the answer has no id and name"),
    ([{"id": "1"}], "recipe 0"),
    ([{"id": 1, "name": "a"}], "recipe 0"),
    (["a"], "recipe 0"),
])  # fmt: skip
def test_an_answer_that_is_no_list_of_recipes_is_an_error(value: Any, says: str) -> None:
    with pytest.raises(Failed, match=says) as caught:
        parse_recipes(value)
    assert caught.value.code == 3


def test_fields_that_old_releases_do_not_have_are_not_needed() -> None:
    assert parse_recipes([{"id": "1", "name": "a", "arch": None}]) == [Recipe("1", "a", "x86_64", "None", None)]


def test_what_looks_false_may_be_a_text_and_the_report_says_so_unless_it_was_asserted() -> None:
    outcome = resolved({"id": "1", "requireDkms": False})
    assert outcome.notes(asserted=False) == [
        'note: 1 recipe shows false; so does the text "false", which acts as true: --assert stores booleans'
    ]
    assert outcome.notes(asserted=True) == []


def test_aarch64_without_dkms_is_told_to_have_no_effect() -> None:
    assert "aarch64" in resolved({"id": "3", "requireDkms": False}).notes(asserted=True)[0]
