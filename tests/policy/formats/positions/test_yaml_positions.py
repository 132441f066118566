"""Where the nodes of a YAML text stand."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kmodgate.policy.formats.yaml_documents import OBJECTS, Document, parse
from tests.policy.formats.positions.test_json_positions import paths

TEXTS = st.text('ab:# -"', max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def read(text: str) -> Document:
    return parse(text, "file.yaml", OBJECTS)[0][0]


@given(VALUES)
def test_each_value_stands_where_it_is_said_to(value: Any) -> None:
    text = "a:\n  " + json.dumps(value)
    document = read(text)
    for path, item in paths(value, ("a",)):
        line, column = document.position(path)
        rest = text.split("\n")[line - 1][column - 1 :]
        if len(path) == 1:
            place = (2, 3) if not isinstance(item, dict | list) else (1, 1)
            assert (line, column) == place
        elif isinstance(item, dict | list) and isinstance(path[-1], str):
            assert json.JSONDecoder().raw_decode(rest)[0] == path[-1]  # the key introduces it
        else:
            assert json.JSONDecoder().raw_decode(rest)[0] == item


def test_a_key_that_stands_twice_has_the_nodes_of_the_second_and_moves_no_other() -> None:
    document = read("a: {x: [1, 2]}\nb: {y: 1}\na:\n  z: {w: 3}\n  x: 4\nc: 5\n")
    assert document.value == {"a": {"z": {"w": 3}, "x": 4}, "b": {"y": 1}, "c": 5}
    assert document.position(("a", "z", "w")) == (4, 10)
    assert document.position(("a", "x")) == (5, 6)
    assert document.position(("b", "y")) == (2, 8)
    assert document.position(("c",)) == (6, 4)
    assert not document.has(("a", "x", 0))


def test_a_key_that_stands_thrice_is_told_with_the_line_of_the_first() -> None:
    findings = parse("a: 1\na: {b: 2}\na: 3\n", "file.yaml", OBJECTS)[1]
    assert [(finding.line, "first on line 1" in finding.message) for finding in findings] == [(2, True), (3, True)]
    assert read("a: 1\na: {b: 2}\na: 3\n").position(("a",)) == (3, 4)
