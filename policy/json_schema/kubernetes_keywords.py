"""What the API server asks of values beside JSON Schema: formats of texts, and keywords of its own.

Source: Kubernetes, Extend the Kubernetes API with CustomResourceDefinitions; pkg/apiserver/schema and pkg/apiserver/
validation of apiextensions-apiserver; strfmt of kube-openapi.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kmodgate.policy.lazy import lazy_regex

Map = Mapping[str, Any]

_WORD = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_NAME = lazy_regex(rf"(?=.{{1,253}}\Z){_WORD}(?:\.{_WORD})*")

_FORMATS: Mapping[str, re.Pattern[str] | None] = {
    **dict.fromkeys(
        ("bsonobjectid", "byte", "cidr", "creditcard", "date", "date-time", "datetime", "duration", "email", "hexcolor",
         "ipv4", "ipv6", "isbn", "isbn10", "isbn13", "mac", "rgbcolor", "ssn", "uuid", "uuid3", "uuid4", "uuid5"),
    ),
    "hostname": _NAME,
    "k8s-long-name": _NAME,
    "k8s-short-name": lazy_regex(_WORD),
    "uri": lazy_regex(r"[A-Za-z][-+.A-Za-z0-9]*:.*|/.*"),
}  # fmt: skip
"""Format → the texts that have it, as far as they can be texts of KMM's objects; None where none of those can."""


def takes_own(schema: Map, value: object) -> bool:
    """Whether a value is what keywords of Kubernetes in a schema ask for, whatever lies in it."""
    if isinstance(value, str) and (kind := str(schema.get("format"))) in _FORMATS:
        pattern = _FORMATS[kind]
        return pattern is not None and pattern.fullmatch(value) is not None
    if schema.get("x-kubernetes-int-or-string") is True and type(value) not in (int, str):
        return False
    if schema.get("x-kubernetes-embedded-resource") is True and isinstance(value, Mapping):
        return {"apiVersion", "kind", "metadata"} <= value.keys()
    return not isinstance(value, list) or _is_without_doubles(schema, value)


def _is_without_doubles(schema: Map, items: list[Any]) -> bool:
    kind = schema.get("x-kubernetes-list-type")
    if kind == "set":
        found = [_text(item) for item in items]
    elif kind == "map":
        keys = schema.get("x-kubernetes-list-map-keys")
        named = keys if isinstance(keys, list) else []
        found = [_text([_key(schema, item, key) for key in named]) for item in items]
    else:
        return True
    return len(set(found)) == len(found)


def _key(schema: Map, item: object, key: object) -> object:
    """What an item has under a key of its list, or what its schema fills in."""
    if isinstance(item, Mapping) and key in item:
        return item[key]
    for step in ("items", "properties", str(key)):
        schema = schema.get(step, {}) if isinstance(schema, Mapping) else {}
    return schema.get("default") if isinstance(schema, Mapping) else None


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
