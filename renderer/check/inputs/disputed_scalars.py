"""Scalars of objects on which YAML readers disagree: the fix that suits the field, told once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from kmodgate.policy.findings import Finding, value_at
from kmodgate.policy.formats.object_files import Source
from kmodgate.renderer.check.inputs.object_inputs import STDIN
from kmodgate.schemas.compiled import object_schema

_DISPUTED = "SCH005"
_WRONG_TYPE = "SCH102"

_Place = tuple[str, int, int]


def suit_fields(findings: list[Finding], sources: Sequence[Source]) -> None:
    """Change the fixes of findings about the objects of a file: a boolean is written as such, a text in quotes."""
    for index, finding in enumerate(findings):
        if finding.rule == _DISPUTED and sources and finding.file == sources[0].file:
            findings[index] = replace(finding, fix=_fix(finding, sources))


def _fix(finding: Finding, sources: Iterable[Source]) -> str:
    for source in sources:
        path = source.document.scalar_at((finding.line, finding.column)) if source.document else ()
        if not path or path[: len(source.prefix)] != source.prefix:
            continue
        value, schema = value_at(source.value, path := path[len(source.prefix) :]), object_schema(source.value)
        if not isinstance(value, bool | int | float):
            return finding.fix
        if schema is not None and schema.knows(path):
            return f"write {json.dumps(value)}" if schema.allows(path, value) else finding.fix
        return f"write {json.dumps(value)}, or in place of a text: {finding.fix}"
    return finding.fix


def without_disputes(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings, where a scalar is both disputed and of the wrong type only the latter, with the fix."""
    findings = list(findings)
    fixes = {_place(item): item.fix for item in findings if item.rule == _DISPUTED}
    wrong = {_place(item) for item in findings if item.rule == _WRONG_TYPE} & fixes.keys()
    return [
        replace(item, fix=fixes[_place(item)]) if item.rule == _WRONG_TYPE and _place(item) in wrong else item
        for item in findings
        if item.rule != _DISPUTED or _place(item) not in wrong
    ]


def _place(finding: Finding) -> _Place:
    return "<stdin>" if finding.file == STDIN else finding.file, finding.line, finding.column
