"""What a git repository holds at a revision. Reads only, through the `git` command.

A revision is passed on as the hash of its commit, so that no name of a branch is ever read as an option. A git that is
not there, or that refuses, is never taken for a repository without commits.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from kmodgate.renderer.errors import ExitCode, Unusable

_QUIET = {"GIT_OPTIONAL_LOCKS": "0", "GIT_LITERAL_PATHSPECS": "1", "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
_PLACES = frozenset(("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_PREFIX"))
"""What a hook is told of its repository; that of the fleet is found by its folder."""

_CONTENTS = frozenset(("GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"))
"""What a hook is told that holds for its own repository alone."""

_MOST_NAMES = 500
"""How many names one command line takes."""


class GitFailed(Unusable):
    """Git is not there, or refuses to read a repository."""

    def __init__(self, top: Path, reason: str) -> None:
        fix = "install git, or look at what it says: git status"
        if "dubious ownership" in reason:
            fix = f"if you trust it: git config --global --add safe.directory {top}"
        super().__init__(f"git cannot read {top}: {reason}", fix, ExitCode.FAILURE)


class Revision:
    """One revision of the repository that a path lies in: its name, and the commit that it stands for."""

    def __init__(self, top: Path, name: str, commit: str) -> None:
        self.top = top
        self.name = name
        self._commit = commit

    def changed(self, path: str) -> set[Path]:
        """The files below a path that differ from the revision, as absolute paths; untracked ones are not named."""
        place = os.path.realpath(path)
        text = _git(self.top, "diff", "--name-only", "-z", "--no-renames", self._commit, "--", place)
        return {self.top / os.fsdecode(name) for name in text.split(b"\0") if name}

    def text(self, path: Path) -> str | None:
        """A file as the revision has it, or None where it has none."""
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(self.top):
            return None
        name = real.relative_to(self.top).as_posix()
        entry = _git(self.top, "ls-tree", "-z", self._commit, "--", name).partition(b"\t")[0].split()
        if entry[1:2] != [b"blob"]:
            return None
        return _git(self.top, "cat-file", "blob", entry[2].decode()).decode("utf-8", "replace")

    def later(self, path: Path) -> list[Revision]:
        """The commits after the revision, up to HEAD, that change a file."""
        place = Path(os.path.realpath(path)).relative_to(self.top).as_posix()
        text = _git(self.top, "rev-list", f"{self._commit}..HEAD", "--", place)
        return [Revision(self.top, name, name) for name in text.decode().split()]

    @cached_property
    def files(self) -> set[Path]:
        """Every file that the revision has."""
        text = _git(self.top, "ls-tree", "-r", "-z", "--name-only", self._commit)
        return {self.top / os.fsdecode(name) for name in text.split(b"\0") if name}

    def extract(self, folder: Path, target: Path) -> Path | None:
        """Write a folder as the revision has it below an empty one; return where it is, or None where it has none.

        Through an index of its own, since `git archive` leaves out what attributes keep from exports. The empty folder
        stands for the checkout, so that the attributes are those of the revision: `working-tree-encoding` in the
        checkout of a change would have git write other texts, in which no spec is left.
        """
        inside = Path(os.path.realpath(folder)).relative_to(self.top).as_posix()
        place = [] if inside == "." else [inside]
        index = {
            "GIT_INDEX_FILE": str(target / ".git-index"),
            "GIT_WORK_TREE": str(target),
            "GIT_DIR": _git(self.top, "rev-parse", "--absolute-git-dir").decode().rstrip("\n"),
        }
        try:
            _git(self.top, "read-tree", self._commit, more=index)
            names = _git(self.top, "ls-files", "-z", "--", *place, more=index)
            _git(self.top, "checkout-index", "--force", "-z", "--stdin", more=index, text=names)
        finally:
            Path(index["GIT_INDEX_FILE"]).unlink(missing_ok=True)
        return target / inside if names else None


def top_of(folder: str, known: dict[str, Path | None] | None = None) -> Path | None:
    """The folder of the repository around a folder without links; `known` keeps the answers for the next one."""
    known = {} if known is None else known
    if folder not in known:
        above = os.path.dirname(folder)
        if os.path.lexists(os.path.join(folder, ".git")):
            known[folder] = Path(folder)
        else:
            known[folder] = None if above == folder else top_of(above, known)
    return known[folder]


def revision(path: str, name: str | None) -> Revision | None:
    """The revision of the repository around a path: the named one, or HEAD if there is one.

    None where the path lies in no repository, unless a revision is named: then Unusable is raised. Raises GitFailed.
    """
    if name == "":
        raise Unusable("--against is empty", "name a branch, a tag or a commit, or leave the option out for HEAD")
    top = top_of(os.path.realpath(path))
    if name is not None and shutil.which("git") is None:
        raise GitFailed(top or Path(path), "there is no git")
    commit = None if top is None else _object(top, f"{name or 'HEAD'}^{{commit}}")
    if top is None or commit is None:
        if name is None:
            return None
        message = f"--against {name}: no such revision in a git repository around {path}"
        raise Unusable(message, "name a branch, a tag or a commit that this clone has")
    return Revision(top, name or "HEAD", commit)


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


def untracked(paths: Collection[Path]) -> tuple[set[Path], set[Path]]:
    """Return those of some files that git does not know, and those of them that it is told to ignore.

    The paths are without links. A file outside of any repository is neither. Raises GitFailed.
    """
    known: dict[str, Path | None] = {}
    tops: dict[Path, list[Path]] = {}
    for path in paths:
        if top := top_of(str(path.parent), known):
            tops.setdefault(top, []).append(path)
    new: set[Path] = set()
    ignored: set[Path] = set()
    for top, found in tops.items():
        left = {path.relative_to(top).as_posix() for path in found} - _tracked(top, found)
        new |= {top / name for name in left}
        ignored |= _ignored(top, left) if left else set()
    return new, ignored


def _ignored(top: Path, names: Collection[str]) -> set[Path]:
    """Those files that git is told to ignore."""
    text = b"\0".join(os.fsencode(f"./{name}") for name in names)  # so that none begins with what git gives a meaning
    literally = {"GIT_LITERAL_PATHSPECS": "0"}  # this command takes names only, and refuses the setting
    told = _git(top, "check-ignore", "-z", "--stdin", more=literally, fine=(0, 1), text=text)
    return {top / os.fsdecode(name) for name in told.split(b"\0") if name}


def _tracked(top: Path, paths: Sequence[Path]) -> set[str]:
    """The names of those files that the index has."""
    found: set[str] = set()
    for start in range(0, len(paths), _MOST_NAMES):
        names = [path.relative_to(top).as_posix() for path in paths[start : start + _MOST_NAMES]]
        found |= {os.fsdecode(name) for name in _git(top, "ls-files", "-z", "--", *names).split(b"\0")}
    return found


def _object(top: Path, name: str) -> str | None:
    """The hash of what a name stands for, or None if there is no such object."""
    text = _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", name, fine=(0, 1))
    return text.decode().strip() or None


def _git(
    folder: Path,
    *arguments: str,
    more: Mapping[str, str] | None = None,
    fine: Collection[int] = (0,),
    text: bytes = b"",
) -> bytes:
    command: Sequence[str] = ("git", "-C", str(folder), *arguments)
    environment = {**_environment(folder), **_QUIET, **(more or {})}
    try:
        result = subprocess.run(command, env=environment, capture_output=True, check=False, input=text)
    except OSError as error:
        raise GitFailed(folder, error.strerror or "it cannot be run") from None
    if result.returncode not in fine:
        lines = result.stderr.decode("utf-8", "replace").splitlines() or [f"exit code {result.returncode}"]
        raise GitFailed(folder, lines[0])
    return result.stdout


def _environment(top: Path) -> dict[str, str]:
    """The variables of this process, without those that lead git to another repository than the one of a folder."""
    hooked = os.environ.get("GIT_DIR")
    is_own = hooked is None or os.path.realpath(hooked) == _git_folder(top)
    left_out = _PLACES if is_own else _PLACES | _CONTENTS
    return {key: value for key, value in os.environ.items() if key not in left_out}


def _git_folder(top: Path) -> str:
    """Where git keeps the repository of a folder: `.git`, or what that file names in another worktree."""
    found = top / ".git"
    with suppress(OSError, ValueError):
        found = top / found.read_text().removeprefix("gitdir:").strip()
    return os.path.realpath(found)
