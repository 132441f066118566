"""The rendered directory as it is, against what the specs want: every file that is missing, changed or extra.

`output/<cluster>/` holds the files of one cluster and `.index`, the list of those that kmodgate owns. Reads only;
`renderer.tree.write` takes the differences away.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import field, replace
from enum import StrEnum
from typing import Any

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.yaml_documents import parse
from kmodgate.renderer.deliveries.delivery import place_of
from kmodgate.renderer.errors import Refused, Unusable
from kmodgate.renderer.fleet.files import refuse_depth
from kmodgate.renderer.tree import index
from kmodgate.renderer.tree.file_names import RenderedFile
from kmodgate.renderer.tree.index import INDEX, JOURNAL, DriverKey, Entry, Journal
from kmodgate.renderer.tree.texts import Text, as_it_is

Files = dict[str, RenderedFile]

APPLIED_SUFFIXES = (".yaml", ".yml", ".json", ".jsonnet")
"""What Argo CD reads in a folder."""


class Kind(StrEnum):
    MISSING = "missing"
    CHANGED = "changed"
    EXTRA = "extra"
    FOREIGN = "foreign"
    """Not written by kmodgate, but Argo CD would apply it."""
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that is not as the specs want it; `path` is relative to the output folder."""

    kind: Kind
    path: str
    old: bytes = field(default=b"", repr=False)
    text: Text | None = field(default=None, repr=False)

    @property
    def new(self) -> bytes:
        """The content that the specs want; empty where they want none."""
        return b"" if self.text is None else self.text.content

    @property
    def is_index(self) -> bool:
        return self.path.endswith(f"/{INDEX}")


@dataclass(slots=True)
class ClusterChange:
    """What differs in the folder of one cluster."""

    cluster: str
    files: list[FileChange]
    before: dict[str, Entry]
    """What the folder owns now, by its index and by an interrupted run."""
    owned: dict[str, Entry]
    """What the folder will own."""
    leaving: list[list[Entry]]
    """The files of each driver that the folder owns and will not hold any more."""
    has_spec: bool = True
    """Whether the fleet has the cluster: its folder stays then, with an index, when nothing else is left in it."""


@dataclass(slots=True)
class Change:
    """The difference between a tree on disk and the one that the specs want."""

    output: str
    clusters: list[ClusterChange]
    journal: Journal | None
    strangers: list[FileChange] = field(default_factory=list)
    """What Argo CD would apply beside the folders that a render has written."""
    is_applied: bool = True
    """Whether Argo CD applies what lies there; a person does so where it is the handover."""

    @property
    def files(self) -> list[FileChange]:
        """Every difference, sorted by path."""
        found = [*self.strangers, *(change for cluster in self.clusters for change in cluster.files)]
        if self.journal is not None:
            found.append(FileChange(Kind.INTERRUPTED, JOURNAL))
        return sorted(found, key=lambda change: change.path)

    @property
    def shown(self) -> list[FileChange]:
        """The differences that a person wants to see: an index only where nothing else of its folder differs."""
        busy = {change.path.partition("/")[0] for change in self.files if not change.is_index}
        return [change for change in self.files if not change.is_index or change.path.partition("/")[0] not in busy]


def compare(
    wanted: dict[str, Files],
    output: str,
    scope: list[str] | None = None,
    *,
    is_tree: bool = False,
    is_applied: bool = True,
) -> Change:
    """What differs on disk. Reads only; `scope` limits it to some clusters.

    In the tree of a fleet (`is_tree`) also what lies beside the folders of the clusters.

    Raises Refused for files of others in the way, Unusable for an index or journal that cannot be read.
    """
    journal = index.read_journal(os.path.join(output, JOURNAL))
    clusters = sorted({*wanted, *_rendered_clusters(output), *(journal.owned if journal else ())})
    obstacles: list[Finding] = []
    if os.path.isdir(os.path.join(output, JOURNAL)):
        obstacles.append(_obstacle(os.path.join(output, JOURNAL), "is a folder, and must be a file", "move it away"))
    changes = [
        _compare_cluster(cluster, wanted.get(cluster), output, journal, obstacles)
        for cluster in clusters
        if scope is None or cluster in scope
    ]
    if obstacles:
        raise Refused(obstacles)
    strangers = list(_strangers(output, clusters)) if is_tree and scope is None else []
    return Change(output, changes, journal, strangers, is_applied)


def _strangers(output: str, clusters: Collection[str]) -> Iterator[FileChange]:
    """Yield the files and links in folders that no render has written, and those in no folder."""
    try:
        names = sorted({*os.listdir(output)} - {*clusters})
    except FileNotFoundError:
        return
    for name in names:
        path = os.path.join(output, name)
        is_folder = os.path.isdir(path) and not os.path.islink(path)
        for file in sorted(_walk(path, "", [])) if is_folder else [""]:
            place = os.path.join(path, file) if file else path
            if _is_applied(place) and (content := _content(place)) is not None:
                yield FileChange(Kind.FOREIGN, f"{name}/{file}" if file else name, content)


def _is_applied(path: str) -> bool:
    """Whether Argo CD would apply a file that it finds, or may follow it as a link."""
    return path.endswith(APPLIED_SUFFIXES) or os.path.islink(path)


def _rendered_clusters(output: str) -> Iterator[str]:
    """The folders that kmodgate has written: those with an index."""
    try:
        with os.scandir(output) as entries:
            for item in entries:
                if item.is_dir(follow_symlinks=False) and os.path.isfile(os.path.join(item.path, INDEX)):
                    yield item.name
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise not_a_folder(output) from None


def not_a_folder(output: str) -> Unusable:
    """The error of an output that is a file."""
    what = "a link to nothing" if os.path.islink(output) and not os.path.exists(output) else "a file"
    return Unusable(f"{output} is {what}, and must be a folder", f"give another --output, or move {what} away")


