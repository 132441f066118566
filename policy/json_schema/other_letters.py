"""Texts that a schema does not allow, and that only need other letters, or fewer."""

from __future__ import annotations

from kmodgate.policy.findings import FieldPath, value_at
from kmodgate.policy.formats.kubernetes_names import as_name
from kmodgate.policy.json_schema.keywords import Keywords
from kmodgate.policy.json_schema.values import flow
from kmodgate.policy.lazy import lazy_regex

_SCHEME = lazy_regex(r"\A\w++://")
"""What people write before the name of a registry."""


def written_otherwise(keywords: Keywords, value: object, path: FieldPath) -> str:
    """Return the fix for a text that only needs other letters: `v2.6`, `map202`, `https://quay.io`, `Nic`."""
    text, node = str(value_at(value, path)), keywords.at(path)
    bare = _SCHEME.sub("", text.strip()).rstrip("*").removesuffix("/")
    name = [as_name(text)] if path[-1:] == ("name",) else []
    fitting = (item for item in (bare, bare.lower(), bare.upper(), bare.removeprefix("v"), *name) if item)
    better = next((item for item in fitting if keywords.allows(node, item)), "")
    return f"write {flow(better)}" if better else ""


def key_in_capitals(keywords: Keywords, path: FieldPath, key: str) -> str:
    """Return the fix for a key of a map that only needs capitals: `map202`."""
    node = keywords.at(path).get("propertyNames", {})
    return f"write {key.upper()}" if node and keywords.allows(node, key.upper()) else ""
