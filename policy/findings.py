"""What a check found: one type for every gate and every report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

FieldPath = tuple[str | int, ...]
"""Where in a document: keys of maps and indexes of lists, from the root."""


class Severity(StrEnum):
    """How bad a finding is; what a gate does about it is its mode, not its severity."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that one rule found.

    `field` is a path as `format_path` writes it. `line` and `column` count from 1; 0 means that the
    file as a whole is meant, and an empty `file` that the object came from no file. A file of the fleet is relative to
    its root, any other is absolute.
    """

    rule: str
    message: str
    fix: str
    object: str = ""
    field: str = ""
    severity: Severity = Severity.ERROR
    file: str = ""
    line: int = 0
    column: int = 0


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """The findings without repetition, in the order of files, lines and columns."""
    return sorted(
        set(findings),
        key=lambda f: (f.file, f.line, f.column, f.rule, f.object, f.field, f.message, f.fix, f.severity),
    )


def format_path(path: FieldPath) -> str:
    """A path as Kubernetes writes it in errors: `spec.selector[example.com/role]`, `spec.items[0].name`."""
    text = ""
    for segment in path:
        if isinstance(segment, int) or not _is_plain(segment):
            text += f"[{segment}]"
        else:
            text += f".{segment}" if text else segment
    return text


def _is_plain(key: str) -> bool:
    return key.replace("_", "a").replace("-", "a").isalnum()
