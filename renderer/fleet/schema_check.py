"""What the schema of its kind says of a spec, and findings at places in it."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import islice
from typing import Any

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.findings import FieldPath, Finding, format_path
from kmodgate.policy.formats.json_schema import MAX_VIOLATIONS, Violation
from kmodgate.policy.formats.yaml_documents import Document
from kmodgate.schemas.compiled import spec_schema

_ROUNDS = 5
"""Taking a field away may break another rule of the schema; a spec that needs more rounds is not judged."""


def check(document: Document, kind: str) -> list[Finding]:
    """What the schema of the kind says of the document."""
    schema = spec_schema(kind)
    if schema.is_valid(document.value):
        return []
    violations = schema.violations(document.value, document.raw)
    return [_violation(document, violation) for violation in islice(violations, MAX_VIOLATIONS)]


def _violation(document: Document, violation: Violation) -> Finding:
    return finding_at(
        document, violation.path, violation.rule, violation.message, violation.fix, at_key=violation.at_key
    )


def finding_at(
    document: Document, path: FieldPath, rule: str, message: str, fix: str, *, at_key: bool = False
) -> Finding:
    """A finding at a node of a spec, or at its key."""
    line, column = document.key_position(path) if at_key else document.position(path)
    return Finding(
        rule,
        message,
        fix,
        object=title(document),
        field=format_path(path),
        file=document.file,
        line=line,
        column=column,
    )


def title(document: Document) -> str:
    """Kind and name of a spec, as far as it has them."""
    value = document.value
    if not isinstance(value, dict):
        return ""
    name = metadata_of(value).get("name")
    return " ".join(part for part in (value.get("kind"), name) if isinstance(part, str))


def without_faults(document: Document, kind: str) -> tuple[Document, list[FieldPath]] | None:
    """Return the document without the fields that break the schema, and their paths.

    None where a required field is among them. A name that is not allowed stays: it is wrong, and does no harm.
    """
    schema = spec_schema(kind)
    value: Any = copy.deepcopy(document.value)
    faults: list[FieldPath] = []
    for _ in range(_ROUNDS):
        violations = list(islice(schema.violations(value, document.raw), MAX_VIOLATIONS))
        paths = [violation.path for violation in violations if not _is_name(value, violation.path)]
        faults += [violation.path for violation in violations if violation.path not in (*paths, *faults)]
        if not paths:
            return replace(document, value=value), faults
        for path in paths:
            if any(path[: len(fault)] == fault for fault in faults):
                continue  # it went with another one
            removed = _remove(value, path)
            if removed is None:
                return None
            faults.append(removed)
    return None


def _is_name(value: Any, path: FieldPath) -> bool:
    """Whether a path leads to the text of a name."""
    if not path or path[-1] != "name":
        return False
    for step in path:
        if not (isinstance(value, dict) and step in value):
            return False
        value = value[step]
    return isinstance(value, str)


def _remove(value: Any, path: FieldPath) -> FieldPath | None:
    """Take away the closest key of a map at or above a path, and return its path; None at the first level."""
    parents = [value]
    for step in path:
        parent = parents[-1]
        there = step in parent if isinstance(parent, dict) else isinstance(parent, list) and isinstance(step, int)
        if not there:
            break
        parents.append(parent[step])
    for length in range(len(parents) - 1, 1, -1):
        if isinstance(parents[length - 1], dict):
            del parents[length - 1][path[length - 1]]
            return path[:length]
    return None
