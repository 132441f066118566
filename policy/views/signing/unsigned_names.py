"""Which of the names that a Module loads its `sign` blocks leave out, worked out once for all of them.

A name is looked for among the files of the container's block first, and those that are left among the files of each
mapping. The work is bounded: a Module may bring names, globs and mappings enough to compare for hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from itertools import islice

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.formats.regexps.name_search import NameSearch
from kmodgate.policy.formats.regexps.shell_globs import as_expression, is_glob
from kmodgate.policy.lazy import lazy
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.part import Part

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Unsigned:
    """What one block leaves out: how many of the names, and the first of them."""

    sign: Part
    count: int
    first: tuple[str, ...]


class UnsignedNames:
    """The blocks that leave out names; `too_many` is the one at which the comparison was given up, if it was."""

    def __init__(self, module: ModuleView) -> None:
        self.too_many: Part | None = None
        common = module.container.optional("sign")
        self._shared = _Files(common)
        names = _loaded(module)
        self._left = _Names(names)
        self._search = NameSearch(
            len(self._left.text) + len(names) + sum([len(file) for _, file in module.files_to_sign])
        )
        if common is not None and (signed := self._signed(self._shared, common)):
            self._left = _Names({plain: name for plain, name in names.items() if plain not in signed})
        self.blocks = list(self._judged(module.signs, common)) if self.too_many is None else []

    def _judged(self, signs: list[Part], common: Part | None) -> Iterator[Unsigned]:
        names = self._left.names
        seen: dict[tuple[str, ...], tuple[int, tuple[str, ...]]] = {}
        for sign in signs:
            own = _Files(None if common is not None and sign.value is common.value else sign)
            if not (own.stems or self._shared.stems):
                continue  # nothing is signed at all, which is another rule's
            if own.stems not in seen:
                signed = self._signed(own, sign)
                if self.too_many is not None:
                    return
                first = islice((name for plain, name in names.items() if plain not in signed), _SHOWN)
                seen[own.stems] = len(names) - len(signed), tuple(first)
            if seen[own.stems][0]:
                yield Unsigned(sign, *seen[own.stems])

    def _signed(self, files: _Files, sign: Part) -> Set[str]:
        """Those of the names that are left which some files sign."""
        names = self._left.names
        if files.is_anything:
            return names.keys()
        signed = {stem for stem in files.stems if stem in names}
        if files.globs and names:
            signed |= self._search.matched(files.globs, self._left.text)
            if self._search.is_over:
                self.too_many = sign
                return set()
        return signed


class _Names:
    """Names by how the kernel writes them, and as lines of one text."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    @lazy
    def text(self) -> str:
        return "\n".join(self.names)


class _Files:
    """The names of the files of a block, without `.ko` and what comes after: globs, and names in the kernel's form."""

    def __init__(self, sign: Part | None) -> None:
        files = sign.strings("filesToSign") if sign is not None else []
        self.stems = tuple([_stem(file) for file in files])

    @lazy
    def is_anything(self) -> bool:
        """Whether a variable stands for a name."""
        return any(["$" in stem for stem in self.stems])

    @lazy
    def globs(self) -> list[str]:
        """The expressions of the globs."""
        return [as_expression(stem, kernel_names=True) for stem in self.stems if is_glob(stem)]


def _loaded(module: ModuleView) -> dict[str, str]:
    """The names that are loaded, by how the kernel writes them, in their order."""
    names = module.modprobe.strings("modulesLoadingOrder") or [module.modprobe.text("moduleName")]
    found: dict[str, str] = {}
    for name in names:
        if name and "\n" not in name:  # which no file can be called
            found.setdefault(in_kernel_form(name), name)
    return found


def _stem(file: str) -> str:
    stem = file.rpartition("/")[2].partition(".ko")[0]
    return stem if is_glob(stem) else in_kernel_form(stem)
