"""What to write behind a key that has no value."""

from __future__ import annotations

from kmodgate.policy.findings import FieldPath
from kmodgate.policy.json_schema.keywords import Keywords
from kmodgate.policy.json_schema.violations import line


def for_nothing(keywords: Keywords, path: FieldPath, *, may_go: bool) -> str:
    """Return the fix for a key without a value: the empty text of a label, what the schema says, or a value."""
    node, fields = keywords.at(path), keywords.at(path[:-1]).get("properties", {})
    is_entry = bool(path) and isinstance(path[-1], str) and path[-1] not in fields
    if is_entry and keywords.allows(node, ""):
        return f"write {line(path, '')}"
    said = str(node.get("errorMessage", "")).partition("; ")[2]
    return said or ("give it a value or remove the key" if may_go else "give it a value")
