"""What render has written: the index of a cluster's folder, and the journal of a run that is under way.

Both are lists of entries, one a line, so that a reviewer can read them and git can merge them:

    <sha256> <path> <kind> <namespace or -> <name> [<driver>][@<place>]

The driver is there where a kind that has other uses stands for one, as a DaemonSet does; the place is the pool or the
namespace of spokes for which the object does so.

After a merge conflict the index holds both sides between git's markers; all of it is then owned, and the next render
puts it right.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import field
from pathlib import Path

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.deliveries.delivery import stands_for_driver
from kmodgate.renderer.deliveries.hub.manifest_works import MANIFEST_WORK, WORK_PREFIX
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.fleet.files import refuse_depth
from kmodgate.renderer.local_files.reading import read_regular
from kmodgate.renderer.manifests.manifest import Identity

INDEX = ".index"
JOURNAL = ".journal"

_MOST_BYTES = 64 << 20

_HEADER = "# kmodgate index v1: the files of this folder that kmodgate owns; do not edit"
_CONFLICT = lazy_regex(r"(?:<{7}|={7}|>{7}|\|{7})(?: .*)?$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One owned file; the path is relative to the cluster's folder."""

    path: str
    digest: str
    kind: str
    namespace: str
    name: str
    label: str = ""
    """The driver that the object names in its label, if its kind needs one to stand for a driver."""
    place: str = ""

    @property
    def driver(self) -> str:
        """The driver that the object stands for, which is unloaded when all such objects leave; else nothing."""
        if self.label:
            return self.label
        group, _, kind = self.kind.rpartition("/")
        if (group, kind) == MANIFEST_WORK:  # the driver is on the spoke as long as this one is on the hub
            return self.name.removeprefix(WORK_PREFIX) if self.name.startswith(WORK_PREFIX) else ""
        return self.name if stands_for_driver(group, kind) else ""

    @property
    def object_kind(self) -> str:
        """The kind without its group."""
        return self.kind.rpartition("/")[2]

    @property
    def key(self) -> DriverKey:
        return self.kind, self.namespace, self.driver, self.place


DriverKey = tuple[str, str, str, str]
"""Kind, namespace, driver and place of the objects that stand for a driver of a cluster together."""


def without_place(key: DriverKey) -> DriverKey:
    """The key of a driver in an index that was written before indexes had places."""
    return (*key[:3], "")


def entry(path: str, digest: str, identity: Identity, driver: str, place: str = "") -> Entry:
    """The entry of a file; `driver` is the one that its object stands for, if any, and `place` where it does so."""
    kind = f"{identity.group}/{identity.kind}" if identity.group else identity.kind
    label = "" if stands_for_driver(identity.group, identity.kind) else driver
    return Entry(path, digest, kind, identity.namespace, identity.name, label, place)


def digest_of(entries: Iterable[Entry]) -> str:
    """The digest of all files of a driver: of one file its own; nothing for none."""
    digests = sorted(entry.digest for entry in entries)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest() if len(digests) > 1 else "".join(digests)


def format_index(entries: Iterable[Entry]) -> bytes:
    """The text of an index, sorted by path."""
    lines = [_HEADER]
    for item in sorted(entries, key=lambda item: item.path):
        label = f"{item.label}@{item.place}" if item.place else item.label
        parts = item.digest, item.path, item.kind, item.namespace or "-", item.name, label
        lines.append(" ".join(part for part in parts if part))
    return ("\n".join(lines) + "\n").encode()


def parse_index(data: bytes, name: str) -> dict[str, Entry]:
    """The entries of an index by path; `name` is the file, for the error. Raises Unusable."""
    entries: dict[str, Entry] = {}
    for number, line in enumerate(data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n"), 1):
        if not line or line.startswith("#") or _CONFLICT.match(line):
            continue
        parts = line.split(" ")
        if len(parts) not in (5, 6) or not is_below(parts[1]):
            raise Unusable(
                f"{name}:{number}: not a line of an index: {line[:60]!r}",
                f"restore the file from git: git checkout -- {name}",
            )
        digest, path, kind, namespace, object_name, *last = parts
        label, _, place = "".join(last).partition("@")
        entries[path] = Entry(path, digest, kind, "" if namespace == "-" else namespace, object_name, label, place)
    return entries


def is_below(path: str) -> bool:
    """Whether a path stays inside its folder: an index or a journal is a file that anyone may edit."""
    parts = path.split("/")
    return bool(path) and not any(part in ("", ".", "..") for part in parts) and "\\" not in path and "\0" not in path


def read(path: str) -> bytes | None:
    """The bytes of a regular file, or None where there is none: another render may be at work. No link is followed.

    Raises Unusable for a file that no render has written, since it is too large.
    """
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        data = read_regular(path, _MOST_BYTES, follow=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(data) > _MOST_BYTES:
        raise Unusable(
            f"{path} is larger than {_MOST_BYTES >> 20} MiB", "restore the folder from git, or delete the file"
        )
    return data


def read_index(output: str, cluster: str) -> tuple[bytes | None, dict[str, Entry]]:
    """The index of a cluster's folder as it stands, and its entries by path. Raises Unusable."""
    name = os.path.join(output, cluster, INDEX)
    data = None if os.path.islink(os.path.join(output, cluster)) else read(name)
    return data, {} if data is None else parse_index(data, name)


def unowned(output: Path, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Files of the output folder with such a suffix that no render has written, relative to it. Raises Unusable."""
    journal = read_journal(os.path.join(output, JOURNAL)) or Journal()
    owned: dict[str, set[str]] = {}
    for folder, _, names in os.walk(output):
        refuse_depth(folder, str(output))
        cluster, _, below = os.path.relpath(folder, output).partition(os.sep)
        if cluster not in owned:
            owned[cluster] = {*read_index(str(output), cluster)[1], *journal.owned.get(cluster, ())}
        for name in names:
            path = f"{below}/{name}" if below else name
            if name.endswith(suffixes) and path not in owned[cluster]:
                yield os.path.join(os.path.relpath(folder, output), name)


@dataclass(slots=True)
class Journal:
    """A run that has begun to write: by cluster, what it will own, and the Modules that may leave."""

    owned: dict[str, dict[str, Entry]] = field(default_factory=dict)
    removals: dict[str, list[str]] = field(default_factory=dict)


def format_journal(journal: Journal) -> bytes:
    clusters = {
        cluster: {
            "owned": format_index(entries.values()).decode(),
            "removals": journal.removals.get(cluster, []),
        }
        for cluster, entries in journal.owned.items()
    }
    return json.dumps({"version": 1, "clusters": clusters}, indent=1).encode()


def read_journal(path: str) -> Journal | None:
    """The journal that an interrupted run has left, if there is one. Raises Unusable."""
    data = read(path)
    if data is None:
        return None
    journal = Journal()
    try:
        content = json.loads(data)
        if content["version"] != 1:
            raise ValueError("another version")
        for cluster, part in content["clusters"].items():
            if "/" in cluster or not is_below(cluster):
                raise ValueError("not the name of a folder")
            journal.owned[cluster] = parse_index(part["owned"].encode(), path)
            journal.removals[cluster] = [str(name) for name in part["removals"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unusable(
            f"{path}: not a journal that kmodgate wrote",
            f"restore the folder from git: git checkout -- {os.path.dirname(path)}; then delete the journal",
        ) from None
    return journal
