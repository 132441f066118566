"""Findings as JSON: `{"version": 1, "policies": […], "findings": […]}`; docs/check.md describes every field."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kmodgate.policy.findings import Finding
from kmodgate.renderer.report import Policies


def write(findings: Sequence[Finding], policies: Policies) -> str:
    """One object, indented; an unknown line or column is 0."""
    held = [
        {
            "name": item.name,
            "profile": item.policy.profile,
            "hash": item.policy.digest,
            "clusters": list(item.clusters),
        }
        for item in policies
    ]
    found = [as_json(finding) for finding in findings]
    return json.dumps({"version": 1, "policies": held, "findings": found}, indent=2, ensure_ascii=False) + "\n"


def as_json(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "mode": finding.mode,
        "message": finding.message,
        "fix": finding.fix,
        "object": finding.object,
        "field": finding.field,
        "specField": finding.spec_field,
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "clusters": list(finding.clusters),
    }
