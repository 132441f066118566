"""Invariant I8: what the emitter writes is what Go's parser, PyYAML and ruamel read."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from kmodgate.renderer.manifests.emit_yaml import CannotEmit, emit, scalar
from tests.draws import drawn
from tests.goyaml_client import GoYAML, needs_goyaml

WORDS = (
    "yes no on off y n Y N Yes No On Off NO True False true false TRUE null Null NULL ~ = << - ? : --- ... , @a `a %a !a &a *a | > "
    "0644 0o644 0777 08 09 010 00 0_ _1 1_ 1_000 1__0 1_000.5 1e3 1E3 12e03 1e 1.e3 .e3 e3 .1e5 1e400 .5 5. +.5 .inf -.inf +.inf "
    ".nan .NaN 0x 0x1F 0x1_F +0x1 0xg 0b 0b2 0b11 -0b1 0o 0o8 0o17 +0o7 +0644 +1 -1 -0 0.0 1.10 1.0.0 v1 123 25921e05 "
    "9999999999999999999999 1:30 12:30:45 2024-01-01 2024-01-01T10:00:00Z a#b # a: a:x {a} [a] ' \" \\n \\ inf nan Infinity NaN"
).split()

SHAPES = [
    "", " ", " a", "a ", "# c", "a # b", "a: b", "- x", "null ", "true\n", "a\tb", "\ta", "a\r\nb", "\r", "a\rb", "it's", 'say "x"',
    "a\nb", "a\nb\n", "a\n\n", "\na", "\n", "  a\nb\n", "a \nb\n", "a\n b\n", "a\n\tb\n", "a\n\n\nb\n", "a\n# b\n", "---\na\n", "a\n---\nb\n",
    "a\n...\n", "|\n", "%YAML 1.1\n", "é", "😀", "a\x07b", "a\x85b", "a\u2028b\u2029c", "\ufeffa", "a\ufeff", "\x7f", "\xa0", "\ufffe", "x" * 5000,
    "word " * 60, "x" * 1100 + "\ny\n", "$KERNEL ${X}", "^5\\.14\\.0-.+$", "FROM a\nRUN b \\\n    && c\n",
]  # fmt: skip

TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text(
    "ab \n\t\r#:-?!&*|>%@'\"\\{}[],.0123456789eExXoOyYnN_~=<"
)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=25,
)


@pytest.fixture(scope="module")
def go() -> Iterator[GoYAML]:
    with GoYAML() as client:
        yield client


def read_ruamel(text: str) -> object:
    reader = YAML(typ="safe", pure=True)
    return reader.load(text)


def assert_read_alike(value: object) -> None:
    text = emit(value)  # type: ignore[arg-type]
    assert yaml.load(text, Loader=yaml.CSafeLoader) == value
    assert read_ruamel(text) == value


@pytest.mark.parametrize("text", [*WORDS, *SHAPES])
def test_awkward_strings_survive_as_value_key_and_item(text: str) -> None:
    assert_read_alike({"value": text, "list": [text, [text]], "map": {text: {text: text}}})


@needs_goyaml
@pytest.mark.parametrize("text", [*WORDS, *SHAPES])
def test_awkward_strings_survive_go(text: str, go: GoYAML) -> None:
    value = {"value": text, "list": [text, [text]], "map": {text: {text: text}}}
    assert go.decode(emit(value)) == value  # type: ignore[arg-type]


@settings(max_examples=drawn(200))
@given(VALUES)
def test_any_value_survives_pyyaml_and_ruamel(value: object) -> None:
    assert_read_alike(value)


@needs_goyaml
def test_any_value_survives_go(go: GoYAML) -> None:
    @settings(max_examples=drawn(200))
    @given(st.dictionaries(TEXT, VALUES, max_size=5))
    @example({"x" * 2000: {"y" * 2000: ["z"]}})
    def survives(value: dict[str, object]) -> None:
        assert same(go.decode(emit(value)), value)  # type: ignore[arg-type]

    survives()


def same(read: object, written: object) -> bool:
    """Equal, where Go's JSON numbers may lose what a 64-bit float cannot hold."""
    if isinstance(written, dict):
        return (
            isinstance(read, dict)
            and read.keys() == written.keys()
            and all(same(read[k], v) for k, v in written.items())
        )
    if isinstance(written, list):
        return isinstance(read, list) and len(read) == len(written) and all(map(same, read, written))
    if isinstance(written, int | float) and not isinstance(written, bool):
        return isinstance(read, int | float) and math.isclose(read, written, rel_tol=1e-15)
    return type(read) is type(written) and read == written


DOCKERFILES = st.lists(
    st.sampled_from(["FROM a:1", "RUN make \\", "    && make install", "", "# c", "\tRUN x", "ENV A=\"b'c\"", "COPY a b  ", "- x", "a: b"]),
    min_size=1,
).map("\n".join)  # fmt: skip


@needs_goyaml
def test_dockerfiles_survive_go(go: GoYAML) -> None:
    @settings(max_examples=drawn(200))
    @given(DOCKERFILES, st.sampled_from(["", "\n", "\n\n"]))
    def survives(text: str, end: str) -> None:
        value = {"data": {"dockerfile": text + end}}
        assert go.decode(emit(value)) == value  # type: ignore[arg-type]
        assert_read_alike(value)

    survives()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("quay.io/acme/ice:1.2", "quay.io/acme/ice:1.2"), ("/opt/lib/modules", "/opt/lib/modules"), ("IfNotPresent", "IfNotPresent"),
        ("Off", '"Off"'), ("1.2.0", '"1.2.0"'), ("a: b", '"a: b"'), ("^5\\.14.+$", "'^5\\.14.+$'"), ("it's \\", "'it''s \\'"), ("a,b", '"a,b"'),
    ],
)  # fmt: skip
def test_strings_are_written_as_a_person_would(text: str, written: str) -> None:
    assert scalar(text) == written


def test_a_dockerfile_is_a_literal_block() -> None:
    assert emit({"dockerfile": "FROM a\n\nRUN b \\\n    c\n"}) == "dockerfile: |\n  FROM a\n\n  RUN b \\\n      c\n"


def test_long_lines_are_not_folded_and_lists_not_indented() -> None:
    text = emit({"a": ["word " * 100 + "end"], "b": [{"c": 1, "d": [2]}], "e": {}, "f": []})
    assert text.splitlines()[1:] == [f'- "{"word " * 100}end"', "b:", "- c: 1", "  d:", "  - 2", "e: {}", "f: []"]


@pytest.mark.parametrize("value", ["\ud800", float("nan"), float("inf"), 2**63, {"\udfff": 1}, ["a\nb\udc80\n"]])
def test_what_no_reader_could_read_back_is_refused(value: object) -> None:
    with pytest.raises(CannotEmit):
        emit(value)  # type: ignore[arg-type]
