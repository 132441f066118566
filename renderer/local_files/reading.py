"""Reading files that strangers may have put there: regular ones only, up to a size, and no wait for a writer."""

from __future__ import annotations

import errno
import os
import stat

_GIVEN = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")
"""Where a shell puts the output of a command that it names as a file."""


def read_regular(path: str | os.PathLike[str], limit: int, *, follow: bool = True) -> bytes:
    """Return the bytes of a regular file, one more than `limit` at most. A link is read only where `follow` says so.

    Raises OSError, also for a folder, a pipe, a socket or a device.
    """
    # a pipe is opened without waiting for whoever writes into it, and then refused
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    with open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file", os.fspath(path))
        return file.read(limit + 1)


def read_given(name: str, limit: int) -> bytes:
    """Return the bytes of a file that a person names: a regular one, or what a shell hands over. Raises OSError."""
    if name.startswith(_GIVEN):
        with open(name, "rb") as file:
            return file.read(limit + 1)
    return read_regular(name, limit)
