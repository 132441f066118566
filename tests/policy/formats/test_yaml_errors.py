"""Syntax errors are reported where the slip was made."""

from __future__ import annotations

import pytest

from kmodgate.policy.formats.yaml_documents import parse


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: 'open\nb: 1\nc: 2\n", 1, 4),
        ('a: 1\nb: "open\nc: 2\n', 2, 4),
        ("a:\n- 'open\n- b\n", 2, 3),
        ("a: 'open\nb: 1\nc: 'closed'\n", 1, 4),
        ('a: "open\nb: C:\\dir\nc: 1\n', 1, 4),
        ("a: [x, 'open]\nb: 1\n", 1, 8),
        ("a: it's\nb: 'open\nc: 1\n", 2, 4),
        ("a: 'two\n  lines'\nb: 'open\nc: 1\n", 3, 4),
        ("a: |\n  say 'x\nb: 'open\nc: 1\n", 3, 4),
        ("# don't\na: 'it''s\nb: 1\n", 2, 4),
    ],
)
def test_an_open_quote_is_reported_where_it_begins(text: str, line: int, column: int) -> None:
    _, (finding,) = parse(text, "a.yaml")
    assert (finding.rule, finding.line, finding.column) == ("SCH002", line, column)
    assert finding.message == "a quote is opened here and not closed on its line"


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a: 1\nb: [x,\n  y\nc: 2\n", 2, "["),
        ("a: {b: 1\nc: 2\nd: 3\n", 1, "{"),
        ("a: [x\nb: 1\n", 1, "["),
    ],
)
def test_an_open_bracket_is_reported_where_it_begins(text: str, line: int, word: str) -> None:
    _, (finding,) = parse(text, "a.yaml")
    assert (finding.line, finding.message) == (line, f"a {word} is opened here and not closed")


@pytest.mark.parametrize(
    "text",
    [
        "a: it's\n",
        "a: 'two\n  lines'\n",
        'a: "x\\"y"\nb: 5" disk\n',
        "a: |\n  'open\n",
        "a: [x,\n  'y z']\n",
        "# don't\na: 1\n",
    ],
)
def test_sound_quotes_are_silent(text: str) -> None:
    assert parse(text, "a.yaml")[1] == []


SPEC = "apiVersion: v1\nkind: A\nmetadata: {name: a}\nspec: {b: 1}\n"


@pytest.mark.parametrize("count", [2, 3])
def test_documents_without_a_line_between_are_read_apart(count: int) -> None:
    documents, findings = parse(SPEC * count, "a.yaml")
    assert [document.value for document in documents] == [documents[0].value] * count
    assert [document.position(("spec", "b"))[0] for document in documents] == [4 * index + 4 for index in range(count)]
    assert [(item.rule, item.line) for item in findings] == [("SCH003", 4 * index + 1) for index in range(1, count)]
    assert findings[0].fix == "put a line --- above line 5"


@pytest.mark.parametrize(
    "text", ["apiVersion: v1\nkind: A\nkind: B\nmetadata: {}\n", "a: 1\na: 2\n", f"{SPEC}metadata: {{name: b}}\n"]
)
def test_a_key_that_stands_twice_is_still_reported_as_that(text: str) -> None:
    (finding,) = parse(text, "a.yaml")[1]
    assert "stands twice" in finding.message


@pytest.mark.parametrize("text", [f"{SPEC}---\n{SPEC}", SPEC, f"---\n{SPEC}...\n---\n{SPEC}"])
def test_documents_with_a_line_between_are_silent(text: str) -> None:
    assert parse(text, "a.yaml")[1] == []


@pytest.mark.parametrize(
    ("text", "line", "fix"),
    [
        ("spec:\n  delivery kmm\n  clusters: {}\n", 2, "write delivery: kmm"),
        ("spec:\n  clusters: {}\n  delivery kmm\n\n  # the nodes\n  selector: {}\n", 3, "write delivery: kmm"),
        ("spec:\n  clusters: {}\n  delivery kmm\n", 3, "write delivery: kmm"),
        ("spec:\n  clusters: {}\n  delivery:kmm\n", 3, "write delivery: kmm"),
        ("spec:\n  delivery:kmm\n  clusters: {}\n", 2, "write delivery: kmm"),
        ("apiVersion v1\nkind: Module\n", 1, "write apiVersion: v1"),
        ("spec:\n  modprobe\n    moduleName: nic\n", 2, "write modprobe:"),
        ("kernelMappings:\n  - name el9\n    regexp: a\n", 2, "write name: el9"),
        ("build: |\n  FROM a\nRUN make\nb: c\n", 3, "indent it as the lines of the text above it"),
    ],
)
def test_a_line_without_its_colon_is_named_itself(text: str, line: int, fix: str) -> None:
    _, (finding,) = parse(text, "a.yaml")
    assert (finding.rule, finding.line, finding.fix) == ("SCH002", line, fix)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: b\ntext: long\n  text goes on\n c: d\n", 4),
        ("files:\n  - foo\ntext: a: b\n", 3),
        ("text: a\n  - b\n  c: d\n", 3),
    ],
)
def test_a_line_that_may_be_text_is_not_said_to_lack_a_colon(text: str, line: int) -> None:
    _, (finding,) = parse(text, "a.yaml")
    assert finding.line == line
    assert "colon after" not in finding.message


def test_a_space_of_a_web_page_is_named() -> None:
    _, (finding,) = parse("a: b\ndelivery:\u00a0kmm\nc: d\n", "a.yaml")
    assert (finding.line, finding.column, finding.fix) == (2, 10, "write an ordinary space")


@pytest.mark.parametrize("sides", ["  a: 1\n=======\n  a: 2\n", "=======\n  a: 2\n", "\ta: 'x\n=======\n"])
def test_a_conflict_of_a_merge_is_reported_where_it_begins(sides: str) -> None:
    _, (finding,) = parse(f"b:\n  c: 1\n<<<<<<< HEAD\n{sides}>>>>>>> other\nd: 1\n", "a.yaml")
    assert (finding.rule, finding.line, finding.column) == ("SCH002", 3, 1)
    assert finding.message.startswith("a conflict of a merge")
    assert "delete the lines" in finding.fix
