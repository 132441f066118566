"""The text of removals.yaml with entries appended and dropped, all of its comments kept.

Only whole lines are cut and added, where PyYAML says that an entry begins and ends: a YAML library that writes the file
anew (ruamel.yaml) loses the comments above `---` and hands the comment of an entry on to its neighbour.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import yaml

from kmodgate.policy.formats.yaml_documents import parse
from kmodgate.renderer.manifests.emit_yaml import emit

Entry = dict[str, str]
"""One entry, as removals.yaml has it."""

_NEW = """\
# The Modules that may leave the tree, which unloads their drivers: see docs/change.md of kmodgate.
apiVersion: kmodgate.io/v1alpha1
kind: Removals
metadata:
  name: removals
spec:
  removals: []
"""

_Node = Any  # PyYAML's nodes: mapping and sequence nodes have pairs and nodes as their value, scalars a text


class CannotEdit(Exception):
    """The file is written in a way that cannot be edited without losing something."""


def edited(text: str | None, dropped: Collection[int], added: Sequence[Entry]) -> str:
    """Return the text without the entries of these places and with new ones at its end; None is a file to be made.

    Raises CannotEdit.
    """
    old = _NEW if text is None else text
    wanted = [entry for place, entry in enumerate(_entries(old)) if place not in dropped] + list(added)
    new = _edited_lines(old, dropped, added)
    if not _holds(new, wanted) and "#" not in old:
        new = _anew(old, wanted)  # there is no comment to lose
    if not _holds(new, wanted):
        raise CannotEdit
    return new


def _holds(text: str, wanted: list[Entry]) -> bool:
    """Whether a text is sound, and has exactly these entries."""
    return not parse(text, "")[1] and _entries(text) == wanted


def _edited_lines(text: str, dropped: Collection[int], added: Sequence[Entry]) -> str:
    lines = text.removesuffix("\n").split("\n")
    lists = list(_lists(text))
    number = len(_entries(text))
    for position, (key, entries) in reversed(list(enumerate(lists))):
        number -= len(entries.value)
        places = [place for place in range(len(entries.value)) if number + place in dropped]
        new = added if position == len(lists) - 1 else ()
        if entries.flow_style and (places or new):
            old = _entries(text)[number : number + len(entries.value)]
            _write_list(lines, key, entries, [*(item for n, item in enumerate(old) if n not in places), *new])
        elif not entries.flow_style:
            _edit_list(lines, key, entries, places, new)
    return "\n".join(lines) + "\n"


def _anew(text: str, wanted: list[Entry]) -> str:
    """The first document with these entries, in block style."""
    document: Any = parse(text, "")[0][0].value
    return emit({**document, "spec": {"removals": [dict(entry) for entry in wanted]}})


def _entries(text: str) -> list[Entry]:
    """The entries of all documents."""
    specs: list[Any] = [document.value for document in parse(text, "")[0]]
    return [entry for spec in specs for entry in spec["spec"]["removals"] or ()]


def _lists(text: str) -> Iterator[tuple[_Node, _Node]]:
    """The key `removals` and its list, of each document."""
    for document in yaml.compose_all(text, Loader=yaml.CSafeLoader):
        if isinstance(document, yaml.MappingNode):
            _, spec = _pair(document, "spec")
            yield _pair(spec, "removals")


def _pair(node: _Node, name: str) -> tuple[_Node, _Node]:
    return next((key, value) for key, value in node.value if key.value == name)


def _write_list(lines: list[str], key: _Node, entries: _Node, wanted: Sequence[Entry]) -> None:
    """Write a list in brackets anew, one entry below the other; what follows the brackets on their line stays."""
    first, last = key.end_mark.line, entries.end_mark.line
    head, tail = lines[first][: key.end_mark.column + 1], lines[last][entries.end_mark.column :]
    inside = "\n".join(lines[first : last + 1]).removeprefix(head).removesuffix(tail)
    if "#" not in inside:
        body = [f"{head}{tail}", *_block(wanted, " " * key.start_mark.column)]
        lines[first : last + 1] = body if wanted else [f"{head} []{tail}"]


def _edit_list(lines: list[str], key: _Node, entries: _Node, dropped: list[int], added: Sequence[Entry]) -> None:
    """Cut entries out of a list in block style, and put new ones below its last one."""
    items = [_Lines(lines, entry) for entry in entries.value]
    end = items[-1].last + 1
    lines[end:end] = _block(added, items[0].indent)
    for place in reversed(dropped):
        items[place].cut(lines, before=items[place - 1].last if place else key.end_mark.line)
    if len(dropped) == len(items) and not added:
        head, colon = lines[key.end_mark.line], key.end_mark.column + 1
        lines[key.end_mark.line] = f"{head[:colon]} []{head[colon:]}"


def _block(entries: Sequence[Entry], indent: str) -> list[str]:
    lines = emit([dict(entry) for entry in entries]).split("\n")[:-1] if entries else []
    return [f"{indent}{line}" if line else "" for line in lines]


class _Lines:
    """The lines of one entry of a list in block style."""

    def __init__(self, lines: list[str], entry: _Node) -> None:
        first = entry.start_mark.line
        while not lines[first].lstrip(" ").startswith("-"):  # the dash may have a line of its own
            first -= 1
        text = lines[first]
        self.indent = text[: len(text) - len(text.lstrip(" "))]
        self.first = first
        self.last = max(_last_line(node) for node in _leaves(entry))
        while self.last + 1 < len(lines) and self._is_comment(lines[self.last + 1], deeper=True):
            self.last += 1

    def cut(self, lines: list[str], before: int) -> None:
        """Remove the lines, and the comment right above them; `before` is the last line of the entry before."""
        first = self.first
        while first - 1 > before and self._is_comment(lines[first - 1], deeper=False):
            first -= 1
        del lines[first : self.last + 1]

    def _is_comment(self, line: str, *, deeper: bool) -> bool:
        """Whether a line is a comment of the entry: one below it is, if it is indented as its fields are."""
        text = line.lstrip(" ")
        return text.startswith("#") and (len(line) - len(text) > len(self.indent)) is deeper


def _leaves(node: _Node) -> Iterator[_Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield from _leaves(value)
    if isinstance(node, yaml.ScalarNode) or node.flow_style:
        yield node


def _last_line(node: _Node) -> int:
    """The line on which a node ends; a block of text ends where the next line begins."""
    return int(node.end_mark.line if node.end_mark.column else node.end_mark.line - 1)
