"""The rendered directory: what would change, and changing it so that an interrupted run can be finished.

`output/<cluster>/` holds the files of one cluster and `.index`, the list of those that kmodgate owns. Nothing that is
not in the list is ever overwritten or deleted. A run writes `output/.journal` first, then the files one by one by
rename, then the indexes, and removes the journal last: whenever it is stopped, what it has written is known.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

from policy.findings import Finding
from renderer import ownership
from renderer.errors import Refused, Unusable
from renderer.layout import RenderedFile
from renderer.ownership import INDEX, JOURNAL, TEMPORARY, Entry, Journal

Files = dict[str, RenderedFile]

_APPLIED_SUFFIXES = (".yaml", ".yml", ".json", ".jsonnet")  # what Argo CD reads in a folder


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
    new: bytes = field(default=b"", repr=False)

    @property
    def is_index(self) -> bool:
        return self.path.endswith(f"/{INDEX}")


@dataclass(slots=True)
class ClusterChange:
    """What differs in the folder of one cluster."""

    cluster: str
    files: list[FileChange]
    owned: dict[str, Entry]
    """What the folder will own."""
    leaving: list[Entry]
    """Modules that the folder owns and will not hold any more."""


@dataclass(slots=True)
class Change:
    """The difference between a tree on disk and the one that the specs want."""

    output: str
    clusters: list[ClusterChange]
    journal: Journal | None

    @property
    def files(self) -> list[FileChange]:
        """Every difference, sorted by path."""
        found = [change for cluster in self.clusters for change in cluster.files]
        if self.journal is not None:
            found.append(FileChange(Kind.INTERRUPTED, JOURNAL))
        return sorted(found, key=lambda change: change.path)

    @property
    def shown(self) -> list[FileChange]:
        """The differences that a person wants to see: an index only where nothing else of its folder differs."""
        busy = {change.path.partition("/")[0] for change in self.files if not change.is_index}
        return [change for change in self.files if not change.is_index or change.path.partition("/")[0] not in busy]


def compare(wanted: dict[str, Files], output: str, scope: list[str] | None = None) -> Change:
    """What differs on disk. Reads only; `scope` limits it to some clusters.

    Raises Refused for files of others in the way, Unusable for an index or journal that cannot be read.
    """
    journal = ownership.read_journal(os.path.join(output, JOURNAL))
    clusters = sorted({*wanted, *_rendered_clusters(output), *(journal.owned if journal else ())})
    obstacles: list[Finding] = []
    changes = [
        _compare_cluster(cluster, wanted.get(cluster, {}), output, journal, obstacles)
        for cluster in clusters
        if scope is None or cluster in scope
    ]
    if obstacles:
        raise Refused(obstacles)
    return Change(output, changes, journal)


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
        raise _not_a_folder(output) from None


def _not_a_folder(output: str) -> Unusable:
    return Unusable(f"{output} is a file, and must be a folder", "give another --output, or move the file")


def _compare_cluster(
    cluster: str, wanted: Files, output: str, journal: Journal | None, obstacles: list[Finding]
) -> ClusterChange:
    folder = os.path.join(output, cluster)
    indexed = _read_index(folder)
    entries = ownership.parse_index(indexed, os.path.join(folder, INDEX)) if indexed is not None else {}
    if journal is not None:
        entries = {**entries, **journal.owned.get(cluster, {})}
    present = set(_walk(folder, "", obstacles))
    owned = {path: ownership.entry(path, file.digest, file.identity) for path, file in wanted.items()}
    files = [
        change
        for path, file in wanted.items()
        if (change := _compare_file(cluster, folder, file, entries, present, obstacles)) is not None
    ]
    files += _unwanted(cluster, folder, wanted, entries, present)
    index = ownership.format_index(owned.values()) if owned else None
    if index != indexed:
        kind = Kind.MISSING if indexed is None else Kind.CHANGED if index is not None else Kind.EXTRA
        files.append(FileChange(kind, f"{cluster}/{INDEX}", indexed or b"", index or b""))
    staying = {entry.object for entry in owned.values()}
    leaving = {entry.object: entry for entry in entries.values() if entry.is_module and entry.object not in staying}
    return ClusterChange(cluster, files, owned, list(leaving.values()))


def _read_index(folder: str) -> bytes | None:
    try:
        with open(os.path.join(folder, INDEX), "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _walk(folder: str, below: str, obstacles: list[Finding]) -> Iterator[str]:
    """Every file below a cluster's folder, relative to it. A link in place of a folder is in the way."""
    path = os.path.join(folder, below)
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
        return FileChange(Kind.MISSING, name, new=file.content)
    old = _content(path)
    if old == file.content:
        return None
    if file.path not in entries:
        obstacles.append(
            _obstacle(path, "exists, and kmodgate did not write it", "move it away, or delete it if it may be replaced")
        )
        return None
    return FileChange(Kind.CHANGED, name, old, file.content)


