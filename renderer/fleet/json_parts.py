"""Parts of a spec that may be missing, as maps and lists that are then empty."""

from __future__ import annotations

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.fleet.specs import JsonMap


def map_of(value: Json) -> JsonMap:
    """The value if it is a map, else an empty one."""
    return value if isinstance(value, dict) else {}


def items_of(value: Json) -> list[Json]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
