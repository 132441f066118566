"""The record of a decision in the audit log."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

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
        found |= answer.outcome.recorded
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
