"""Attributes and regular expressions worked out when they are first used, and kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

T = TypeVar("T")


class lazy(Generic[T]):
    """An attribute that is worked out when it is first read; `functools.cached_property` takes a lock for it."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._name = make.__name__

    def __get__(self, instance: object, owner: type | None = None) -> T:
        value = self._make(instance)
        setattr(instance, self._name, value)  # asking for `__dict__` would make one, and that takes longer than most
        return value


if TYPE_CHECKING:
    lazy_regex = re.compile
else:

    class lazy_regex:
        """What `re.compile` returns, compiled at its first use: a command uses few of all expressions."""

        def __init__(self, pattern: str, flags: int = 0) -> None:
            self._arguments = pattern, flags
            _expressions.append(self)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):  # asked for by whoever copies one, before it has arguments
                raise AttributeError(name)
            pattern = re.compile(*self._arguments)
            for method in _METHODS:
                setattr(self, method, getattr(pattern, method))
            return getattr(pattern, name)


_METHODS = ("findall", "finditer", "flags", "fullmatch", "groups", "match", "pattern", "search", "split", "sub", "subn")
_expressions: list[re.Pattern[Any]] = []


def compile_expressions() -> None:
    """Compile every expression that is there by now, so that no request waits for it."""
    for item in _expressions:
        _ = item.pattern
