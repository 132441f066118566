"""Reading below a fleet's root: nothing outside it, nothing too large, and text only as UTF-8."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from kmodgate.policy.findings import Finding
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.local_files.reading import read_regular

if TYPE_CHECKING:  # the names of this module are asked for before anything is read
    from kmodgate.policy.formats.yaml_documents import Json

MARKER = "kmodgate.yaml"
"""The file that makes a folder the root of a fleet; it may be empty."""

OUTPUT = "rendered"
"""The folder of a fleet's tree, unless somebody chose another one."""

HANDOVER = "handover"
"""The folder beside the tree with the files that a site merges or applies by hand; Argo CD applies none of them."""

CHART = "Chart.yaml"
"""The file that makes a folder a Helm chart, whose files are templates and values."""

REMOVALS = "removals.yaml"
"""The file in the root of a fleet that says which Modules may leave the tree."""


OUTPUTS = (OUTPUT, HANDOVER)
"""The folders of a fleet that a render writes."""


def handover_of(output: Path) -> Path:
    """The folder of the handover that belongs to an output folder."""
    return output.parent / HANDOVER


MOST_FOLDERS = 64
"""How deep folders may be nested."""

HIDDEN_FIX = "copy what is needed into a file whose path has no component that begins with a dot"

_IGNORED_FIX = "name a file that is committed, or take this one out of .gitignore"
_MOST_TEXTS = 1024
"""Texts that are kept for whoever asks again."""

_FILE_FIELDS = ("certificate", "dockerfile", "dtk", "file", "inventory")
"""The fields of specs that name a file, beside the list `attach`."""

SPEC_KINDS = ("KernelDriver", "Cluster", "ImageService", "DriverPolicy", "Removals")
SPEC_SUFFIXES = (".yaml", ".yml")


class Unreadable(Exception):
    """A file cannot be used; message and fix are for the finding of whoever asked for it."""

    def __init__(self, message: str, fix: str) -> None:
        self.message = message
        self.fix = fix
        super().__init__(message)


