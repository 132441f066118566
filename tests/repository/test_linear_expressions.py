"""No regular expression of ours takes more than linear time, whatever text a stranger writes.

Rules and readers look with Python's `re` into texts that anybody may send, and it tries again from every place. So each
expression is given texts that repeat what it may begin with, by the methods that its module calls. Linear ones are done
in a few milliseconds; the others are ended after some hundred times that, of the processor and not of the clock.
"""

from __future__ import annotations

import ast
import importlib
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from kmodgate.policy.formats.regexps.shell_globs import _PIECE as _CUT
from kmodgate.policy.lazy import lazy_regex
from tests.fleets import REPOSITORY

_EXPRESSIONS = (re.Pattern, type(lazy_regex("")))
_PARTS = ("policy", "renderer", "webhook", "schemas")
_METHODS = ("search", "match", "fullmatch", "findall", "finditer", "sub", "split")
_LENGTH, _SHORT = 16_000, 500
_SECONDS_OF_PROCESSOR = 0.4

_UNITS = (
    " ", "\n", "\r\n", "\t", " \n", "\\\n", "a", "A", "0", "_", "é", "-", ".", "/", ":", "=", '"', "'", "`", "\\", "$", "#", "%",
    "@", "&", "*", "?", "|", ",", ";", "!", "<", ">", "[", "]", "{", "}", "(", ")", "a.", "a-", "a/", "a:", "a=", "a ", "a,", "a@", "a%",
    "a\n", "a: ", "- ", ": ", "0.", "0-", "#\n", "##[", "[[:a", "[!", "[]", "[a](", "${", "${a", "${a:-", "$(", "$a", "{{", "{a: ", "<<a\n",
    "--a", "--a=", "--a ", "--mount=", "--from=a", '"\\', "'\"", '"a":"', "a='", 'a="', "../", "::", "<!--", "\x1b[", "(a|", "FROM ",
    "ARG a\n", "RUN ", "Environment=a\n", "blacklist ", "/lib/modules/", "{'a", "|-\n", "v1.", "(?", "\\d", "\\Q", "x{9", "[^", "lib/modules/0.0.0",
    '{{"\\"', '{{\\"', "{{`", "{{/*", '{{"`"`"`',
)  # fmt: skip
_AROUND = (("", "!", _LENGTH), ("a", "\0", _SHORT), ('"', "\0", _LENGTH), ("{", "\n", _SHORT))
"""What stands before and after, and how long the text is: whatever never ends does not on a short one either."""


# `_CUT` is only given names in which each bracket ends: tests/policy/formats/regexps/test_shell_globs.py


def _expressions(file: Path) -> Iterator[tuple[str, re.Pattern[str], str]]:
    """Each expression of a module with a method that is called on it: those with a name, and those in place."""
    tree = ast.parse(file.read_text())
    module = importlib.import_module(f"kmodgate.{'.'.join(file.relative_to(REPOSITORY).with_suffix('').parts)}")
    named = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, _EXPRESSIONS) and isinstance(value.pattern, str) and value is not _CUT
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or node.attr not in _METHODS or not isinstance(node.value, ast.Name):
            continue
        if node.value.id in named:
            yield node.value.id, named[node.value.id], node.attr
    for node in ast.walk(tree):
        is_method = isinstance(node, ast.Call) and ast.unparse(node.func) in {f"re.{item}" for item in _METHODS}
        if is_method and (pattern := _compiled(node)) is not None:
            yield f"line {node.lineno}", pattern, node.func.attr


def _compiled(node: ast.Call) -> re.Pattern[str] | None:
    """The expression of a function of `re` that is called with a constant text."""
    text = node.args[0]
    if not isinstance(text, ast.Constant) or not isinstance(text.value, str):
        return None
    flags = [eval(ast.unparse(item.value), {"re": re}) for item in node.keywords if item.arg == "flags"]
    return re.compile(text.value, sum(flags))


def _run(pattern: re.Pattern[str], method: str, text: str) -> None:
    if method == "sub":
        pattern.sub("", text)
    elif method == "finditer":
        for _ in pattern.finditer(text):
            pass
    else:
        getattr(pattern, method)(text)


def _too_long(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError


@pytest.fixture
def alarm() -> Iterator[None]:
    """Ends what would never end."""
    before = signal.signal(signal.SIGVTALRM, _too_long)
    yield
    signal.signal(signal.SIGVTALRM, before)


FILES = [file for part in _PARTS for file in sorted((REPOSITORY / part).rglob("*.py")) if "re." in file.read_text()]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_an_expression_takes_linear_time(file: Path, alarm: None) -> None:
    slow = []
    for name, pattern, method in dict.fromkeys(_expressions(file)):
        for unit in _UNITS:
            for before, after, length in _AROUND:
                text = f"{before}{unit * (length // len(unit))}{after}"
                if _is_slow(pattern, method, text):
                    slow.append((name, method, before, unit))
    assert not slow


def _is_slow(pattern: re.Pattern[str], method: str, text: str) -> bool:
    signal.setitimer(signal.ITIMER_VIRTUAL, _SECONDS_OF_PROCESSOR)
    try:
        _run(pattern, method, text)
    except TimeoutError:
        return True
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return False
