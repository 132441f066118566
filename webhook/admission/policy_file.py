"""The policy in force: read from the mounted file, and read again when its content changes.

A file that cannot be used never replaces a policy that can: the last good one stays in force, and that is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from kmodgate.policy import config_checks
from kmodgate.policy.config import Policy, Profile, read_policy
from kmodgate.policy.findings import Problem, format_path
from kmodgate.policy.formats.yaml_documents import MAX_BYTES, Document, parse
from kmodgate.policy.json_schema.violations import Violation
from kmodgate.schemas.compiled import spec_schema


class Broken(Exception):
    """A file that holds no usable DriverPolicy; the text says where and why."""


def load(path: Path | None, profile: Profile | None) -> Policy:
    """The policy of a file, on another profile if one is given; without a file the built-in one. Raises Broken."""
    policy = Policy() if path is None else _read(path)
    return policy if profile is None else replace(policy, profile=profile)


def _read(path: Path) -> Policy:
    document = _document(path)
    value = config_checks.for_any_cluster(document.value)
    if not isinstance(value, dict) or not isinstance(value.get("spec"), dict):
        raise Broken(f"{path}: is no DriverPolicy")
    for item in _problems(value, document):
        line, column = document.position(item.path)
        raise Broken(f"{path}:{line}:{column}: {format_path(item.path)}: {item.message}; {item.fix}")
    return read_policy(value["spec"])


def _problems(value: dict[str, Any], document: Document) -> Iterator[Violation | Problem]:
    yield from spec_schema("DriverPolicy").violations(value, document.raw)
    yield from config_checks.problems(value["spec"])


def _document(path: Path) -> Document:
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise Broken(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Broken(f"{path}: is no UTF-8: {error}") from None
    if len(text) > MAX_BYTES:
        raise Broken(f"{path}: is larger than {MAX_BYTES} bytes")
    documents, findings = parse(text, str(path))
    for found in findings:
        raise Broken(f"{path}:{found.line}:{found.column}: {found.message}; {found.fix}")
    if len(documents) != 1:
        raise Broken(f"{path}: holds {len(documents)} documents; it must hold one DriverPolicy")
    return documents[0]


class PolicyFile:
    """A policy and the file that it came from, if it came from one."""

    def __init__(self, path: Path | None, profile: Profile | None) -> None:
        """Raises Broken: a server does not start without a policy."""
        self.path = path
        self.problem = ""
        """Why the newest content is not in force; empty if it is."""
        self._profile = profile
        self._seen = self._content()  # before it is loaded: what changes between the two is then seen as new
        self.policy = load(path, profile)

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
