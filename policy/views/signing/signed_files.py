"""Which of the modules that are loaded a `sign` block signs: paths and shell globs, matched by where modprobe looks.

KMM runs `modprobe -d /tmp<dirName>`, which loads `<dirName>/lib/modules/<kernel>/**/<name>.ko` of the image. It signs
the files that a loop of the shell finds for each entry of `filesToSign`: a file of that name in another folder is
signed and never loaded.

Sources: internal/worker and internal/buildsign/resource of Kernel Module Management; modprobe(8); Shell Command
Language of POSIX, 2.13 Pattern Matching Notation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import NamedTuple

from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.formats.regexps.go_regexps import Pattern, compile_pattern
from kmodgate.policy.formats.regexps.name_search import NameSearch
from kmodgate.policy.formats.regexps.shell_globs import as_expression, is_glob
from kmodgate.policy.kmm.kernel import variables
from kmodgate.policy.kmm.resolution.substitution import BadTemplate, substitute
from kmodgate.policy.views.kernel_mapping import KernelMapping
from kmodgate.policy.views.module import LONGEST

MODULE_ENDING = ".ko"

COMPRESSED = (".ko.xz", ".ko.gz", ".ko.zst")
"""The endings of module files in which the kernel finds no signature, however they were signed."""

_FULL, _VERSION_PART, _NUMBER = "\ue000", "\ue001", "\ue002"
"""Stand for the variables that depend on the kernel: all of its version, three parts of it, one number of it."""

_KERNEL = {
    name: _FULL if "-" in value else _VERSION_PART if "." in value else _NUMBER
    for name, value in variables("1.2.3-4").items()
}
_STAND_INS = (_FULL, _VERSION_PART, _NUMBER)
_MODULES = ("lib", "modules")

_NUMBERS = {_NUMBER: "[0-9]+"}

_LONGEST_NAME = 255
"""Bytes of the name of a file or folder on Linux."""

MOST_KERNELS = 16
"""Folders of kernels that the entries of one block may name and still be looked at."""


class FileNames(NamedTuple):
    """The names of files in one folder of a kernel, or below it: plain ones in the kernel's form, and expressions."""

    plain: frozenset[str]
    expressions: tuple[str, ...]


class SignedFiles:
    """The files that one `sign` block signs and that modprobe can load, by the folders of kernels they lie in.

    `root` is what `modules_root` gives.
    """

    def __init__(self, files: Iterable[str], root: tuple[str, ...]) -> None:
        found: dict[str, list[str]] = {}
        for file in files:
            parts = _read(file)
            if len(parts) < len(root) + 2 or not all(map(_can_be, parts, root)):
                continue
            kernel = parts[len(root)]
            if len(kernel) <= _LONGEST_NAME and (kernel in found or len(found) < MOST_KERNELS):
                found.setdefault(kernel, []).append(parts[-1])
        self.kernels = {kernel: _file_names(names) for kernel, names in found.items()}

    def of(self, mapping: KernelMapping) -> tuple[str, ...]:
        """The folders that can be those of a kernel that the mapping matches."""
        return tuple([kernel for kernel in self.kernels if _is_kernel_of(mapping, kernel)])


class SignedNames:
    """Which of some names `sign` blocks sign; `size` is how many characters names and blocks have together."""

    def __init__(self, names: Iterable[str], size: int) -> None:
        self.search = NameSearch(size)
        self._names = {name for name in names if _is_of_a_file(name)}
        self._text = "\n".join([f"{name}{MODULE_ENDING}" for name in self._names])
        self._found: dict[FileNames, Set[str]] = {}

    def by(self, files: FileNames) -> Set[str]:
        """The names of which some files are signed."""
        if files not in self._found:
            found = {stem for file in files.plain if (stem := file.removesuffix(MODULE_ENDING)) != file}
            found &= self._names
            if files.expressions and self._text:
                matched = self.search.matched(list(files.expressions), self._text)
                found |= {file.removesuffix(MODULE_ENDING) for file in matched}
            self._found[files] = found
        return self._found[files]

    def by_all(self, files: Mapping[str, FileNames], kernels: Iterable[str]) -> Set[str]:
        """The names that are signed in one of some folders."""
        found = [self.by(files[kernel]) for kernel in kernels]
        if len(found) < 2:
            return found[0] if found else set()
        return set().union(*found) if self.search.reads(sum(map(len, found))) else set()

    def is_compressed(self, name: str, files: Iterable[FileNames]) -> bool:
        """Whether a name is signed as a compressed file."""
        endings = {f"{name}{ending}" for ending in COMPRESSED}
        text = "\n".join(endings)
        return _is_of_a_file(name) and any(
            not endings.isdisjoint(item.plain)
            or (item.expressions and self.search.matched(list(item.expressions), text))
            for item in files
        )


def modules_root(directory: str) -> tuple[str, ...]:
    """The parts of the path below which the folders of kernels lie; `directory` is dirName."""
    return (*_parts(directory), *_MODULES)


def _is_of_a_file(name: str) -> bool:
    """Whether a file may be called so: to modprobe, what begins with `-` is an option."""
    return 0 < len(name) <= _LONGEST_NAME and not name.startswith("-") and "\n" not in name


def _file_names(names: Iterable[str]) -> FileNames:
    plain_names, expressions = [], []
    for name in names:
        if is_glob(name) or _NUMBER in name:
            expressions.append(as_expression(name, _NUMBERS, kernel_names=True))
        else:
            plain_names.append(plain(name))
    return FileNames(frozenset(plain_names), tuple(expressions))


def plain(name: str) -> str:
    """Return a name as the kernel writes it; what begins with `-` is an option to modprobe, and the name of nothing."""
    return name if name.startswith("-") else in_kernel_form(name)


def _read(file: str) -> list[str]:
    """The parts of an entry with its variables filled; none where it leads elsewhere or cannot be filled."""
    if len(file) > LONGEST or any(item in file for item in _STAND_INS):
        return []
    try:
        parts = _parts(substitute(file, _KERNEL))
    except BadTemplate:  # another rule says so
        return []
    return [] if ".." in parts or not file.startswith("/") else parts


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _can_be(part: str, wanted: str) -> bool:
    if part == wanted:
        return True
    return len(wanted) <= _LONGEST_NAME and is_glob(part) and _matches(part, wanted)


def _is_kernel_of(mapping: KernelMapping, part: str) -> bool:
    """Whether a folder of an entry can be that of a kernel that the mapping matches."""
    if any(item in part for item in _STAND_INS):
        return True
    if mapping.literal:
        return _can_be(part, mapping.literal)
    return is_glob(part) or not isinstance(mapping.pattern, Pattern) or mapping.pattern.searches(part)


def _matches(glob: str, text: str) -> bool:
    compiled = compile_pattern(f"^(?:{as_expression(glob, _NUMBERS)})$")
    return isinstance(compiled, Pattern) and compiled.searches(text)
