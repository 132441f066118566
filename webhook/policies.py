"""The policy in force: read from the mounted file, and read again when its content changes.

A file that cannot be used never replaces a policy that can: the last good one stays in force, and that is told.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from policy import driver_policy
from policy.config import Policy, Profile, read_policy
from policy.documents import MAX_BYTES, parse
from policy.findings import format_path
from schemas.compiled import spec_schema


class Broken(Exception):
    """A file that holds no usable DriverPolicy; the text says where and why."""


def load(path: Path | None, profile: Profile | None) -> Policy:
    """The policy of a file, on another profile if one is given; without a file the built-in one. Raises Broken."""
    policy = Policy() if path is None else _read(path)
    return policy if profile is None else replace(policy, profile=profile)


def _read(path: Path) -> Policy:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Broken(f"{path}: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise Broken(f"{path}: has more than {MAX_BYTES} bytes")
    try:
        documents, findings = parse(data.decode(), str(path))
    except UnicodeDecodeError as error:
        raise Broken(f"{path}: is no UTF-8: {error}") from None
    if findings:
        found = findings[0]
        raise Broken(f"{path}:{found.line}:{found.column}: {found.message}; {found.fix}")
    if len(documents) != 1:
        raise Broken(f"{path}: holds {len(documents)} documents; it must hold one DriverPolicy")
    document = documents[0]
    value = document.value
    if not isinstance(value, dict) or not isinstance(value.get("spec"), dict):
        raise Broken(f"{path}: is no DriverPolicy")
    spec: dict[str, object] = {"clusters": {"matchLabels": {}}} | value["spec"]  # type: ignore[operator]
    schema = spec_schema("DriverPolicy")
    for violation in schema.violations(value | {"spec": spec}, document.raw):
        line, column = document.position(violation.path)
        where = f"{path}:{line}:{column}: {format_path(violation.path)}"
        raise Broken(f"{where}: {violation.message}; {violation.fix}")
    for problem in driver_policy.problems(spec):
        line, column = document.position(problem.path)
        raise Broken(f"{path}:{line}:{column}: {format_path(problem.path)}: {problem.message}; {problem.fix}")
    return read_policy(spec)


class PolicyFile:
    """A policy and the file that it came from, if it came from one."""

    def __init__(self, path: Path | None, profile: Profile | None) -> None:
        """Raises Broken: a server does not start without a policy."""
        self.path = path
        self.problem = ""
        """Why the newest content is not in force; empty if it is."""
        self._profile = profile
        self.policy = load(path, profile)
        self._seen = self._content()

    def refresh(self) -> bool:
        """Takes new content over if there is any; returns whether the policy in force is another one now."""
        content = self._content()
        if content == self._seen:
            return False
        self._seen = content
        try:
            policy = load(self.path, self._profile)
        except Broken as error:
            self.problem = str(error)
            return False
        self.problem = ""
        changed, self.policy = policy != self.policy, policy
        return changed

    def _content(self) -> bytes | None:
        try:
            return self.path.read_bytes() if self.path else None
        except OSError:
            return None
