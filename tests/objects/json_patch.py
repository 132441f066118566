"""JSON Patch as the API server applies it (RFC 6902 over RFC 6901), as far as maps go: strict, and on a copy."""

from __future__ import annotations

import copy
from typing import Any


def applied(patch: list[dict[str, Any]], document: Any) -> Any:
    """The document after the patch. Raises AssertionError for an operation that the RFC does not allow there."""
    result = copy.deepcopy(document)
    for operation in patch:
        assert set(operation) == {"op", "path"} | ({"value"} if operation["op"] != "remove" else set())
        *above, last = [_unescaped(step) for step in operation["path"].split("/")[1:]]
        target = result
        for step in above:
            target = target[step]
        assert isinstance(target, dict), operation
        assert operation["op"] == "add" or last in target, operation
        if operation["op"] == "remove":
            del target[last]
        else:
            target[last] = copy.deepcopy(operation["value"])
    return result


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")
