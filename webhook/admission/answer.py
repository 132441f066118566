"""Findings → what the API server is answered, in the form that kubectl shows in full.

Sources: kubernetes/apiserver `pkg/admission/plugin/webhook/errors` and `pkg/endpoints/filters/warning.go`; kubectl
`pkg/cmd/util/helpers.go`, which of an Invalid status prints the causes only, and of any other only the message.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from kmodgate.policy.findings import Finding, Mode
from kmodgate.webhook.admission.admission_review import Request, encode
from kmodgate.webhook.admission.reported import Collected, JobPod

_REFUSALS = ("REF", "PRV")
"""Families that say what may not be done, and not which field is wrong."""

_MOST = 100
_LONGEST_WARNING = 256
_ALL_WARNINGS = 4096
_SHOWN_WARNINGS = _ALL_WARNINGS // _LONGEST_WARNING
"""Of those that are too long together."""

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
    `report` is what the cluster is told by Events.
    """

    uid: str
    findings: Sequence[Finding] = ()
    patch: Patch = ()
    note: str = ""
    problem: Problem | None = None
    existing: str = ""
    request: Request | None = field(default=None, repr=False)
    report: Collected | JobPod | None = None

    @property
    def denying(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.mode is Mode.ENFORCE]

    @property
    def is_allowed(self) -> bool:
        return self.problem is None and not (self.findings and self.denying)

    def rule_ids(self, mode: Mode) -> list[str]:
        """The rules with a finding of a mode, each once."""
        return sorted({finding.rule for finding in self.findings if finding.mode is mode})

    def rules(self, mode: Mode) -> str:
        """The same with commas between them."""
        return ",".join(self.rule_ids(mode))

    def encoded(self, policy: str) -> bytes:
        """The review that goes back; `policy` is the hash of the policy that decided."""
        annotations = {"policy": policy}
        response: dict[str, Any] = {"allowed": self.is_allowed, "auditAnnotations": annotations}
        told = {"note": self.note, "let-through": _line(self.existing)}
        annotations |= {key: text for key, text in told.items() if text}
        if self.findings:
            for key, mode in (("denied-by", Mode.ENFORCE), ("warned-by", Mode.WARN), ("noted-by", Mode.AUDIT)):
                if rules := self.rules(mode):
                    annotations[key] = rules
            if warnings := _warnings(self.findings):
                response["warnings"] = warnings
        if not response["allowed"]:
            response["status"] = self._status()
        elif self.patch:
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(orjson.dumps(self.patch)).decode()
        return encode(self.uid, response)

    def _status(self) -> dict[str, Any]:
        if self.problem is not None:
            code, reason, text = self.problem
            return _status(code, reason, _line(text))
        denying = self.denying
        if all(finding.rule.startswith(_REFUSALS) for finding in denying):
            lines = [f"{finding.field}: {_words(finding)}" for finding in denying[:_MOST]]
            return _status(403, "Forbidden", "\n".join(lines + _more(denying)))
        causes = [
            {"reason": "FieldValueInvalid", "field": finding.field, "message": _words(finding)}
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


def _words(finding: Finding) -> str:
    return _line(f"[{finding.rule}] {finding.message}; {finding.fix}")


def _warnings(findings: Iterable[Finding]) -> list[str]:
    """One line each; cut as the API server would cut them, so that none is dropped."""
    warnings = [item for item in findings if item.mode is Mode.WARN]
    lines: list[str] = []
    length = 0
    for item in warnings:
        lines.append(f"{item.field}: {_words(item)}")
        length += len(lines[-1])
        if length > _ALL_WARNINGS and len(lines) >= _SHOWN_WARNINGS:
            break  # the others are not shown, and there may be thousands
    if length <= _ALL_WARNINGS:
        return lines
    shown = [_cut(line) for line in lines[:_SHOWN_WARNINGS]]
    if len(warnings) <= _SHOWN_WARNINGS:
        return shown
    return [*shown[:-1], f"and {len(warnings) - _SHOWN_WARNINGS + 1} more warnings"]


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_WARNING else f"{line[: _LONGEST_WARNING - 1]}…"


def _line(text: str) -> str:
    """Text on one line, without what no header can carry."""
    return text if text.isprintable() else "".join([char if char.isprintable() else " " for char in text])