class FleetFiles:
    """The files of one fleet, by their path relative to its root, with `/` on every system."""

    def __init__(self, root: Path, planned: Mapping[str, str] | None = None, *, is_named: bool = False) -> None:
        """`planned` are texts that are not written yet, and read as if they were.

        `is_named` is for a file that a person names on the command line, and that may be hidden.
        """
        self._is_named = is_named
        self.root = root
        self._real_root = os.path.realpath(root)
        self._planned = {name: _unix(text) for name, text in (planned or {}).items()}
        self._texts: dict[str, str] = {}
        self._inside: dict[str, bool] = {}
        self._hidden: dict[str, bool] = {}
        self._refused: dict[str, Unreadable] = {}
        self._asked: set[str] = set()
        self._tracked_only: bool | None = None

    def guard(self, names: Iterable[str], *, tracked_only: bool) -> None:
        """Read none of some files that git is told to ignore, or does not know where only tracked ones count.

        These are what lies in a checkout beside the commit: credentials of a pipeline, for example. Raises GitFailed.
        """
        from kmodgate.renderer import git  # --help asks it nothing

        names = [*names]
        self._tracked_only = tracked_only
        self._asked.update(names)
        real = {name: os.path.realpath(self.root / name) for name in names if not is_hidden(name)}
        wanted = (name for name, path in real.items() if self._holds(path) and not self._hides(path))
        places = {name: Path(real[name]) for name in wanted if os.path.isfile(real[name])}
        new, ignored = git.untracked(set(places.values())) if places else (set(), set())
        for name, place in places.items():
            if place in ignored:
                self._refused[name] = Unreadable("is ignored by git, and no part of a commit", _IGNORED_FIX)
            elif place in new and tracked_only:
                self._refused[name] = Unreadable("is not in git, and no part of a commit", f"git add {name}")

    def _ask_git(self, name: str) -> None:
        """Raise Unreadable for a file that git keeps out of a commit, whoever reads it."""
        if self._tracked_only is not None and name != REMOVALS and name not in self._asked:
            self.guard([name], tracked_only=self._tracked_only)
        if name in self._refused:
            raise self._refused[name]

    def text(self, name: str, *, limit: int) -> str:
        """A file's text, line ends as LF; `limit` in bytes. Raises Unreadable."""
        if name in self._planned:
            return self._planned[name]
        if name not in self._texts:
            if len(self._texts) >= _MOST_TEXTS:
                self._texts.clear()
            self._texts[name] = _decode(self.bytes(name, limit=limit))
        return self._texts[name]

    def bytes(self, name: str, *, limit: int) -> bytes:
        """A file's bytes. Raises Unreadable."""
        path = os.path.join(self.root, *PurePosixPath(name).parts)
        try:
            self._check(path, name, limit)
            self._ask_git(name)
            data = read_regular(path, limit)
        except FileNotFoundError:
            if os.path.islink(path):
                raise Unreadable("is a symbolic link to nothing", "correct the link, or remove it") from None
            fix = "correct the path; it is relative to the file that names it"
            raise Unreadable("there is no such file", fix) from None
        except PermissionError:
            raise Unreadable("may not be read", "give yourself permission to read it") from None
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror}", "correct the path or the file") from None
        if len(data) > limit:
            raise Unreadable(f"is larger than {limit >> 20} MiB", "split it or make it smaller")
        return data

    def _check(self, path: str, name: str, limit: int) -> None:
        status = os.lstat(path)
        is_link = stat.S_ISLNK(status.st_mode)
        if not self._is_inside(path if is_link else os.path.dirname(path)):
            raise Unreadable("leads out of the fleet through a symbolic link", "copy the file into the fleet")
        if is_hidden(name) and not self._is_named:
            raise Unreadable("is hidden, or lies in a hidden folder", HIDDEN_FIX)
        if self._is_hidden(path if is_link else os.path.dirname(path)):
            raise Unreadable("leads to a hidden file through a symbolic link", HIDDEN_FIX)
        if is_link:
            status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise Unreadable("is a folder, and must be a file", "name a file, or rename the folder")
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("is not a regular file", "name a regular file")
        if status.st_size > limit:
            raise Unreadable(f"is larger than {limit >> 20} MiB", "split it or make it smaller")

    def _is_inside(self, path: str) -> bool:
        """Whether a path, its links followed, lies in the fleet; the same folders are asked for over and over."""
        if path not in self._inside:
            self._inside[path] = self._holds(os.path.realpath(path))
        return self._inside[path]

    def _holds(self, real: str) -> bool:
        """Whether a path without links lies in the fleet."""
        return real == self._real_root or real.startswith(self._real_root + os.sep)

    def _is_hidden(self, path: str) -> bool:
        """Whether a path that lies in the fleet is hidden there, its links followed."""
        if path not in self._hidden:
            self._hidden[path] = self._hides(os.path.realpath(path))
        return self._hidden[path]

    def _hides(self, real: str) -> bool:
        """Whether a path without links, which lies in the fleet, is hidden there."""
        return is_hidden(real[len(self._real_root) :])

    def spec_names(self, output: Path, findings: list[Finding]) -> Iterator[str]:
        """Every `*.yaml` and `*.yml` below the root, sorted, outside dot folders, charts, output and handover."""
        beside = (output, handover_of(output), self.root / HANDOVER)
        yield from self._walk("", {os.path.realpath(folder) for folder in beside}, findings)

    def _walk(self, folder: str, outputs: set[str], findings: list[Finding]) -> Iterator[str]:
        refuse_depth(folder, "")
        try:
            with os.scandir(self.root / folder) as entries:
                names = sorted(entries, key=lambda entry: entry.name)
        except PermissionError:
            findings.append(Finding("SCH001", "may not be read", "give yourself permission to read it", file=folder))
            return
        for entry in names:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith("."):
                continue
            if not _is_utf_8(entry.name):
                findings.append(Finding("SCH001", "its name is not UTF-8", "rename it", file=name))
                continue
            if entry.is_dir():
                yield from self._walk_folder(entry, name, outputs, findings)
            elif entry.name.endswith(SPEC_SUFFIXES):
                yield name

    def _walk_folder(
        self, entry: os.DirEntry[str], name: str, outputs: set[str], findings: list[Finding]
    ) -> Iterator[str]:
        if entry.name.endswith(SPEC_SUFFIXES):
            findings.append(Finding("SCH001", "is a folder, and must be a file", "rename the folder", file=name))
        elif os.path.realpath(entry.path) in outputs:
            return
        elif entry.is_symlink():
            if message := self._why_not_searched(entry.path, outputs):
                findings.append(Finding("SCH001", message, "copy the folder into the fleet", file=name))
        elif os.path.exists(os.path.join(entry.path, CHART)):
            return
        elif os.path.exists(os.path.join(entry.path, MARKER)):
            findings.append(
                Finding(
                    "SCH001",
                    f"a fleet inside a fleet: {name} has a {MARKER} of its own",
                    "move it out of this fleet, or remove that file",
                    file=f"{name}/{MARKER}",
                )
            )
        else:
            yield from self._walk(name, outputs, findings)

    def _why_not_searched(self, link: str, outputs: set[str]) -> str:
        """What is wrong with a link to a folder; nothing if that folder is searched where it lies."""
        if not self._is_inside(link):
            return "leads out of the fleet through a symbolic link"
        real = os.path.realpath(link)
        hidden = any(part.startswith(".") for part in Path(os.path.relpath(real, self._real_root)).parts)
        if hidden or any(real.startswith(output + os.sep) for output in outputs):
            return "a link to a folder in which no spec is looked for"
        return ""


