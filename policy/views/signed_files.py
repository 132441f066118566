"""Which of the modules that are loaded a `sign` block signs: paths and shell globs, matched by where modprobe looks.

KMM runs `modprobe -d /tmp<dirName>`, which loads `<dirName>/lib/modules/<kernel>/**/<name>.ko` of the image. It signs
the files that a loop of the shell finds for each entry of `filesToSign`: a file of that name in another folder is
signed and never loaded.

Sources: internal/worker and internal/buildsign/resource of Kernel Module Management; modprobe(8); Shell Command
Language of POSIX, 2.13 Pattern Matching Notation.
"""

from __future__ import annotations

from collections.abc import Iterable

from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.formats.regexps.go_regexps import Pattern, compile_pattern
from kmodgate.policy.formats.regexps.shell_globs import as_expression, is_glob
from kmodgate.policy.kmm.kernel import variables
from kmodgate.policy.kmm.resolution.substitution import BadTemplate, substitute
from kmodgate.policy.views.module import LONGEST, KernelMapping

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

MOST_KERNELS = 16
"""Folders of kernels that the entries of one block may name and still be looked at."""


class SignedFiles:
    """The files that one `sign` block signs and that modprobe can load.

    `directory` is dirName.
    """

    def __init__(self, files: Iterable[str], directory: str) -> None:
        self._kernels: dict[str, NamesOfFiles] = {}
        root = (*_parts(directory), *_MODULES)
        for file in files:
            parts = _read(file)
            if len(parts) < len(root) + 2 or not all(map(_can_be, parts, root)):
                continue
            kernel = parts[len(root)]
            if kernel in self._kernels or len(self._kernels) < MOST_KERNELS:
                self._kernels.setdefault(kernel, NamesOfFiles()).add(parts[-1])

    def of(self, mapping: KernelMapping) -> tuple[NamesOfFiles, ...]:
        """Return the names of files in the folders of the kernels that a mapping matches."""
        return tuple(names for kernel, names in self._kernels.items() if _is_kernel_of(mapping, kernel))


class NamesOfFiles:
    """The names of files in one folder of a kernel, or below it; `-` and `_` are the same, as in the kernel."""

    def __init__(self) -> None:
        self._plain: set[str] = set()
        self._globs: list[str] = []
        self._compiled: Pattern | None = None

    def add(self, name: str) -> None:
        if is_glob(name) or _NUMBER in name:
            self._globs.append(name)
        else:
            self._plain.add(plain(name))

    def has(self, file: str) -> bool:
        """Return whether a file is among them, by its plain name."""
        if file in self._plain:
            return True
        if self._globs and self._compiled is None:
            expressions = [as_expression(glob, _NUMBERS, kernel_names=True) for glob in self._globs]
            compiled = compile_pattern(f"^(?:{'|'.join(expressions)})$")
            self._globs = []
            self._compiled = compiled if isinstance(compiled, Pattern) else None
        return self._compiled is not None and self._compiled.searches(file)


def plain(name: str) -> str:
    """Return a name as the kernel writes it; what begins with `-` is an option to modprobe, and the name of nothing."""
    return name if name.startswith("-") else in_kernel_form(name)


def signs(names: Iterable[NamesOfFiles], module: str, endings: Iterable[str] = (".ko",)) -> bool:
    """Return whether a file of a module, by its plain name, is signed, with one of some endings."""
    return not module.startswith("-") and any(item.has(module + ending) for item in names for ending in endings)


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
    return is_glob(part) and _matches(part, wanted)


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
