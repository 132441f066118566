"""Objects in a text: YAML, JSON, and one after the other in a file."""

from __future__ import annotations

import pytest

from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.object_files import parse_objects

JSON = '{"apiVersion": "v1", "kind": "ConfigMap",\n "metadata": {"name": "a"}}\n'
YAML = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (JSON + "---\n" + YAML, {"a": 2, "b": 6}),
        (JSON + "--- # the next one\n# and a comment\n" + YAML, {"a": 2, "b": 7}),
        (JSON + "---\n---\n" + JSON.replace('"a"', '"c"') + "---\n" + YAML, {"a": 2, "c": 6, "b": 10}),
        (JSON + "--- " + JSON.replace('"a"', '"c"'), {"a": 2, "c": 4}),
        (JSON + "# a comment\n---\n" + YAML, {"a": 2, "b": 7}),
        (YAML + "---\n" + JSON, {"b": 3, "a": 6}),
        (JSON + "---\n", {"a": 2}),
        (JSON + JSON.replace('"a"', '"c"'), {"a": 2, "c": 4}),
    ],
)
def test_documents_of_json_and_yaml_stand_in_one_file(text: str, names: dict[str, int]) -> None:
    findings: list[Finding] = []
    found = list(parse_objects(text, "dump.yaml", findings))
    assert not findings
    assert {item.value["metadata"]["name"]: item.position(("metadata", "name"))[0] for item in found} == names


def test_what_follows_json_without_a_separator_is_no_document() -> None:
    findings: list[Finding] = []
    list(parse_objects(JSON + YAML, "dump.yaml", findings))
    assert [(item.rule, item.line) for item in findings] == [("SCH002", 3)]


def test_a_mistake_after_the_separator_is_told_at_its_line() -> None:
    findings: list[Finding] = []
    list(parse_objects(JSON + "---\na: [\n", "dump.yaml", findings))
    assert [(item.rule, item.line) for item in findings] == [("SCH002", 5)]


def test_of_a_key_that_stands_twice_in_json_one_is_to_be_kept_however_many_there_are() -> None:
    keys = ", ".join(f'"k{number}": 1' for number in range(200_000))
    found: list[Finding] = []
    assert list(parse_objects(f'{{"kind": "A", {keys}, "k199999": 2}}', "a.json", found)) == []
    assert [(item.rule, item.message, item.fix) for item in found] == [
        ("SCH003", "the key 'k199999' stands twice", "keep one of the two")
    ]
