"""What the reader of specs accepts, and how it says what it does not."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kmodgate.policy.formats.yaml_documents import MAX_BYTES, parse


def value_of(text: str) -> object:
    documents, findings = parse(text, "spec.yaml")
    assert not findings
    return documents[0].value


def complaint(text: str) -> tuple[str, int, int, str, str]:
    """The first finding: rule, line, column, message, fix."""
    _, findings = parse(text, "spec.yaml")
    first = findings[0]
    return first.rule, first.line, first.column, first.message, first.fix


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("~", None), ("", None), ("null", None), ("true", True), ("True", True), ("FALSE", False), ("0", 0), ("-7", -7),
        ("+1", 1), ("0x1F", 31), ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1.5e+3", 1500.0), ("9223372036854775807", 2**63 - 1),
        ("1.2.0", "1.2.0"), ("5.14.0-427.el9", "5.14.0-427.el9"), ("v1", "v1"), ("yEs", "yEs"), ("1h", "1h"), ("_1", "_1"),
        ("10.0.0.0/8", "10.0.0.0/8"), ("a:b", "a:b"), ("'yes'", "yes"), ('"08"', "08"), ("0644x", "0644x"), ("nan", "nan"),
    ],
)  # fmt: skip
def test_plain_scalars_on_which_all_readers_agree(text: str, value: object) -> None:
    assert value_of(f"a: {text}\nb: x") == {"a": value, "b": "x"}


@pytest.mark.parametrize(
    "text",
    [
        "y", "N", "yes", "No", "ON", "off", "0644", "0o644", "08", "09", "010", "00", "1_000", "1__0", "0_", "1e3", "12e03", "1.e3",
        ".1e5", "+.5", "0b11", "-0b1", "0x1_F", "+0x1", "1:30", "12:30:45", "2024-01-01", "2024-01-01T10:00:00Z", "=",
        ".inf", "-.INF", ".nan", "1.0e+999", "9223372036854775808", "9999999999999999999999",
    ],
)  # fmt: skip
def test_a_scalar_that_readers_disagree_on_is_refused_with_the_quoted_form(text: str) -> None:
    rule, line, column, message, fix = complaint(f"key:\n  inner: {text}\n")
    assert (rule, line, column) == ("SCH005", 2, 10)
    assert message.startswith(f"{text} is ")
    assert f'"{text}"' in fix


@given(st.from_regex(r"[-+.0-9a-fA-FoxXnNyY_:eT]{1,8}", fullmatch=True))
def test_what_is_accepted_plain_means_the_same_to_pyyaml_or_is_no_yaml_1_1_word(text: str) -> None:
    documents, findings = parse(f"a: {text}\n", "spec.yaml")
    if documents and not findings and isinstance(documents[0].value, dict):
        assert yaml.safe_load(f"a: {text}\n") == documents[0].value


@pytest.mark.parametrize(
    ("text", "rule", "line", "column"),
    [
        ("a: 1\nb: 2\na: 3\n", "SCH003", 3, 1),
        ("a: &x 1\n", "SCH004", 1, 4),
        ("a: *x\n", "SCH004", 1, 4),
        ("a: &x [1]\n", "SCH004", 1, 4),
        ("a: !!str 1\n", "SCH004", 1, 4),
        ("a: !Ref x\n", "SCH004", 1, 4),
        ("a: !!map {}\n", "SCH004", 1, 4),
        ("<<: {a: 1}\n", "SCH004", 1, 1),
        ("1: x\n", "SCH005", 1, 1),
        ("true: x\n", "SCH005", 1, 1),
        ("on: x\n", "SCH005", 1, 1),
        ("? [a]\n: b\n", "SCH002", 1, 3),
        ("a:\n\tb: 1\n", "SCH002", 2, 1),
        ("a: 'open\n", "SCH002", 1, 4),
        ("a: b: c\n", "SCH002", 1, 5),
        ("a: \x01\n", "SCH002", 1, 4),
        ("a: \x00\n", "SCH002", 1, 4),
        ("a: \ud800\n", "SCH001", 0, 0),
        ("[" * 33, "SCH007", 1, 33),
        ("- " * 40, "SCH007", 1, 65),
        ("{a: " * 100_000, "SCH007", 1, 129),
        ("#" * (MAX_BYTES + 1), "SCH007", 0, 0),
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_at_its_place(text: str, rule: str, line: int, column: int) -> None:
    assert complaint(text)[:3] == (rule, line, column)


def test_all_errors_of_a_text_are_reported() -> None:
    _, findings = parse("a: yes\nb: 0644\nc: &x 1\nd: 1\nd: 2\n", "spec.yaml")
    assert [finding.rule for finding in findings] == ["SCH005", "SCH005", "SCH004", "SCH003"]


def test_an_alias_bomb_is_refused_at_once() -> None:
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))
    _, findings = parse(f"a0: &a0 x\n{levels}\n", "spec.yaml")
    assert {finding.rule for finding in findings} == {"SCH004"}


def test_an_octal_mode_is_explained_by_its_number() -> None:
    assert complaint("defaultMode: 0644\n")[4] == 'write 420 for the number, or quote it: "0644"'


def test_documents_of_one_file_are_read_apart_and_empty_ones_left_out() -> None:
    documents, findings = parse("---\na: 1\n---\n---\n# nothing\n---\nb: 2\n", "spec.yaml")
    assert not findings
    assert [document.value for document in documents] == [{"a": 1}, {"b": 2}]
    assert [document.position(("b",)) for document in documents][1] == (7, 4)


def test_positions_are_of_the_scalar_or_of_the_key_that_introduces_the_node() -> None:
    document = parse("spec:\n  list:\n  - name: a\n    image: b\n  map: {x: 1}\n", "spec.yaml")[0][0]
    assert document.position(("spec", "list", 0, "image")) == (4, 12)
    assert document.key_position(("spec", "list", 0, "image")) == (4, 5)
    assert document.position(("spec", "map")) == (5, 3)
    assert document.position(("spec", "map", "x")) == (5, 12)
    assert document.position(("spec", "list", 7, "missing")) == (2, 3)


def test_the_text_of_a_scalar_is_kept_as_its_author_wrote_it() -> None:
    document = parse("a: 2.10 # note\nb: [1.20, 3.0]\nc: {d: 4.50}\n", "spec.yaml")[0][0]
    assert [document.raw(path) for path in (("a",), ("b", 0), ("b", 1), ("c", "d"))] == ["2.10", "1.20", "3.0", "4.50"]


@given(st.text())
def test_no_text_makes_the_reader_fail(text: str) -> None:
    documents, findings = parse(text, "spec.yaml")
    for document in documents:
        document.position(("a", 0))
    assert all(finding.fix and finding.message for finding in findings)
