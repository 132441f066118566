"""What is pruned from a neighbour is nothing that a rule looks at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.cluster.pruning import pruned_module, pruned_namespace
from kmodgate.policy.config import read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.review import Review
from kmodgate.policy.rule import RULES, load_rules
from tests.fleets import REPOSITORY
from tests.objects.modules import TRAITS
from tests.policy.rules import test_rules

load_rules()

BY_FACTS = sorted(id for id, item in RULES.items() if item.facts)

EXAMPLES = sorted(path for id in BY_FACTS for path in (REPOSITORY / "tests" / "rules" / id).glob("*.yaml"))

STRICT = {"profile": "strict"}


def pruned(item: dict[str, Any]) -> dict[str, Any]:
    return pruned_module(item) if item["kind"] == "Module" else item


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_examples_of_rules_give_the_same_with_pruned_neighbours(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = test_rules.judged(path)

    def facts(known: list[dict[str, Any]], complete: set[str]) -> SnapshotFacts:
        return SnapshotFacts([pruned(item) for item in known], complete)

    monkeypatch.setattr(test_rules, "SnapshotFacts", facts)
    assert test_rules.judged(path) == whole


NAMES = st.sampled_from(["nic", "acme-nic", "acme_nic", "gpu.example.com", "other"])
REFERENCES = st.fixed_dictionaries({"name": NAMES})
MADE = st.fixed_dictionaries(
    {},
    optional={
        "build": st.fixed_dictionaries(
            {"dockerfileConfigMap": REFERENCES},
            optional={"secrets": st.lists(REFERENCES, max_size=2), "buildArgs": st.just([{"name": "A", "value": "b"}])},
        ),
        "sign": st.fixed_dictionaries(
            {"keySecret": REFERENCES, "certSecret": REFERENCES, "filesToSign": st.just(["/a.ko"])}
        ),
    },
)


@st.composite
def modules(draw: st.DrawFn, name: str | None = None) -> dict[str, Any]:
    container = {
        "modprobe": {
            "moduleName": draw(NAMES),
            "dirName": "/opt",
            "modulesLoadingOrder": draw(st.lists(NAMES, max_size=3)),
        },
        "containerImage": "quay.io/a/b:${KERNEL_FULL_VERSION}",
        "inTreeModulesToRemove": draw(st.lists(NAMES, max_size=2)),
        "kernelMappings": [{"regexp": "^.+$", **draw(MADE)} for _ in range(draw(st.integers(0, 2)))],
        **draw(MADE),
    }
    spec: dict[str, Any] = {
        "selector": draw(st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), max_size=2)),
        "moduleLoader": {"serviceAccountName": draw(NAMES), "container": container},
    }
    if draw(st.booleans()):
        spec["imageRepoSecret"] = {"name": draw(NAMES)}
    if draw(st.booleans()):
        classes = [{"name": item, "selectors": []} for item in draw(st.lists(NAMES, max_size=2))]
        spec["dra"] = {"driverName": "d", "deviceClasses": classes, "container": {"image": "quay.io/a/c"}}
    metadata = {"name": name or draw(NAMES), "namespace": draw(st.sampled_from(["drivers", "others"]))}
    return {"apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": "Module", "metadata": metadata, "spec": spec}


def nodes() -> Iterator[dict[str, Any]]:
    for first in "xy":
        for second in "xy":
            labels = {"a": first, "b": second}
            metadata = {"name": first + second, "labels": labels}
            info = {"nodeInfo": {"kernelVersion": "5.14.0"}}
            yield {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": info}


@given(modules("mine"), st.lists(modules(), max_size=4), st.booleans())
def test_any_modules_give_the_same_with_pruned_neighbours(
    mine: dict[str, Any], others: list[dict[str, Any]], has_nodes: bool
) -> None:
    around = [*others, *(nodes() if has_nodes else ())]
    complete = ("Module", "Node") if has_nodes else ("Module",)
    engine = Engine(read_policy(STRICT), only=BY_FACTS)

    def judged(known: list[dict[str, Any]]) -> list[Any]:
        review = Review(defaulted(mine), cluster=TRAITS, facts=SnapshotFacts(known, complete))
        return engine.evaluate(review)

    assert judged([pruned(item) for item in around]) == judged(around)


@given(modules())
def test_a_pruned_module_keeps_every_reference(item: dict[str, Any]) -> None:
    def references(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
        if isinstance(value, list):
            for inner in value:
                yield from references(inner, key)
        elif isinstance(value, dict):
            if key in ("imageRepoSecret", "dockerfileConfigMap", "secrets", "keySecret", "certSecret"):
                yield key, value["name"]
            for name, inner in value.items():
                yield from references(inner, name)
        elif key == "serviceAccountName":
            yield key, value

    assert sorted(references(pruned_module(item))) == sorted(references(item))


def test_pruning_keeps_what_tells_that_an_object_is_on_its_way_out_and_what_is_ours() -> None:
    metadata = {
        "name": "drivers",
        "deletionTimestamp": "2030-01-01T00:00:00Z",
        "labels": {"a": "b"},
        "annotations": {"kmodgate.io/override": "ann", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
        "managedFields": [{}],
        "uid": "1",
    }
    expected = {
        "name": "drivers",
        "deletionTimestamp": "2030-01-01T00:00:00Z",
        "labels": {"a": "b"},
        "annotations": {"kmodgate.io/override": "ann"},
    }
    assert pruned_namespace({"metadata": metadata, "spec": {"finalizers": ["kubernetes"]}})["metadata"] == expected


@pytest.mark.parametrize("spec", [None, [], "x", {"moduleLoader": 1}, {"dra": {"deviceClasses": {}}}, {"selector": []}])
def test_pruning_takes_an_object_of_any_shape(spec: Any) -> None:
    item = {"kind": "Module", "metadata": None, "spec": spec}
    assert pruned_module(item)["spec"] == spec
