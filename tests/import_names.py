"""Names of kmodgate's parts: `policy` at the top level would be a second copy of `kmodgate.policy`.

The repository is on the path of the tests, so that `import policy` works and gives classes that equal no others.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PARTS = ("policy", "renderer", "schemas", "webhook")


class PartsOfKmodgate(MetaPathFinder):
    """Refuses to find a part of kmodgate at the top level."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in PARTS:
            raise ImportError(f"{fullname!r} is a second copy of a module; import 'kmodgate.{fullname}'", name=fullname)
        return None


def second_copies() -> list[str]:
    """The parts that are loaded at the top level."""
    return [part for part in PARTS if part in sys.modules]
