"""The file removals.yaml of a fleet: which entries a render appends and drops, and the write as a whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import field
from pathlib import Path

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.yaml_documents import MAX_BYTES
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.fleet.files import REMOVALS, FleetFiles
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.specs import Removal
from kmodgate.renderer.local_files.writing import open_folder, put, remove_temporary
from kmodgate.renderer.removals.leaving import Key, Leaving
from kmodgate.renderer.removals.removals_text import CannotEdit, Entry, edited


@dataclass(frozen=True, slots=True)
class RemovalsChange:
    """What a render does to removals.yaml; `old` and `new` are its text, `old` empty where there is no file."""

    added: list[Leaving]
    dropped: list[Removal]
    """Entries whose Module is in the tree again."""
    old: bytes = field(repr=False)
    new: bytes = field(repr=False)

    def __bool__(self) -> bool:
        return self.old != self.new


def plan_change(fleet: Fleet, present: set[Key], added: Iterable[Leaving], reason: str | None) -> RemovalsChange:
    """Append an entry for each added Module, and drop the entries of the Modules that are present in the tree.

    An older entry of an added Module is replaced. Raises Unusable for a file that cannot be edited.
    """
    added = list(added)
    old = _read(fleet.files)
    dropped = [entry for entry in fleet.removals if entry.key in present]
    if not added and not dropped:
        return RemovalsChange([], [], old, old)
    keys = present | {item.key for item in added}
    text = old.decode("utf-8-sig").replace("\r\n", "\n") if old else None
    try:
        new = edited(text, _places(fleet.removals, keys), [_entry(item, reason) for item in added])
    except CannotEdit:
        fix = "write each entry of spec.removals on lines of its own, the first beginning with `- `"
        raise Unusable(f"{REMOVALS} cannot be edited without losing a comment", fix) from None
    line_end = "\r\n" if b"\r\n" in old else "\n"
    return RemovalsChange(added, dropped, old, new.replace("\n", line_end).encode())


def write_change(root: Path, change: RemovalsChange) -> None:
    """Put the new text in place as a whole. Raises OSError."""
    target = Path(os.path.realpath(root / REMOVALS))
    with open_folder(target.parent) as folder:
        remove_temporary(folder)  # of a render that was killed
        if change:
            mode = stat.S_IMODE(target.stat().st_mode) if change.old else None
            put(folder, folder, target.name, change.new, durable=True, mode=mode)


def _read(files: FleetFiles) -> bytes:
    exists = os.path.lexists(files.root / REMOVALS)
    return files.bytes(REMOVALS, limit=MAX_BYTES) if exists else b""


def _places(entries: Iterable[Removal], keys: set[Key]) -> set[int]:
    """The places of entries, counted over all documents of the file."""
    return {place for place, entry in enumerate(entries) if entry.key in keys}


def _entry(item: Leaving, reason: str | None) -> Entry:
    kind = {} if item.kind == "Module" else {"kind": item.kind}
    place = {"namespace": item.namespace} if item.namespace else {}
    part = {"place": item.place} if item.place else {}
    entry = {"cluster": item.cluster, **kind, **place, "name": item.name, **part, "digest": item.digests[0]}
    return entry if reason is None else {**entry, "reason": reason}