def _unwanted(
    cluster: str, folder: str, wanted: Files, entries: dict[str, Entry], present: set[str]
) -> Iterator[FileChange]:
    for path in sorted(present - wanted.keys() - {INDEX}):
        if path in entries:
            yield FileChange(Kind.EXTRA, f"{cluster}/{path}", _content(os.path.join(folder, path)))
        elif path.endswith(_APPLIED_SUFFIXES):
            yield FileChange(Kind.FOREIGN, f"{cluster}/{path}", _content(os.path.join(folder, path)))


def _content(path: str) -> bytes:
    """A file's bytes; a link's are where it leads to, so that it never equals a rendered file."""
    if os.path.islink(path):
        return b"symbolic link to " + os.fsencode(os.readlink(path))
    with open(path, "rb") as file:
        return file.read()


def _obstacle(path: str, message: str, fix: str) -> Finding:
    return Finding("GIT002", message, fix, file=os.path.abspath(path))


@contextmanager
def locked(output: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds the output folder for one run; another run on this machine calls `waiting` and waits."""
    try:
        os.makedirs(output, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise _not_a_folder(output) from None
    descriptor = os.open(output, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write(change: Change, progress: Callable[[str, int, int], None] = lambda *_: None) -> None:
    """Makes the tree as the specs want it. Only under `locked`; raises OSError when the disk does."""
    pending = [cluster for cluster in change.clusters if any(file.kind is not Kind.FOREIGN for file in cluster.files)]
    others = _of_other_clusters(change)
    disk = _Disk(change.output)
    if pending:
        journal = Journal(
            {**others.owned, **{cluster.cluster: cluster.owned for cluster in pending}},
            {**others.removals, **{item.cluster: [entry.name for entry in item.leaving] for item in pending}},
        )
        disk.put(JOURNAL, ownership.format_journal(journal), durable=True)
    for number, cluster in enumerate(pending, 1):
        _write_files(disk, cluster)
        progress("clusters written", number, len(pending))
    for cluster in pending:
        _write_index(disk, cluster)
    if others.owned:
        disk.put(JOURNAL, ownership.format_journal(others), durable=True)
    else:
        disk.remove(JOURNAL)
    disk.remove(TEMPORARY)


def _of_other_clusters(change: Change) -> Journal:
    """What an interrupted run has left of clusters that this run does not look at."""
    seen = {cluster.cluster for cluster in change.clusters}
    old = change.journal or Journal()
    owned = {cluster: entries for cluster, entries in old.owned.items() if cluster not in seen}
    return Journal(owned, {cluster: names for cluster, names in old.removals.items() if cluster in owned})


def _write_files(disk: _Disk, cluster: ClusterChange) -> None:
    for change in cluster.files:
        if change.is_index or change.kind is Kind.FOREIGN:
            continue
        if change.kind is Kind.EXTRA:
            disk.remove(change.path)
        else:
            disk.put(change.path, change.new)


def _write_index(disk: _Disk, cluster: ClusterChange) -> None:
    path = f"{cluster.cluster}/{INDEX}"
    if cluster.owned:
        disk.put(path, ownership.format_index(cluster.owned.values()), durable=True)
    else:
        disk.remove(path)


class _Disk:
    """The output folder, changed one whole file at a time; paths are relative to it, with `/`."""

    def __init__(self, output: str) -> None:
        self._output = output
        self._temporary = os.path.join(output, TEMPORARY)
        self._folders = {""}

    def put(self, path: str, content: bytes, *, durable: bool = False) -> None:
        """Puts a file in place as a whole: a reader sees the old one or the new one."""
        with open(self._temporary, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        folder = path.rpartition("/")[0]
        if folder not in self._folders:
            os.makedirs(os.path.join(self._output, folder), exist_ok=True)
            self._folders.add(folder)
        os.replace(self._temporary, os.path.join(self._output, path))

    def remove(self, path: str) -> None:
        """Removes a file, if it is there, and the folders that it leaves empty."""
        with suppress(FileNotFoundError):
            os.remove(os.path.join(self._output, path))
        folder = path.rpartition("/")[0]
        while folder:
            try:
                os.rmdir(os.path.join(self._output, folder))
            except OSError:
                return
            self._folders.discard(folder)
            folder = folder.rpartition("/")[0]
