"""What a git repository holds at a revision. Reads only, through the `git` command."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from renderer.errors import Unusable

_QUIET = {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}


class Revision:
    """One revision of the repository that a path lies in."""

    def __init__(self, top: Path, name: str) -> None:
        self.top = top
        self.name = name

    def changed(self, path: str) -> set[Path]:
        """The files below a path that differ from the revision, as absolute paths; untracked ones are not named."""
        place = os.path.realpath(path)
        text = _git(self.top, "diff", "--name-only", "-z", "--no-renames", self.name, "--", place)
        return {self.top / os.fsdecode(name) for name in text.split(b"\0") if name}

    def text(self, path: Path) -> str | None:
        """A file as the revision has it, or None where it has none."""
        try:
            data = _git(
                self.top, "show", f"{self.name}:{Path(os.path.realpath(path)).relative_to(self.top).as_posix()}"
            )
        except (subprocess.CalledProcessError, ValueError):
            return None
        return data.decode("utf-8", "replace")

    @cached_property
    def files(self) -> set[Path]:
        """Every file that the revision has."""
        text = _git(self.top, "ls-tree", "-r", "-z", "--name-only", self.name)
        return {self.top / os.fsdecode(name) for name in text.split(b"\0") if name}

    def extract(self, folder: Path, target: Path) -> bool:
        """Writes a folder as the revision has it; whether it has one."""
        try:
            inside = Path(os.path.realpath(folder)).relative_to(self.top).as_posix()
            data = _git(self.top, "archive", "--format=tar", self.name if inside == "." else f"{self.name}:{inside}")
        except subprocess.CalledProcessError:
            return False
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                archive.extractall(target, filter="data")
        except tarfile.FilterError:  # a link that leaves the folder: there is nothing to compare with
            return False
        return True


def top_of(path: str) -> Path | None:
    """The folder of the repository around a path."""
    here = Path(os.path.realpath(path))
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), None)


def revision(path: str, name: str | None) -> Revision | None:
    """The revision of the repository around a path: the named one, or HEAD if there is one.

    None where the path lies in no repository, unless a revision is named: then Unusable is raised.
    """
    top = top_of(path)
    try:
        if top is None:
            raise FileNotFoundError(path)
        _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name or 'HEAD'}^{{commit}}")
    except (subprocess.CalledProcessError, OSError):
        if name is None:
            return None
        message = f"--against {name}: no such revision in a git repository around {path}"
        raise Unusable(message, "name a branch, a tag or a commit that this clone has") from None
    return Revision(top, name or "HEAD")


def _git(folder: Path, *arguments: str) -> bytes:
    command: Sequence[str] = ("git", "-C", str(folder), *arguments)
    return subprocess.run(command, env={**os.environ, **_QUIET}, capture_output=True, check=True).stdout
