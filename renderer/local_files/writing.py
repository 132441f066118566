"""Writing below folders that strangers may have filled: no link is followed, wherever it lies and whenever it comes.

A file gets its content under a random name and is then renamed into its place; so does a folder that is new, with all
that is in it. Folders are opened step by step, each inside the one before it, so that a link that takes the place of
one in between is an error.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path

from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.errors import Unusable

_TEMPORARY = ".kmodgate-tmp"
_OURS = lazy_regex(r"\.kmodgate-tmp(-[0-9a-f]{16})?")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def _temporary_name() -> str:
    return f"{_TEMPORARY}-{os.urandom(8).hex()}"


@contextmanager
def open_folder(path: Path) -> Iterator[int]:
    """Open a folder. Raises OSError where it is none."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)


@contextmanager
def folder_below(root: int, path: str, *, create: bool = False) -> Iterator[int]:
    """Open a folder by its path below an open one, with `/`. Raises OSError where it is none, or a link."""
    folder = os.dup(root)
    try:
        for name in filter(None, path.split("/")):
            if create:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=folder)
            inner = os.open(name, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def put(root: int, folder: int, name: str, content: bytes, *, durable: bool = False, mode: int | None = None) -> None:
    """Put a file into an open folder as a whole: a reader sees the old one or the new one. Raises OSError.

    Until then it lies in the open folder `root` of the same file system.
    """
    temporary = _temporary_name()
    descriptor = os.open(temporary, _NEW, 0o666, dir_fd=root)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            if mode is not None:
                os.fchmod(descriptor, mode)
            if durable:
                file.flush()
                os.fsync(descriptor)
        os.replace(temporary, name, src_dir_fd=root, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.remove(temporary, dir_fd=root)
        raise


def put_new_folder(root: int, name: str, files: Mapping[str, bytes], last: str) -> bool:
    """Put a new folder into an open one as a whole, with files by their paths in it. Raises OSError.

    The file `last` is on the disk for good before. False, and nothing changes, where something of that name is there.
    """
    try:
        os.stat(name, dir_fd=root, follow_symlinks=False)
        return False
    except FileNotFoundError:
        pass
    temporary = _temporary_name()
    os.mkdir(temporary, dir_fd=root)
    try:
        with folder_below(root, temporary) as top:
            for folder, paths in groupby(files, lambda path: path.rpartition("/")[0]):
                with folder_below(top, folder, create=True) as inner:
                    for path in paths:
                        _write_new(inner, path.rpartition("/")[2], files[path], durable=path == last)
        os.replace(temporary, name, src_dir_fd=root, dst_dir_fd=root)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True, dir_fd=root)
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):  # it has come meanwhile
            return False
        raise
    return True


def _write_new(folder: int, name: str, content: bytes, *, durable: bool) -> None:
    with open(os.open(name, _NEW, 0o666, dir_fd=folder), "wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def place_new(staged: Path, folder: int, name: str) -> None:
    """Put a file that was written elsewhere into an open folder, as a whole. Raises FileExistsError where one is there.

    A link, unlike a rename, never takes the place of a file that has just come. Where there are no links, or another
    file system lies in between, the content is copied into a new file.
    """
    descriptor = os.open(staged, os.O_RDONLY | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        try:
            os.link(staged, name, dst_dir_fd=folder)
        except FileExistsError:
            raise
        except OSError:
            with open(os.open(name, _NEW, 0o666, dir_fd=folder), "wb") as copy:
                copy.write(file.read())


def remove_temporary(root: int) -> None:
    """Remove what a killed run has left in an open folder."""
    for name in os.listdir(root):
        if _OURS.fullmatch(name):
            with suppress(OSError):
                os.remove(name, dir_fd=root)
            shutil.rmtree(name, ignore_errors=True, dir_fd=root)


def put_below(root: Path, name: str, content: bytes) -> None:
    """Put a file below a folder, by its name with `/`; makes the folders in between. Raises Unusable, OSError."""
    folder, _, file = name.rpartition("/")
    try:
        with open_folder(root) as outer, folder_below(outer, folder, create=True) as inner:
            put(outer, inner, file, content)
    except NotADirectoryError:
        raise Unusable(f"{root / name} lies behind a link or a file", "replace it by a folder") from None


def write_named(option: str, name: str, content: bytes) -> None:
    """Write the file that an option names, a device or a pipe, too. Raises OSError, and Unusable where it is a link.

    A stranger's change may hold the link, and a pipeline name the file.
    """
    refuse_links(option, name)
    try:
        is_special = not stat.S_ISREG(os.stat(name).st_mode)
    except FileNotFoundError:
        is_special = False
    flags = os.O_WRONLY | os.O_CLOEXEC | (0 if is_special else os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW)
    with open(os.open(name, flags, 0o666), "wb") as file:
        file.write(content)


def refuse_links(option: str, name: str) -> None:
    """Raise Unusable for a name that is a link, or that leads out of the working folder by one below it."""
    if name.startswith(("/dev/", "/proc/")):
        return
    parent = os.path.dirname(name) or "."
    below = not os.path.isabs(name) and not os.path.normpath(name).startswith("..")
    here = os.path.realpath(".")
    outside = below and os.path.commonpath([here, os.path.realpath(parent)]) != here
    if outside or os.path.islink(name.rstrip("/") or name):
        what = f"{option} {name}: {'leads out of this folder by a symbolic link' if outside else 'is a symbolic link'}"
        raise Unusable(what, "remove the link, or name what it leads to")
