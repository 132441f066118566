"""Changing the rendered directory so that a run that is stopped at any point can be finished.

A run writes `output/.journal` first, then the folders of new clusters, each as a whole, and other files one by one by
rename, then the indexes, and removes the journal last: whenever it is stopped, what it has written is known, and
nothing that is not in an index or the journal is ever overwritten or deleted.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from kmodgate.renderer.local_files.writing import folder_below, put, put_new_folder, remove_temporary
from kmodgate.renderer.tree import index
from kmodgate.renderer.tree.compare import Change, ClusterChange, Kind, not_a_folder
from kmodgate.renderer.tree.index import INDEX, JOURNAL, Journal


@contextmanager
def locked(output: str, waiting: Callable[[], None] = lambda: None) -> Iterator[int]:
    """Holds the output folder, open, for one run; another run on this machine calls `waiting` and waits."""
    try:
        os.makedirs(output, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise not_a_folder(output) from None
    descriptor = os.open(output, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def write(change: Change, folder: int, progress: Callable[[str, int, int], None] = lambda *_: None) -> None:
    """Makes the tree as the specs want it, in the folder that `locked` holds. Raises OSError when the disk does."""
    pending = [cluster for cluster in change.clusters if any(file.kind is not Kind.FOREIGN for file in cluster.files)]
    others = _of_other_clusters(change)
    disk = _Disk(folder)
    remove_temporary(folder)
    if pending:
        journal = Journal(
            # what was owned stays owned until the index says otherwise: this run may be interrupted, too
            {**others.owned, **{cluster.cluster: {**cluster.before, **cluster.owned} for cluster in pending}},
            {**others.removals, **{item.cluster: [entries[0].driver for entries in item.leaving] for item in pending}},
        )
        disk.put(JOURNAL, index.format_journal(journal), durable=True)
    changed = []
    for number, cluster in enumerate(pending, 1):
        if not _put_new(disk, cluster):
            _write_files(disk, cluster)
            changed.append(cluster)
        progress("clusters written", number, len(pending))
    for cluster in changed:
        _write_index(disk, cluster)
    if others.owned:
        disk.put(JOURNAL, index.format_journal(others), durable=True)
    else:
        disk.remove(JOURNAL)


def _of_other_clusters(change: Change) -> Journal:
    """What an interrupted run has left of clusters that this run does not look at."""
    seen = {cluster.cluster for cluster in change.clusters}
    old = change.journal or Journal()
    owned = {cluster: entries for cluster, entries in old.owned.items() if cluster not in seen}
    return Journal(owned, {cluster: names for cluster, names in old.removals.items() if cluster in owned})


def _put_new(disk: _Disk, cluster: ClusterChange) -> bool:
    """Put the folder of a cluster that has none yet as a whole, its index included; False where it has one."""
    files = [change for change in cluster.files if not change.is_index]
    if not cluster.has_spec or any(change.kind is not Kind.MISSING for change in files):
        return False
    content = {change.path: change.new for change in files}
    content[f"{cluster.cluster}/{INDEX}"] = index.format_index(cluster.owned.values())
    return disk.put_new(cluster.cluster, content)


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
    if cluster.has_spec:
        disk.put(path, index.format_index(cluster.owned.values()), durable=True)
    else:
        disk.remove(path)


class _Disk:
    """The output folder, changed one whole file at a time; paths are relative to it, with `/`."""

    def __init__(self, folder: int) -> None:
        self._root = folder

    def put(self, path: str, content: bytes, *, durable: bool = False) -> None:
        """Puts a file in place as a whole: a reader sees the old one or the new one."""
        _check_below(path)
        folder, _, name = path.rpartition("/")
        with folder_below(self._root, folder, create=True) as inner:
            put(self._root, inner, name, content, durable=durable)

    def put_new(self, folder: str, files: Mapping[str, bytes]) -> bool:
        """Puts a folder that is not there yet, with its files, in place as a whole; the last file is the index."""
        for path in files:
            _check_below(path)
        inside = {path.removeprefix(f"{folder}/"): content for path, content in files.items()}
        return put_new_folder(self._root, folder, inside, last=INDEX)

    def remove(self, path: str) -> None:
        """Removes a file, if it is there, and the folders that it leaves empty."""
        _check_below(path)
        folder, _, name = path.rpartition("/")
        with suppress(FileNotFoundError), folder_below(self._root, folder) as inner:
            os.remove(name, dir_fd=inner)
        while folder:
            around, _, name = folder.rpartition("/")
            try:
                with folder_below(self._root, around) as outer:
                    os.rmdir(name, dir_fd=outer)
            except OSError:
                return
            folder = around


def _check_below(path: str) -> None:
    """Nothing outside the output folder is ever touched, whatever an index or a journal says."""
    if not index.is_below(path):
        raise ValueError(f"{path} leads out of the output folder")