def _is_utf_8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def refuse_depth(folder: str, top: str) -> None:
    """Raise Unusable for a folder that lies deeper below another one than any that people make."""
    if folder.count(os.sep, len(top)) > MOST_FOLDERS:
        fix = "move the files up, or delete the folders"
        raise Unusable(f"{folder[:80]}…: folders are nested deeper than {MOST_FOLDERS}", fix)


def references(base: str, value: Json) -> Iterator[str]:
    """Yield the names of the files that a spec refers to, overrides included; `base` is the file of the spec."""
    if isinstance(value, list):
        for item in value:
            yield from references(base, item)
    for key, item in value.items() if isinstance(value, dict) else ():
        named = item if key == "attach" and isinstance(item, list) else [item] if key in _FILE_FIELDS else []
        for reference in named:
            if isinstance(reference, str):
                with suppress(Unreadable):  # whoever reads it says why
                    yield resolve(base, reference)
        yield from references(base, item)


def is_hidden(name: str) -> bool:
    """Whether a component of a path begins with a dot: git's own files, settings, what tools keep for themselves."""
    return any(part.startswith(".") and part not in (".", "..") for part in name.split("/"))


def resolve(base: str, reference: str) -> str:
    """The name of a file that the file `base` refers to. Raises Unreadable when it lies outside the fleet."""
    if PurePosixPath(reference).is_absolute() or "\\" in reference or "\0" in reference:
        raise Unreadable("is not a relative path", "write it relative to this file, with / between folders")
    name = os.path.normpath(os.path.join(os.path.dirname(base), reference)).replace(os.sep, "/")
    if name == ".." or name.startswith("../"):
        raise Unreadable("lies outside the fleet", "copy the file into the fleet")
    return name


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unreadable("is UTF-16, and must be UTF-8", "save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"is not UTF-8: byte 0x{data[error.start]:02x} on line {line}", "save it as UTF-8") from None
    return _unix(text)


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n") if "\r" in text else text
