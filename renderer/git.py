"""What a git repository holds at a revision. Reads only, through the `git` command."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from kmodgate.renderer.errors import Unusable

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

    def later(self, path: Path) -> list[Revision]:
        """The commits after the revision, up to HEAD, that change a file."""
        place = Path(os.path.realpath(path)).relative_to(self.top).as_posix()
        text = _git(self.top, "log", "--format=%H", f"{self.name}..HEAD", "--", place)
        return [Revision(self.top, name) for name in text.decode().split()]

    @cached_property
    def files(self) -> set[Path]:
        """Every file that the revision has."""
        text = _git(self.top, "ls-tree", "-r", "-z", "--name-only", self.name)
        return {self.top / os.fsdecode(name) for name in text.split(b"\0") if name}

    def extract(self, folder: Path, target: Path) -> bool:
        """Writes a folder as the revision has it; whether it has one.

        Through an index of its own, since `git archive` leaves out what attributes keep from exports.
        """
        inside = Path(os.path.realpath(folder)).relative_to(self.top).as_posix()
        tree = self.name if inside == "." else f"{self.name}:{inside}"
        index = {"GIT_INDEX_FILE": str(target / ".git-index")}
        try:
            _git(self.top, "read-tree", tree, more=index)
            _git(self.top, "checkout-index", "--all", "--force", f"--prefix={target}/", more=index)
        except subprocess.CalledProcessError:
            return False
        finally:
            Path(index["GIT_INDEX_FILE"]).unlink(missing_ok=True)
        return True


def top_of(folder: str, known: dict[str, Path | None] | None = None) -> Path | None:
    """The folder of the repository around a folder without links; `known` keeps the answers for the next one."""
    known = {} if known is None else known
    if folder not in known:
        above = os.path.dirname(folder)
        if os.path.exists(os.path.join(folder, ".git")):
            known[folder] = Path(folder)
        else:
            known[folder] = None if above == folder else top_of(above, known)
    return known[folder]


def revision(path: str, name: str | None) -> Revision | None:
    """The revision of the repository around a path: the named one, or HEAD if there is one.

    None where the path lies in no repository, unless a revision is named: then Unusable is raised.
    """
    if name == "":
        raise Unusable("--against is empty", "name a branch, a tag or a commit, or leave the option out for HEAD")
    top = top_of(os.path.realpath(path))
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


def unstaged(folder: Path) -> tuple[set[str], set[str]]:
    """Return the files below a folder that differ from the index, and those that git does not know, relative to it.

    Raises Unusable outside of a repository.
    """
    place = Path(os.path.realpath(folder))
    top = top_of(str(place))
    if top is None:
        raise Unusable(f"{folder} lies in no git repository", "run git init, or leave out --staged")
    text = _git(top, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", str(place))
    changed: set[str] = set()
    untracked: set[str] = set()
    for entry in text.split(b"\0"):
        status, name = entry[:2], os.path.relpath(top / os.fsdecode(entry[3:]), place)
        if status == b"??":
            untracked.add(name)
        elif status[1:] not in (b"", b" "):
            changed.add(name)
    return changed, untracked


def _git(folder: Path, *arguments: str, more: Mapping[str, str] | None = None) -> bytes:
    command: Sequence[str] = ("git", "-C", str(folder), *arguments)
    return subprocess.run(command, env={**os.environ, **_QUIET, **(more or {})}, capture_output=True, check=True).stdout
