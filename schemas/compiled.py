"""The schemas, compiled: each once a process, when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from kmodgate import schemas
from kmodgate.policy.findings import plain_text
from kmodgate.policy.json_schema.schema import Schema
from kmodgate.policy.kmm.kinds import SERVED


@cache
def spec_schema(kind: str) -> Schema:
    """The compiled schema of a spec kind."""
    return Schema(schemas.read(schemas.KINDS[kind]))


def object_schema(value: Mapping[str, Any]) -> Schema | None:
    """The compiled schema of an object's kind, if it is one of KMM's and there is one for it."""
    return _of_kmm(plain_text(value.get("apiVersion")), plain_text(value.get("kind")))


def any_schema(value: Mapping[str, Any]) -> Schema | None:
    """The compiled schema of an object's kind, one of KMM's or one of Kubernetes' own, if there is one for it."""
    api_version, kind = plain_text(value.get("apiVersion")), plain_text(value.get("kind"))
    name = schemas.KUBERNETES.get((api_version, kind))
    return _of_kmm(api_version, kind) if name is None else _schema(name)


def _of_kmm(api_version: str, kind: str) -> Schema | None:
    return _schema(schemas.name_of(api_version, kind)) if api_version in SERVED.get(kind, ()) else None


@cache
def _schema(name: str) -> Schema | None:
    return Schema(schemas.read(name)) if schemas.path(name).is_file() else None
