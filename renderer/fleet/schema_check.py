"""What the schema of its kind says of a spec, and findings at places in it."""

from __future__ import annotations

from itertools import islice

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.findings import FieldPath, Finding, format_path
from kmodgate.policy.formats.json_schema import MAX_VIOLATIONS, Violation
from kmodgate.policy.formats.yaml_documents import Document
from kmodgate.schemas.compiled import spec_schema


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
