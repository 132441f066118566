"""removals.yaml is edited by lines: what a person wrote stays as it is."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kmodgate.renderer.removals.removals_text import edited
from tests.draws import drawn

NEW = {"cluster": "new", "namespace": "yes", "name": "1e3", "digest": "1" * 64}

TEXT = """\
# written by hand
---
# above the head
apiVersion: kmodgate.io/v1alpha1
kind: Removals   # beside a key
spec:
  removals:   # beside the list
  # of one
  - cluster: one   # beside a field
    namespace: a
    reason: |
      two lines
      # and no comment
    # below the fields of one
  # of two

  # of two, after a gap
  - {cluster: two, namespace: b}  # beside an entry
  # of three
  - namespace: c
    cluster: 'three'
# at the end
"""


def clusters(text: str) -> list[str]:
    return [
        item["cluster"] for document in yaml.safe_load_all(text) if document for item in document["spec"]["removals"]
    ]


def comments(text: str) -> list[str]:
    return [line.partition("#")[2].strip() for line in text.splitlines() if "#" in line]


def test_an_entry_is_appended_below_the_last_one() -> None:
    text = edited(TEXT, (), [NEW])
    assert [line for line in text.splitlines() if line not in TEXT.splitlines()] == [
        "  - cluster: new", '    namespace: "yes"', '    name: "1e3"', f'    digest: "{"1" * 64}"',
    ]  # fmt: skip
    assert clusters(text) == ["one", "two", "three", "new"]
    assert text.endswith("# at the end\n")


@pytest.mark.parametrize(
    ("place", "gone"),
    [
        (0, {"of one", "beside a field", "and no comment", "below the fields of one"}),
        (1, {"of two, after a gap", "beside an entry"}),
        (2, {"of three"}),
    ],
)
def test_a_dropped_entry_takes_its_own_comments_along(place: int, gone: set[str]) -> None:
    text = edited(TEXT, {place}, [])
    assert clusters(text) == [name for index, name in enumerate(("one", "two", "three")) if index != place]
    assert set(comments(TEXT)) - set(comments(text)) == gone


def test_a_list_whose_last_entry_goes_is_empty_and_can_be_filled_again() -> None:
    empty = edited(TEXT, {0, 1, 2}, [])
    assert "  removals: []   # beside the list\n" in empty
    assert clusters(edited(empty, (), [NEW])) == ["new"]


@pytest.mark.parametrize(
    "spec",
    [
        "  removals: []\n",
        "  removals: [ ]  # none\n",
        "  removals: [{cluster: one}, {cluster: two}]\n",
        "  removals: [\n    {cluster: one},\n    {cluster: two},\n  ]\n",
        "  removals:\n  -\n    cluster: one\n",
        "  removals:\n      - cluster: one\n        reason: >-\n          folded\n\n\n",
        "  removals:\n  - cluster: one",
    ],
)
def test_a_list_is_edited_however_it_is_written(spec: str) -> None:
    text = f"apiVersion: kmodgate.io/v1alpha1\nkind: Removals\nspec:\n{spec}"
    assert clusters(edited(text, (), [NEW])) == [*clusters(text), "new"]
    assert comments(edited(text, (), [NEW])) == comments(text)
    assert clusters(edited(text, set(range(len(clusters(text)))), [])) == []


def test_json_is_written_anew_with_all_of_its_metadata() -> None:
    text = '{"apiVersion": "kmodgate.io/v1alpha1", "kind": "Removals", "metadata": {"name": "x"}, "spec": {"removals": []}}'
    value = yaml.safe_load(edited(text, (), [NEW]))
    assert (value["metadata"], value["spec"]["removals"]) == ({"name": "x"}, [NEW])


def test_places_are_counted_over_all_documents() -> None:
    document = (
        "apiVersion: kmodgate.io/v1alpha1\nkind: Removals\nspec:\n  removals:\n  - cluster: {}\n  - cluster: {}\n"
    )
    text = f"{document.format('a', 'b')}---\n{document.format('c', 'd')}"
    assert clusters(edited(text, {1, 2}, [NEW])) == ["a", "d", "new"]


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
ENTRIES = st.lists(st.fixed_dictionaries({"cluster": WORDS, "reason": WORDS}), max_size=4)


@settings(max_examples=drawn(60))
@given(ENTRIES, ENTRIES, st.data())
def test_whatever_is_appended_and_dropped_is_read_back(
    first: list[Any], second: list[Any], data: st.DataObject
) -> None:
    text = edited(None, (), first)
    dropped = data.draw(st.sets(st.sampled_from(range(len(first))))) if first else set()
    found = yaml.safe_load(edited(text, dropped, second))["spec"]["removals"]
    assert found == [entry for place, entry in enumerate(first) if place not in dropped] + second
