"""Findings as SARIF 2.1.0, for code scanning.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from kmodgate.policy.findings import Finding, Mode
from kmodgate.policy.rule import RULES
from kmodgate.renderer.report import Policies
from kmodgate.renderer.report.findings.text import named
from kmodgate.renderer.report.findings.unchecked import Note, notes
from kmodgate.renderer.version import __version__
from kmodgate.renderer.wording import printable

_LEVELS = {Mode.ENFORCE: "error", Mode.WARN: "warning", Mode.AUDIT: "note", Mode.DISABLED: "none"}


def write(findings: Sequence[Finding], policies: Policies) -> str:
    """One run; fingerprints stay when lines move. What could not be checked is no result, but told of the run."""
    missing = notes(findings)
    findings = [finding for finding in findings if not finding.is_unchecked]
    ids = sorted({finding.rule for finding in findings})
    driver = {
        "name": "kmodgate",
        "semanticVersion": __version__,
        "rules": [_rule(id) for id in ids],
    }
    results = [_result(finding, ids.index(finding.rule)) for finding in findings]
    held: dict[str, list[str]] = {}
    for item in policies:
        held.setdefault(item.name or item.policy.profile, []).append(item.policy.digest)
    invocation = {"executionSuccessful": True, "toolExecutionNotifications": [_notification(item) for item in missing]}
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {"policies": {name: ", ".join(digests) for name, digests in held.items()}},
    }
    document = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _rule(id: str) -> dict[str, Any]:
    rule = RULES.get(id)
    if rule is None:
        return {"id": id}
    return {"id": id, "shortDescription": {"text": rule.title}, "help": {"text": rule.documentation}}


def _result(finding: Finding, index: int) -> dict[str, Any]:
    field = named(finding, finding.spec_field or finding.field)
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _LEVELS[finding.mode],
        "message": {"text": _plain(f"{field}: {finding.message}\nfix: {finding.fix}")},
        "partialFingerprints": {"kmodgate/v1": _fingerprint(finding)},
    }
    location: dict[str, Any] = {}
    if finding.file:
        location["physicalLocation"] = {"artifactLocation": {"uri": quote(finding.file, errors="surrogateescape")}}
        if finding.line:
            region = {"startLine": finding.line, "startColumn": max(finding.column, 1)}
            location["physicalLocation"]["region"] = region
    if finding.object:
        location["logicalLocations"] = [{"fullyQualifiedName": f"{finding.object} {finding.field}".strip()}]
    return {**result, "locations": [location]} if location else result


def _notification(note: Note) -> dict[str, Any]:
    return {"level": "note", "message": {"text": _plain(note.text)}, "properties": {"rules": list(note.rules)}}


def _plain(text: str) -> str:
    """Text as it stands: no control characters, and nothing of it is a link, as `[text](address)` is in SARIF."""
    return "\n".join(printable(line) for line in text.split("\n")).replace("](", "] (")


def _fingerprint(finding: Finding) -> str:
    """What stays the same when the lines of a file move."""
    parts = (finding.rule, finding.file, finding.object, finding.field, finding.message)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
