"""The record of a decision in the audit log."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from kmodgate.policy.findings import Mode
from kmodgate.webhook.admission.answer import Answer


def record(path: str, answer: Answer, body: bytes, policy: str, now: datetime, seconds: float) -> dict[str, Any]:
    """Return the record of a decision: who asked for what, the outcome and its rules, and never a value of the object.

    `input` is the SHA-256 of the review as it came, by which it is found in another log.
    """
    found: dict[str, Any] = {
        "time": now,
        "path": path,
        "uid": answer.uid,
        "allowed": answer.is_allowed,
    }
    if (request := answer.request) is not None:
        found["user"] = request.user
        found["operation"] = request.operation
        found["kind"] = f"{request.group}/{request.kind}" if request.group else request.kind
        found["namespace"] = request.namespace
        found["name"] = request.object_name
        found["dryRun"] = request.dry_run
        if request.subresource:
            found["subresource"] = request.subresource
    if answer.findings:
        found |= _outcome(answer)
    if answer.note:
        found["note"] = answer.note
    if answer.existing:
        found["letThrough"] = answer.existing
    if answer.problem is not None:
        found["problem"] = answer.problem[2]
    found["policy"] = policy
    found["input"] = hashlib.sha256(body).hexdigest()
    found["microseconds"] = round(seconds * 1e6)
    return found


_OVERRIDE_USED = "REF206"


def _outcome(answer: Answer) -> dict[str, Any]:
    """The rules by what they did, and an override that was used."""
    found: dict[str, Any] = {}
    for key, mode in (("denied", Mode.ENFORCE), ("warned", Mode.WARN), ("noted", Mode.AUDIT)):
        if rules := answer.rule_ids(mode):
            found[key] = rules
    if used := [finding.message for finding in answer.findings if finding.rule == _OVERRIDE_USED]:
        found["override"] = "; ".join(used)
    return found
