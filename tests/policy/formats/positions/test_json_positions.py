"""Where the fields of a JSON text stand."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kmodgate.policy.formats.positions.json_positions import JsonPositions

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Any:
    yield path, value
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths(item, (*path, key))


@given(JSON, st.sampled_from([None, 1]), st.booleans())
def test_each_value_stands_where_it_is_said_to(value: Any, indent: int | None, plain: bool) -> None:
    text = " \n" + json.dumps(value, indent=indent, ensure_ascii=plain)
    positions = JsonPositions(text, 0)
    for path, item in paths(value):
        line, column = positions.position(path)
        place = sum(len(before) + 1 for before in text.split("\n")[: line - 1]) + column - 1
        assert json.JSONDecoder().raw_decode(text, place)[0] == item


def test_what_is_not_there_stands_where_the_closest_value_around_it_does() -> None:
    positions = JsonPositions('{"a": [1,\n {"b": 2}]}', 0)
    assert positions.position(("a", 1, "b")) == (2, 8)
    assert positions.position(("a", 1, "c", "d")) == (2, 2)
    assert positions.position(("a", 7)) == (1, 7)
    assert positions.position(("a", 0, "x")) == (1, 8)