def _compare_cluster(
    cluster: str, files_wanted: Files | None, output: str, journal: Journal | None, obstacles: list[Finding]
) -> ClusterChange:
    """Compare the folder of one cluster; `files_wanted` is None where the fleet has no such cluster."""
    wanted = files_wanted or {}
    folder = os.path.join(output, cluster)
    indexed, entries = index.read_index(output, cluster)
    if journal is not None:
        entries = {**entries, **journal.owned.get(cluster, {})}
    present = set(_walk(folder, "", obstacles))
    if os.path.isdir(os.path.join(folder, INDEX)):
        obstacles.append(_obstacle(os.path.join(folder, INDEX), "is a folder, and must be a file", "move it away"))
    owned = {path: file.entry for path, file in wanted.items()}
    files = [
        change
        for path, file in wanted.items()
        if (change := _compare_file(cluster, folder, file, entries, present, obstacles)) is not None
    ]
    files += _unwanted(cluster, folder, wanted, entries, present)
    wanted_index = index.format_index(owned.values()) if files_wanted is not None else None
    if wanted_index != indexed:
        kind = Kind.MISSING if indexed is None else Kind.CHANGED if wanted_index is not None else Kind.EXTRA
        files.append(FileChange(kind, f"{cluster}/{INDEX}", indexed or b"", as_it_is(wanted_index or b"")))
    drivers = _leaving(folder, entries, owned)
    return ClusterChange(cluster, files, entries, owned, drivers, files_wanted is not None)


def _leaving(folder: str, entries: dict[str, Entry], owned: dict[str, Entry]) -> list[list[Entry]]:
    """The entries of the drivers that leave a cluster; those without a place have that of their file on disk.

    Where an index without places names a file that is gone or unreadable, its driver stays if it does for any place.
    """
    staying = {entry.key for entry in owned.values()}
    unplaced = {index.without_place(key) for key in staying}
    leaving: dict[DriverKey, dict[str, Entry]] = {}
    for item in entries.values():
        if item.driver and item.key not in staying:
            found = item if item.place else replace(item, place=place_of(object_in(os.path.join(folder, item.path))))
            if found.key not in staying | (set() if found.place else unplaced):
                leaving.setdefault(found.key, {})[found.name] = found
    return [list(files.values()) for files in leaving.values()]


def object_in(file: str) -> dict[str, Any]:
    """The object of a rendered file; empty where there is none."""
    data = index.read(file)
    return {} if data is None else parsed(data)


def parsed(data: bytes) -> dict[str, Any]:
    """The first object of a text; empty where there is none."""
    documents, _ = parse(data.decode("utf-8", "replace"), "")
    value: Any = documents[0].value if documents else None
    return value if isinstance(value, dict) else {}


def _walk(folder: str, below: str, obstacles: list[Finding]) -> Iterator[str]:
    """Every file below a cluster's folder, relative to it. A link in place of a folder is in the way."""
    path = os.path.join(folder, below)
    refuse_depth(below, "")
    if os.path.islink(path.rstrip("/")):
        obstacles.append(_obstacle(path.rstrip("/"), "is a symbolic link, and must be a folder", "remove the link"))
        return
    try:
        with os.scandir(path) as entries:
            items = list(entries)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        obstacles.append(_obstacle(path.rstrip("/"), "is a file, and must be a folder", "move it away"))
        return
    for item in items:
        name = f"{below}/{item.name}" if below else item.name
        if item.is_dir(follow_symlinks=False):
            yield from _walk(folder, name, obstacles)
        else:
            yield name


def _compare_file(
    cluster: str,
    folder: str,
    file: RenderedFile,
    entries: dict[str, Entry],
    present: set[str],
    obstacles: list[Finding],
) -> FileChange | None:
    name, path = f"{cluster}/{file.path}", os.path.join(folder, file.path)
    if file.path not in present:
        parent = file.path.partition("/")[0]
        if parent in present:  # a link would lead the write out of the tree
            message = "is a file or a link, and must be a folder"
            obstacles.append(_obstacle(os.path.join(folder, parent), message, "move it away"))
        elif os.path.isdir(path):
            obstacles.append(_obstacle(path, "is a folder, and must be a file", "move it away"))
        return FileChange(Kind.MISSING, name, text=file.text)
    old = _content(path)
    if old is None:  # another render has just taken it away
        return FileChange(Kind.MISSING, name, text=file.text)
    if hashlib.sha256(old).hexdigest() == file.digest:
        return None
    if file.path not in entries:
        obstacles.append(
            _obstacle(path, "exists, and kmodgate did not write it", "move it away, or delete it if it may be replaced")
        )
        return None
    return FileChange(Kind.CHANGED, name, old, file.text)


def _unwanted(
    cluster: str, folder: str, wanted: Files, entries: dict[str, Entry], present: set[str]
) -> Iterator[FileChange]:
    for path in sorted(present - wanted.keys() - {INDEX}):
        kind = Kind.EXTRA if path in entries else Kind.FOREIGN
        if path in entries or _is_applied(os.path.join(folder, path)):
            content = _content(os.path.join(folder, path))
            if content is not None:
                yield FileChange(kind, f"{cluster}/{path}", content)


def _content(path: str) -> bytes | None:
    """A file's bytes, or None if it is gone; a link or a pipe is described, so that it never equals a rendered file."""
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            return b"symbolic link to " + os.fsencode(os.readlink(path))
    except FileNotFoundError:
        return None
    return index.read(path) if stat.S_ISREG(mode) else b"not a regular file"


def _obstacle(path: str, message: str, fix: str) -> Finding:
    return Finding("GIT002", message, fix, file=os.path.abspath(path))
