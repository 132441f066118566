"""Classes made by the quick `dataclass` behave as those of the standard library do."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from kmodgate.policy import data_class

OPTIONS: list[dict[str, Any]] = [
    {},
    {"slots": True},
    {"frozen": True},
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "eq": False},
    {"slots": True, "unsafe_hash": True},
]


def points(dataclass: Callable[..., Any], **options: Any) -> list[Any]:
    @dataclass(**options)
    class Point:
        """A class with each kind of field."""

        x: int
        y: int = 0
        label: str = dataclasses.field(default="", compare=False)
        secret: str = dataclasses.field(default="", repr=False)
        cost: int = dataclasses.field(default=0, hash=False)

    return [Point(1), Point(1), Point(1, label="a"), Point(1, secret="b"), Point(1, cost=2), Point(2, 1)]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_comparison_is_that_of_the_standard_library(options: dict[str, Any]) -> None:
    assert _comparisons(points(data_class.dataclass, **options)) == _comparisons(
        points(dataclasses.dataclass, **options)
    )


def _comparisons(values: list[Any]) -> list[bool]:
    return [one == other for one in values for other in [*values, 1]]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_representation_is_that_of_the_standard_library(options: dict[str, Any]) -> None:
    assert [repr(value) for value in points(data_class.dataclass, **options)] == [
        repr(value) for value in points(dataclasses.dataclass, **options)
    ]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_what_has_a_hash_is_what_has_one_in_the_standard_library(options: dict[str, Any]) -> None:
    ours, theirs = points(data_class.dataclass, **options), points(dataclasses.dataclass, **options)
    assert (type(ours[0]).__hash__ is None) == (type(theirs[0]).__hash__ is None)
    if type(ours[0]).__hash__ is not None and options.get("eq", True):
        assert hash(ours[0]) == hash(ours[1]) == hash(ours[4])
        assert hash(ours[0]) != hash(ours[3])


def test_methods_that_a_class_has_itself_stay() -> None:
    @data_class.dataclass(frozen=True)
    class Own:
        """A class with methods of its own."""

        value: int

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

        def __repr__(self) -> str:
            return "own"

    assert (Own(1) == Own(2), hash(Own(1)), repr(Own(1))) == (True, 7, "own")


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_class_with_a_comparison_of_its_own_has_a_hash_where_the_standard_library_gives_it_one(
    options: dict[str, Any],
) -> None:
    def has_hash(dataclass: Callable[..., Any]) -> bool:
        @dataclass(**options)
        class Compared:
            """A class that compares itself."""

            value: int

            def __eq__(self, other: object) -> bool:
                return True

        return Compared.__hash__ is not None

    assert has_hash(data_class.dataclass) == has_hash(dataclasses.dataclass)


@data_class.dataclass(frozen=True, slots=True)
class Sent:
    """A class that another process can find."""

    value: int


def test_an_object_goes_to_another_process_and_can_be_replaced() -> None:
    assert pickle.loads(pickle.dumps(Sent(1))) == Sent(1)
    assert dataclasses.replace(Sent(1), value=2) == Sent(2)
    assert dataclasses.asdict(Sent(1)) == {"value": 1}
