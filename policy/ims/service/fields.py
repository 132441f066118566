"""Fields of the service's API as marshmallow takes them, which is not as JSON means them.

Sources: marshmallow 3.21 src/marshmallow/fields.py, which constraints.txt of Cray-HPE/ims pins.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

Check = Callable[[object], bool]

_TRUE = frozenset(("t", "T", "true", "True", "TRUE", "on", "On", "ON", "1", 1))
_FALSE = frozenset(("f", "F", "false", "False", "FALSE", "off", "Off", "OFF", "0", 0))
_YES = frozenset(("y", "Y", "yes", "Yes", "YES"))
_NO = frozenset(("n", "N", "no", "No", "NO"))


def boolean(value: object, *, with_yes: bool = True) -> bool | None:
    """Return the boolean that a value is taken for, or None where it is refused.

    :param with_yes: whether `yes`, `no` and their first letters are words for booleans
    """
    if not isinstance(value, bool | int | float | str):
        return None
    if value in _TRUE or (with_yes and value in _YES):
        return True
    return False if value in _FALSE or (with_yes and value in _NO) else None


def reported_boolean(stored: object) -> bool:
    """What a stored value is in an answer and in the data file: any word for false is false there."""
    read = boolean(stored)
    return bool(stored) if read is None else read


def is_boolean(value: object) -> bool:
    return boolean(value) is not None


def is_boolean_without_yes(value: object) -> bool:
    return boolean(value, with_yes=False) is not None


def is_size(value: object) -> bool:
    """Whether this is a size of a job: an integer of at least 1, or a text or fraction that int() makes one of."""
    size = size_of(value)
    return size is not None and size >= 1


def size_of(value: object) -> int | None:
    """Return the integer that a value is taken for; None where it is refused, as booleans are."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None


def is_text(value: object) -> bool:
    return isinstance(value, str)


def is_filled_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def is_uuid(value: object) -> bool:
    try:
        uuid.UUID(value)  # type: ignore[arg-type]
    except (ValueError, AttributeError, TypeError):
        return False
    return True


def is_one_of(*choices: str) -> Check:
    return lambda value: isinstance(value, str) and value in choices


def is_list_of(fields: Mapping[str, Check], required: tuple[str, ...] = (), *, may_be_null: bool = True) -> Check:
    """A list of objects with these fields and no others."""

    def check(value: object) -> bool:
        if value is None:
            return may_be_null
        return isinstance(value, list) and all(wrong_field(item, fields, required) == "" for item in value)

    return check


def is_object_with(fields: Mapping[str, Check], required: tuple[str, ...]) -> Check:
    return lambda value: wrong_field(value, fields, required) == ""


def wrong_field(body: object, fields: Mapping[str, Check], required: tuple[str, ...]) -> str:
    """Return what is wrong with the first field that is unknown, refused or missing; "" where there is none."""
    if not isinstance(body, dict):
        return "the body is no object"
    for name, value in body.items():
        if name not in fields:
            return f"{name} is unknown"
        if not fields[name](value):
            return f"{name} has a value that the service refuses"
    return next((f"{name} is missing" for name in required if name not in body), "")
