"""An attribute worked out when it is first read, and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

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
