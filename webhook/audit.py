"""The audit log: one line of JSON a decision, to stdout or to a file that may be rotated by renaming it."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from policy.findings import Finding, Mode
from webhook.answer import Answer

_LOOK_AGAIN = 1.0
"""Seconds after which a file is looked for under its name again."""


class AuditLog:
    """Where decisions are written; a line that cannot be written is counted, and never costs an answer."""

    def __init__(self, path: str) -> None:
        """`-` is stdout, an empty path no log. Raises OSError for a file that cannot be opened."""
        self.lost = 0
        self._path = path
        self._inode: tuple[int, int] | None = None
        self._looked = 0.0
        self._descriptor = -1
        if path == "-":
            self._descriptor = sys.stdout.fileno()
        elif path:
            self._open()

    def write(self, record: dict[str, Any]) -> None:
        """Appends one line, by one system call, so that lines of several writers never mix."""
        if not self._path:
            return
        try:
            if self._path != "-" and time.monotonic() - self._looked > _LOOK_AGAIN:
                self._follow()
            line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
            if os.write(self._descriptor, line) != len(line):
                self.lost += 1
        except (OSError, orjson.JSONEncodeError):
            self.lost += 1

    def close(self) -> None:
        if self._path not in ("", "-") and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _follow(self) -> None:
        """Opens the file anew if another, or none, lies under its name."""
        self._looked = time.monotonic()
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self._inode:
            self.close()
            self._open()

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        opened = os.fstat(self._descriptor)
        self._inode = (opened.st_dev, opened.st_ino)
        self._looked = time.monotonic()


def record(path: str, answer: Answer, body: bytes, policy: str, seconds: float) -> dict[str, Any]:
    """What is written of a decision: who asked for what, the outcome and its rules, and never a value of the object.

    `input` is the SHA-256 of the review as it came, by which it is found in another log.
    """
    found: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "path": path,
        "uid": answer.uid,
        "allowed": answer.is_allowed,
    }
    if (request := answer.request) is not None:
        metadata = request.subject.get("metadata")
        name = request.name or (metadata.get("name") if isinstance(metadata, dict) else None) or ""
        found |= {
            "user": request.user,
            "operation": request.operation,
            "kind": f"{request.group}/{request.kind}" if request.group else request.kind,
            "namespace": request.namespace,
            "name": name,
            "dryRun": request.dry_run,
        }
        if request.subresource:
            found["subresource"] = request.subresource
    if answer.findings:
        found |= _outcome(answer.findings)
    if answer.note:
        found["note"] = answer.note
    if answer.problem is not None:
        found["problem"] = answer.problem[2]
    return found | {
        "policy": policy,
        "input": hashlib.sha256(body).hexdigest(),
        "microseconds": round(seconds * 1e6),
    }


_OVERRIDE_USED = "REF206"


def _outcome(findings: Sequence[Finding]) -> dict[str, Any]:
    """The rules by what they did, and an override that was used."""
    found: dict[str, Any] = {}
    for key, mode in (("denied", Mode.ENFORCE), ("warned", Mode.WARN), ("noted", Mode.AUDIT)):
        if rules := sorted({finding.rule for finding in findings if finding.mode is mode}):
            found[key] = rules
    if used := [finding.message for finding in findings if finding.rule == _OVERRIDE_USED]:
        found["override"] = "; ".join(used)
    return found
