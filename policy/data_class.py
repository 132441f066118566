"""`dataclasses.dataclass`, which compiles only the constructor of a class.

Comparison, hash and representation work as those of `dataclasses` do, and are closures instead of six functions that
are compiled for each class. Defining a class takes a fifth of the time, and a command defines a hundred at its start.
A frozen class is frozen for the type checker only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, *, eq=True, frozen=False, unsafe_hash=False, **options):
        """Return the class as a dataclass, or the decorator that makes it one."""

        def decorate(cls: type) -> type:
            made = dataclasses.dataclass(cls, eq=False, repr=False, **options)
            methods = {"__repr__": _represent}
            if eq:
                methods |= {"__eq__": _comparison(made), "__hash__": None}
            if unsafe_hash or (eq and frozen):
                methods["__hash__"] = _hash(made)
            for name, method in methods.items():
                if not _has_own(cls, name):
                    setattr(made, name, method)
            return made

        return decorate if cls is None else decorate(cls)


def _has_own(cls: type, name: str) -> bool:
    """Whether a class says itself what a method is; Python writes no hash into one that has a comparison alone."""
    own = vars(cls)
    return name in own and not (name == "__hash__" and own[name] is None and "__eq__" in own)


def _comparison(cls: type) -> Callable[[object, object], bool]:
    values = _values([field.name for field in dataclasses.fields(cls) if field.compare])

    def equal(self: object, other: object) -> bool:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return equal


def _hash(cls: type) -> Callable[[object], int]:
    fields = dataclasses.fields(cls)
    values = _values([field.name for field in fields if (field.compare if field.hash is None else field.hash)])
    return lambda self: hash(values(self))


def _values(names: list[str]) -> Callable[[object], Any]:
    return attrgetter(*names) if names else lambda self: ()


@recursive_repr()
def _represent(self: Any) -> str:
    values = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({', '.join(values)})"
