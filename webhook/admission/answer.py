"""Findings → what the API server is answered, in the form that kubectl shows in full.

Sources: kubernetes/apiserver `pkg/admission/plugin/webhook/errors` and `pkg/endpoints/filters/warning.go`; kubectl
`pkg/cmd/util/helpers.go`, which of an Invalid status prints the causes only, and of any other only the message.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from kmodgate.policy.findings import Finding
from kmodgate.webhook.admission.admission_review import Request, encode, encode_response
from kmodgate.webhook.admission.outcome import Outcome, on_one_line, words
from kmodgate.webhook.admission.reported import Collected, JobPod

_REFUSALS = ("REF", "PRV")
"""Families that say what may not be done, and not which field is wrong."""

_MOST = 100

Patch = Sequence[dict[str, Any]]


Problem = tuple[int, str, str]
"""Status code, reason and text."""


def unavailable(why: object) -> Problem:
    """The refusal of what must not be decided without an answer of the cluster."""
    text = f"nothing is taken away before the cluster was asked, and it did not answer: {why}; try again"
    return 503, "ServiceUnavailable", text


@dataclass(slots=True)
class Answer:
    """What one request is answered; `findings` are all of its, whatever their mode.

    `problem` is a refusal of the webhook's own: status code, reason and text. `note` is what a mutation did, or why
    it did nothing. `existing` is the controller, older than the policy's enforcement, whose pod is let through.
    `report` is what the cluster is told by Events; `told` is the outcome, where it was worked out for another answer.
    """

    uid: str
    findings: Sequence[Finding] = ()
    patch: Patch = ()
    note: str = ""
    problem: Problem | None = None
    existing: str = ""
    request: Request | None = field(default=None, repr=False)
    report: Collected | JobPod | None = None
    told: Outcome | None = field(default=None, repr=False, compare=False)

    @property
    def outcome(self) -> Outcome:
        """What is told of the findings."""
        if self.told is None:
            self.told = Outcome(self.findings)
        return self.told

    @property
    def denying(self) -> list[Finding]:
        return self.outcome.denying

    @property
    def is_allowed(self) -> bool:
        return self.problem is None and not (self.findings and self.outcome.denying)

    def encoded(self, policy: str) -> bytes:
        """The review that goes back; `policy` is the hash of the policy that decided."""
        if self.note or self.patch or self.existing or not self.is_allowed:
            return encode(self.uid, encode_response(self._response(policy)))
        outcome = self.outcome
        if outcome.encoded[0] != policy:
            outcome.encoded = (policy, encode_response(self._response(policy)))
        return encode(self.uid, outcome.encoded[1])

    def _response(self, policy: str) -> dict[str, Any]:
        annotations = {"policy": policy}
        response: dict[str, Any] = {"allowed": self.is_allowed, "auditAnnotations": annotations}
        told = {"note": self.note, "let-through": on_one_line(self.existing)}
        annotations |= {key: text for key, text in told.items() if text}
        if self.findings:
            annotations |= self.outcome.annotations
            if warnings := self.outcome.warnings:
                response["warnings"] = warnings
        if not response["allowed"]:
            response["status"] = self._status()
        elif self.patch:
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(orjson.dumps(self.patch)).decode()
        return response

    def _status(self) -> dict[str, Any]:
        if self.problem is not None:
            code, reason, text = self.problem
            return _status(code, reason, on_one_line(text))
        denying = self.denying
        if all(finding.rule.startswith(_REFUSALS) for finding in denying):
            lines = [f"{finding.field}: {words(finding)}" for finding in denying[:_MOST]]
            return _status(403, "Forbidden", "\n".join(lines + _more(denying)))
        causes = [
            {"reason": "FieldValueInvalid", "field": finding.field, "message": words(finding)}
            for finding in denying[:_MOST]
        ]
        causes += [{"reason": "FieldValueInvalid", "field": "", "message": text} for text in _more(denying)]
        status = _status(422, "Invalid", "; ".join(f"{item['field']}: {item['message']}" for item in causes))
        details: dict[str, Any] = {"causes": causes}
        if self.request is not None:
            request = self.request
            details |= {"group": request.group, "kind": request.kind, "name": request.name}
        return status | {"details": details}


def _status(code: int, reason: str, message: str) -> dict[str, Any]:
    return {"status": "Failure", "code": code, "reason": reason, "message": message}


def _more(denying: Sequence[Finding]) -> list[str]:
    return [f"and {len(denying) - _MOST} more"] if len(denying) > _MOST else []
