"""Merge patches with named lists, and where each merged field came from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodgate.renderer.fleet.fields.overrides import merge, trace
from tests.objects.values import leaves

# Source of the cases: RFC 7386, appendix A.
RFC_7386 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("base", "patch", "merged"), RFC_7386)
def test_maps_merge_as_rfc_7386_says(base: Any, patch: Any, merged: Any) -> None:
    assert merge(base, patch) == merged


def test_kernel_mappings_merge_by_name_and_new_ones_go_first() -> None:
    base = {"kernelMappings": [{"name": "el8", "regexp": "8"}, {"name": "el9", "regexp": "9", "containerImage": "a"}]}
    patch = {"kernelMappings": [{"name": "el9", "containerImage": "b"}, {"name": "rt", "literal": "rt"}]}
    assert merge(base, patch)["kernelMappings"] == [
        {"name": "rt", "literal": "rt"},
        {"name": "el8", "regexp": "8"},
        {"name": "el9", "regexp": "9", "containerImage": "b"},
    ]


@pytest.mark.parametrize(
    "path", [("devicePlugin", "container", "env"), ("dra", "initContainer", "env"), ("devicePlugin", "volumes"), ("dra", "deviceClasses")]
)  # fmt: skip
def test_other_named_lists_merge_by_name_and_new_items_go_last(path: tuple[str, ...]) -> None:
    merged = merge(
        nested(path, [{"name": "a", "x": 1}, {"name": "b"}]), nested(path, [{"name": "c"}, {"name": "a", "x": 2}])
    )
    assert merged == nested(path, [{"name": "a", "x": 2}, {"name": "b"}, {"name": "c"}])


@pytest.mark.parametrize(
    "path", [("tolerations",), ("devicePlugin", "container", "volumeMounts"), ("sign", "filesToSign")]
)
def test_lists_without_a_unique_name_are_replaced(path: tuple[str, ...]) -> None:
    merged = merge(nested(path, [{"name": "a"}, {"name": "a"}]), nested(path, [{"name": "a"}]))
    assert merged == nested(path, [{"name": "a"}])


def test_items_without_a_name_are_added_not_merged() -> None:
    merged = merge({"kernelMappings": [{"literal": "a"}]}, {"kernelMappings": [{"literal": "b"}]})
    assert merged["kernelMappings"] == [{"literal": "b"}, {"literal": "a"}]


def test_null_removes_a_field_of_a_named_item() -> None:
    base = {"kernelMappings": [{"name": "a", "sign": {"keySecret": "k"}}]}
    assert merge(base, {"kernelMappings": [{"name": "a", "sign": None}]})["kernelMappings"] == [{"name": "a"}]


def test_merging_changes_neither_side() -> None:
    base, patch = {"build": {"buildArgs": {"A": "1"}}}, {"build": {"buildArgs": {"B": "2"}}}
    merge(base, patch)
    assert (base, patch) == ({"build": {"buildArgs": {"A": "1"}}}, {"build": {"buildArgs": {"B": "2"}}})


LEAVES = st.integers(0, 1_000_000)
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from("abcd"),
        "literal": LEAVES,
        "sign": st.dictionaries(st.sampled_from("xy"), LEAVES),
    },
)
SPECS = st.fixed_dictionaries(
    {}, optional={"kernelMappings": st.lists(ITEMS, max_size=4), "build": st.dictionaries(st.sampled_from("pqr"), LEAVES), "version": LEAVES}
)  # fmt: skip


def unique(value: Any, counter: list[int]) -> Any:
    """The same shape with a different number at every leaf, so that a leaf tells where it came from."""
    if isinstance(value, dict):
        return {key: item if key == "name" else unique(item, counter) for key, item in value.items()}
    if isinstance(value, list):
        return [unique(item, counter) for item in value]
    counter[0] += 1
    return counter[0]


@given(SPECS, st.lists(SPECS, max_size=3))
def test_every_merged_leaf_is_traced_to_the_layer_that_holds_it(base: Any, patches: list[Any]) -> None:
    counter = [0]
    layers = [unique(layer, counter) for layer in (base, *patches)]
    stages = [layers[0]]
    for patch in layers[1:]:
        stages.append(merge(stages[-1], patch))
    for path, value in leaves(stages[-1]):
        layer, place = trace(path, stages, layers[1:])
        found: Any = layers[layer]
        for step in place:
            found = found[step]
        assert found == value


def nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return value  # type: ignore[no-any-return]
