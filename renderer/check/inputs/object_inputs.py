"""Kubernetes objects from files or stdin."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from kmodgate.policy.findings import Finding, Mode, Severity
from kmodgate.policy.formats.object_files import (
    MOST_BYTES,
    Others,
    Source,
    decoded,
    is_other_text,
    object_files,
    parse_objects,
    unreadable,
)
from kmodgate.policy.ims.template_text import readable_chart
from kmodgate.renderer import git
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.fleet.files import MARKER, is_hidden, refuse_depth
from kmodgate.renderer.local_files.reading import read_given

STDIN = "-"


def read_objects(
    name: str,
    findings: list[Finding],
    lists: list[str] | None = None,
    others: Others | None = None,
    useless: list[str] | None = None,
) -> Iterator[Source]:
    """Every object of a file, or of stdin for `-`; the items of a List one by one. What is wrong goes to `findings`.

    `lists` takes the kinds of the Lists; `others` is asked about what is no Kubernetes object; `useless` takes the name
    of a file that holds neither YAML nor JSON. Raises Unusable for a stdin without any text: the command before the
    pipe has failed.
    """
    data = read_bytes(name, findings)
    text = None if data is None else decoded(data, name, findings)
    if text is not None and useless is not None and is_other_text(text, name):
        useless.append(name)
    if text is not None:
        yield from parse_objects(readable_chart(text), name, findings, lists, others)


WRITES_A_LIST = "look at the command that wrote it: kubectl writes a List, even where it finds nothing"
"""The fix for a file that should hold objects and holds none."""


def nothing_in(name: str) -> Iterator[Finding]:
    """Yield the warning about a file that a person names and that is empty: the command that wrote it has failed."""
    if name != STDIN and not name.endswith(".json") and os.path.isfile(name) and not os.path.getsize(name):
        yield Finding("SCH006", "is empty", WRITES_A_LIST, severity=Severity.WARNING, file=name, mode=Mode.WARN)


def read_bytes(name: str, findings: list[Finding]) -> bytes | None:
    """Return the bytes of a file or stdin, one more at most than may be; None, and a finding, if it cannot be read."""
    try:
        if name == STDIN:
            return _stdin()
        return read_given(name, MOST_BYTES)
    except OSError as error:
        findings.append(unreadable(error, name))
        return None


def _stdin() -> bytes:
    data = sys.stdin.buffer.read(MOST_BYTES + 1)
    if not data.strip():
        fix = "look at the command before the pipe: kubectl writes a List, even where it finds nothing"
        raise Unusable("stdin is empty", fix)
    return data


def files_below(path: str) -> Iterator[str]:
    """Every YAML and JSON file below a folder, sorted, outside dot folders; a file as itself.

    Raises Unusable for a link that leads out of the repository.
    """
    if not os.path.isdir(path):
        yield path
        return
    top = git.top_of(os.path.realpath(path))
    for folder, folders, names in os.walk(path):
        refuse_depth(folder, path)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in object_files(names):
            file = os.path.normpath(os.path.join(folder, name))
            if top is not None and os.path.islink(file):
                _refuse_link(file, top)
            yield file


def _refuse_link(name: str, top: Path) -> None:
    """Raise Unusable for a link that a commit holds, and that leads to what is no part of any."""
    real = Path(os.path.realpath(name))
    if not real.is_relative_to(top) or is_hidden(real.relative_to(top).as_posix()):
        fix = "remove the link, or give the file itself"
        raise Unusable(f"{name}: leads out of the repository, or to a hidden file, through a symbolic link", fix)


def files_outside_fleets(path: str) -> Iterator[str]:
    """The files below a path; of a fleet only its marker."""
    fleets: dict[str, bool] = {}
    for name in files_below(path):
        folder = os.path.dirname(name)
        if folder not in fleets:  # the folder above comes first
            fleets[folder] = fleets.get(os.path.dirname(folder), False) or os.path.exists(os.path.join(folder, MARKER))
        if not fleets[folder] or (os.path.basename(name) == MARKER and not fleets.get(os.path.dirname(folder))):
            yield name
