"""The schemas, compiled: each once a process, when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import schemas
from policy.review import GROUPS
from policy.schema import Schema


@cache
def spec_schema(kind: str) -> Schema:
    """The compiled schema of a spec kind."""
    return Schema(schemas.read(schemas.KINDS[kind]))


def object_schema(value: Mapping[str, Any]) -> Schema | None:
    """The compiled schema of an object's kind, if there is one for it."""
    return _object_schema(str(value.get("apiVersion")), str(value.get("kind")))


@cache
def _object_schema(api_version: str, kind: str) -> Schema | None:
    name = schemas.name_of(api_version, kind)
    known = GROUPS.get(kind) == api_version.partition("/")[0] and schemas.path(name).is_file()
    return Schema(schemas.read(name)) if known else None
