"""What a render would change, or has: a list of files, and their differences as unified diffs."""

from __future__ import annotations

import difflib
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from kmodgate.policy.formats.yaml_documents import parse
from kmodgate.renderer.compile.image_services.folder import FOLDER as SERVICE_FOLDER
from kmodgate.renderer.console import Console
from kmodgate.renderer.fleet.files import REMOVALS
from kmodgate.renderer.manifests.argo import is_never_pruned
from kmodgate.renderer.manifests.manifest import identity_of
from kmodgate.renderer.removals.removals_file import RemovalsChange
from kmodgate.renderer.tree.compare import Change, FileChange, Kind
from kmodgate.renderer.tree.texts import as_it_is
from kmodgate.renderer.wording import printable

_STYLES = {
    Kind.MISSING: "green",
    Kind.CHANGED: "yellow",
    Kind.EXTRA: "red",
    Kind.FOREIGN: "red",
    Kind.INTERRUPTED: "red",
}

_WORDS = {
    Kind.MISSING: "missing",
    Kind.CHANGED: "changed",
    Kind.EXTRA: "extra",
    Kind.FOREIGN: "extra (not written by kmodgate; Argo CD would apply it)",
    Kind.INTERRUPTED: "an earlier render was interrupted; run render again to finish it",
}


_FOREIGN_IN_HANDOVER = "extra (not written by kmodgate)"


def print_change(change: Change, console: Console, base: str) -> None:
    """Every file that differs, then the differences; `base` is put before the paths."""
    files = change.shown
    for file in files:
        style = _STYLES[file.kind]
        words = _WORDS[file.kind]
        if file.kind is Kind.FOREIGN and not change.is_applied:
            words = _FOREIGN_IN_HANDOVER
        console.show(f"{console.paint(words, style, stream=sys.stdout)}: {printable(base + file.path)}\n")
    for file in files:
        if file.kind is not Kind.INTERRUPTED and not file.is_index:
            console.show(_diff(file, console, base))


def print_removals(change: RemovalsChange, console: Console, base: str) -> None:
    """Print removals.yaml and its difference, if a render would write it."""
    if change:
        file = FileChange(Kind.CHANGED if change.old else Kind.MISSING, REMOVALS, change.old, as_it_is(change.new))
        console.show(
            f"{console.paint(file.kind, _STYLES[file.kind], stream=sys.stdout)}: {printable(base)}{REMOVALS}\n"
        )
        console.show(_diff(file, console, base))


def _diff(file: FileChange, console: Console, base: str) -> str:
    path = printable(base + file.path)
    lines = difflib.unified_diff(
        _lines(file.old),
        _lines(file.new),
        f"a/{path}" if file.old else "/dev/null",
        f"b/{path}" if file.new else "/dev/null",
    )
    return "".join(_paint_line(line, console) for line in lines)


def _lines(content: bytes) -> list[str]:
    text = "\n".join(_line(line) for line in content.decode("utf-8", "replace").split("\n"))
    return [line + "\n" for line in text.split("\n")[:-1]] + (
        [f"{last}\n\\ No newline at end of file\n"] if (last := text.split("\n")[-1]) else []
    )


def _line(line: str) -> str:
    return "\t".join(printable(part) for part in line.split("\t"))


def _paint_line(line: str, console: Console) -> str:
    if line.startswith(("---", "+++")):
        return console.paint(line.rstrip("\n"), "bold", stream=sys.stdout) + "\n"
    style = {"+": "green", "-": "red", "@": "cyan"}.get(line[0])
    return console.paint(line[:-1], style, stream=sys.stdout) + "\n" if style else line


def summary(change: Change) -> str:
    """`2 files to write, 1 to delete`: what a render would do, or has done, in a few words."""
    counts = Counter(file.kind for file in change.shown)
    written, deleted = counts[Kind.MISSING] + counts[Kind.CHANGED], counts[Kind.EXTRA]
    parts = [f"{written} {'file' if written == 1 else 'files'} written"] if written else []
    parts += [f"{deleted} deleted"] if deleted else []
    return ", ".join(parts) or "nothing to change"


def drift(change: Change) -> str:
    """`3 files differ from the specs: 1 missing, 2 changed`."""
    counts = Counter(Kind.EXTRA if file.kind is Kind.FOREIGN else file.kind for file in change.shown)
    total = sum(counts.values()) - counts[Kind.INTERRUPTED]
    parts = [f"{counts[kind]} {kind}" for kind in (Kind.MISSING, Kind.CHANGED, Kind.EXTRA) if counts[kind]]
    return f"{total} {'file differs' if total == 1 else 'files differ'} from the specs" + (
        f": {', '.join(parts)}" if parts else ""
    )


_NEEDED = ("ConfigMap", "RuntimeClass", "Deployment")
"""The kinds of an image service without which its pod, or those of its jobs, do not start."""


def left_by_services(change: Change, base: str) -> Iterator[str]:
    """Yield what becomes of each object that an image service needs and that leaves the tree."""
    for file in change.files if change.is_applied else ():
        if file.kind is not Kind.EXTRA or f"/{SERVICE_FOLDER}/" not in file.path:
            continue
        documents, _ = parse(file.old.decode("utf-8", "replace"), file.path)
        value: Any = documents[0].value if documents else None
        if not isinstance(value, dict) or value.get("kind") not in _NEEDED:
            continue
        name, place = printable(str(identity_of(value))), printable(base + file.path)
        if is_never_pruned(value):
            yield f"note: {place} leaves the tree: Argo CD does not prune {name}, which stays in the cluster as it is"
        else:
            lost = f"Argo CD deletes {name}, without which the service or its jobs do not start"
            fix = "first render it with kmodgate's annotation Prune=false, and sync that"
            yield f"warning: {place} leaves the tree: {lost}; {fix}"
