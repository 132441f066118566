"""Kubernetes objects from files or stdin."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.object_files import MOST_BYTES, Source, decoded, object_files, parse_objects, unreadable
from kmodgate.renderer.fleet.files import MARKER

STDIN = "-"

_OBJECT = re.compile(r"""^\s*(?:-\s+)?["']?apiVersion["']?\s*:|"apiVersion"\s*:""", re.MULTILINE)


def read_objects(name: str, findings: list[Finding], *, ignore_other: bool = False) -> Iterator[Source]:
    """Every object of a file, or of stdin for `-`; the items of a List one by one. What is wrong goes to `findings`.

    `ignore_other` passes over a file that does not look like Kubernetes objects: values of a chart, settings of a tool.
    """
    text = _text(name, findings)
    if text is not None and not (ignore_other and _OBJECT.search(text) is None):
        yield from parse_objects(text, name, findings)


def _text(name: str, findings: list[Finding]) -> str | None:
    try:
        if name == STDIN:
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with open(name, "rb") as file:
                data = file.read(MOST_BYTES + 1)
    except OSError as error:
        findings.append(unreadable(error, name))
        return None
    return decoded(data, name, findings)


def files_below(path: str) -> Iterator[str]:
    """Every YAML and JSON file below a folder, sorted, outside dot folders; a file as itself."""
    if not os.path.isdir(path):
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in object_files(names):
            yield os.path.normpath(os.path.join(folder, name))


def files_outside_fleets(path: str) -> Iterator[str]:
    """The files below a path; of a fleet only its marker."""
    fleets: dict[str, bool] = {}
    for name in files_below(path):
        folder = os.path.dirname(name)
        if folder not in fleets:  # the folder above comes first
            fleets[folder] = fleets.get(os.path.dirname(folder), False) or os.path.exists(os.path.join(folder, MARKER))
        if not fleets[folder] or (os.path.basename(name) == MARKER and not fleets.get(os.path.dirname(folder))):
            yield name
