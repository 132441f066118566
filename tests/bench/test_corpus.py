"""Modules and Pods as people publish them: each gives the findings that its header names, and no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kmodgate.policy.config import Policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Mode
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.review import Review
from tests.bench import samples
from tests.bench.samples import MARK, MODULES, PODS, header
from tests.command import run
from tests.objects.modules import TRAITS

CORPUS = [*MODULES, *PODS]


def rules(lines: list[str]) -> list[str]:
    return sorted(line.split()[0] for line in lines)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_published_object_gives_no_false_alarm(path: Path) -> None:
    done = run("check", path.name, "--format", "json", cwd=path.parent)
    found = json.loads(done.stdout)["findings"]
    assert sorted({item["rule"] for item in found if item["mode"] == "warn"}) == rules(header(path, "warns"))
    assert sorted(item["rule"] for item in found if item["mode"] == "enforce") == rules(header(path, "refused"))
    assert done.returncode == (1 if header(path, "refused") else 0)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_the_profile_parity_refuses_what_kmm_refuses(path: Path) -> None:
    engine = Engine(Policy("parity"), "admit")
    objects = samples.objects([path], "Module", "ManagedClusterModule", "Pod")
    found = [item for value in objects for item in engine.evaluate(Review(defaulted(value), cluster=TRAITS))]
    assert any(item.mode is Mode.ENFORCE for item in found) == (header(path, "kmm") == ["refuses"])


def test_the_corpus_is_described() -> None:
    for path in CORPUS:
        assert header(path, "source")
        assert header(path, "shape")
        assert header(path, "kmm") in (["accepts"], ["refuses"])
        assert all(len(line.split()) > 3 for line in header(path, "warns")), f"{path.name}: say why the warning is true"
    assert len(MODULES) >= 100
    assert len(PODS) >= 15
    assert sum(header(path, "kmm") == ["accepts"] for path in MODULES) >= 80


def all_objects() -> list[dict[str, Any]]:
    return [*samples.modules(), *samples.pods()]


def test_the_examples_are_part_of_it() -> None:
    assert len(samples.modules()) == len(samples.objects(MODULES, "Module", "ManagedClusterModule")) + len(
        samples.rendered()
    )
    assert len(samples.rendered()) > 50


def test_a_number_stands_in_each_review_and_nowhere_else() -> None:
    items = all_objects()
    assert MARK not in json.dumps(items)
    for bodies in (samples.seen_first(items), samples.seen_before(items), samples.made_again(items)):
        assert len(set(samples.numbered(bodies, 3 * len(items)))) == 3 * len(items)


def test_a_pod_has_the_managers_of_its_fields_and_its_token() -> None:
    pod = next(item for item in samples.pods() if item["metadata"]["name"] == "debug")
    (entry,) = pod["metadata"]["managedFields"]
    assert 'k:{"name":"debug"}' in entry["fieldsV1"]["f:spec"]["f:containers"]
    assert pod["spec"]["volumes"][0]["name"] == pod["spec"]["containers"][0]["volumeMounts"][0]["name"]
