"""The DKMS flag of layers in a configuration of CFS: the text stays as it was written but for the flag."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodgate.policy.ims.cfs_layers import UnusableConfigurationError, with_flags

LAYOUTS = (
    ('{"layers":[{"name":"a"}]}', '{"layers":[{"name":"a","special_parameters":{"ims_require_dkms":true}}]}'),
    (
        '{"layers": [{"name": "a", "special_parameters": null, "x": [1.0e5]}]}',
        '{"layers": [{"name": "a", "special_parameters": {"ims_require_dkms": true}, "x": [1.0e5]}]}',
    ),
    (
        '{"layers": [{"name": "a", "special_parameters": {"ims_require_dkms": false}}]}',
        '{"layers": [{"name": "a", "special_parameters": {"ims_require_dkms": true}}]}',
    ),
    (
        '{"layers": [\n  {\n    "name": "a",\n    "b": 1\n  }\n]}\n',
        '{"layers": [\n  {\n    "name": "a",\n    "b": 1,\n    "special_parameters": {\n      "ims_require_dkms": true\n'
        "    }\n  }\n]}\n",
    ),
)


@pytest.mark.parametrize(("text", "expected"), LAYOUTS)
def test_a_flag_is_written_as_the_rest_is_laid_out(text: str, expected: str) -> None:
    assert with_flags(text, "v3", {"a": True}) == expected


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=4
)
LAYER = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "ü"])},
    optional={
        "special_parameters": st.none() | st.fixed_dictionaries({}, optional={"ims_require_dkms": st.booleans()})
    },
)


@given(
    st.lists(st.tuples(LAYER, st.dictionaries(st.text(), JSON_VALUES, max_size=3)), min_size=1, max_size=4),
    st.sampled_from([None, 1, "\t"]),
    st.booleans(),
    st.booleans(),
)
def test_only_the_flag_of_the_named_layers_differs(
    layers: list[tuple[dict[str, Any], dict[str, Any]]], indent: int | str | None, ascii_only: bool, flag: bool
) -> None:
    value = {"name": "c", "layers": [{**more, **layer} for layer, more in layers], "z": 1}
    for layer in value["layers"]:
        for other in ("specialParameters", "cloneUrl"):
            layer.pop(other, None)
    name = value["layers"][0]["name"]
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    found = json.loads(with_flags(text, "v3", {name: flag}))
    for layer in value["layers"]:
        if layer["name"] == name:
            layer["special_parameters"] = {**(layer.get("special_parameters") or {}), "ims_require_dkms": flag}
    assert found == value


@pytest.mark.parametrize("text", ["", "null", "1", '"a"', "{}", '{"layers": {}}', "[" * 100000, '{"layers": [null]}'])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(UnusableConfigurationError) as error:
        with_flags(text, "v2", {"a": True})
    assert error.value.fix
