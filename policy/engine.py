"""Rules and how they are run: every gate hands in a review and gets all findings, in an order that never changes.

A rule is one function that yields problems. It knows no gate, reads no file and catches no bug of its own: a rule that
raises is a finding that denies. What a finding does is not its own affair either, but that of the policy's modes.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from policy.config import Policy
from policy.findings import Finding, Mode, Problem, Severity, format_path
from policy.kmm.versions import Release
from policy.schema import Schema, Violation
from policy.views import Map, ModuleView

Operation = Literal["CREATE", "UPDATE", "DELETE"]
Check = Callable[["Review"], Iterator[Problem]]

MODULE_KINDS = ("Module", "ManagedClusterModule")
PREFLIGHT_KINDS = ("PreflightValidation", "PreflightValidationOCP")

_HEAD = Release("head")


@dataclass(frozen=True, eq=False)
class Review:
    """One request to judge an object, with the CRD's defaults filled in. Without a `release`, KMM's head is assumed.

    `schema` is that of the object's kind, if there is one.
    """

    object: Map = field(repr=False)
    old: Map | None = field(default=None, repr=False)
    operation: Operation = "CREATE"
    release: Release = _HEAD
    schema: Schema | None = field(default=None, repr=False)

    @property
    def kind(self) -> str:
        return str(self.object.get("kind", ""))

    @cached_property
    def module(self) -> ModuleView:
        return ModuleView(self.object)

    @cached_property
    def old_module(self) -> ModuleView | None:
        return None if self.old is None else ModuleView(self.old)

    @cached_property
    def violations(self) -> list[Violation]:
        """What the schema says, at most a hundred: whoever sees so many has one mistake, not a hundred."""
        if self.schema is None or self.schema.is_valid(self.object):
            return []
        return [violation for violation, _ in zip(self.schema.violations(self.object), range(100), strict=False)]

    @property
    def is_being_deleted(self) -> bool:
        metadata = self.object.get("metadata")
        return self.operation == "UPDATE" and isinstance(metadata, dict) and "deletionTimestamp" in metadata


@dataclass(frozen=True, slots=True)
class Rule:
    """One check with an id that stays; its docstring is its page.

    `since` and `until` are the versions of KMM, upstream and Red Hat's, between which KMM has the behaviour.
    """

    id: str
    severity: Severity
    kinds: tuple[str, ...]
    operations: tuple[Operation, ...]
    check: Check = field(repr=False)
    since: tuple[str, str] = ("", "")

    @property
    def title(self) -> str:
        return self.documentation.partition("\n")[0]

    @property
    def documentation(self) -> str:
        return inspect.getdoc(self.check) or ""

    def applies_to(self, release: Release) -> bool:
        since = self.since[1] if release.redhat else self.since[0]
        return not since or not release.is_known or release.has(since)


RULES: dict[str, Rule] = {}


def rule(
    id: str,
    *,
    severity: Severity = Severity.ERROR,
    kinds: tuple[str, ...] = MODULE_KINDS,
    operations: tuple[Operation, ...] = ("CREATE", "UPDATE"),
    since: str = "",
    redhat: str = "",
) -> Callable[[Check], Check]:
    """Registers a check under an id."""

    def register(check: Check) -> Check:
        if id in RULES:
            raise ValueError(f"two rules are called {id}")
        RULES[id] = Rule(id, severity, kinds, operations, check, (since, redhat or since))
        return check

    return register


class Engine:
    """All rules that a policy has not disabled, by kind, operation and release."""

    def __init__(self, policy: Policy) -> None:
        importlib.import_module("policy.rules")  # fills RULES; its modules need the decorator above
        self.policy = policy
        self._chosen: dict[tuple[str, Operation, Release], list[tuple[Rule, Mode]]] = {}

    def evaluate(self, review: Review) -> list[Finding]:
        """Everything that is wrong with the object, sorted by rule and field. Never raises."""
        key = (review.kind, review.operation, review.release)
        chosen = self._chosen.get(key)
        if chosen is None:
            chosen = self._chosen[key] = list(self._choose(*key))
        found: list[Finding] = []
        for item, mode in chosen:
            try:
                for problem in item.check(review):
                    found.append(self._finding(item, mode, problem, review))
            except Exception as error:
                problem = Problem((), f"the rule failed: {error!r}", "report this bug of kmodgate")
                found.append(self._finding(item, Mode.ENFORCE, problem, review))
        return found

    def _choose(self, kind: str, operation: Operation, release: Release) -> Iterator[tuple[Rule, Mode]]:
        for _, item in sorted(RULES.items()):
            mode = self.policy.mode(item.id, item.severity)
            meant = kind in item.kinds and operation in item.operations and item.applies_to(release)
            if meant and mode is not Mode.DISABLED:
                yield item, mode

    def _finding(self, item: Rule, mode: Mode, problem: Problem, review: Review) -> Finding:
        if mode is Mode.ENFORCE and review.is_being_deleted and not self.policy.judges_the_deleted:
            mode = Mode.WARN  # KMM's refusal would keep its own finalizer from being removed
        return Finding(
            item.id,
            problem.message,
            problem.fix,
            object=title(review.object),
            field=format_path(problem.path) or "metadata",
            severity=item.severity,
            mode=mode,
        )


def title(object: Mapping[str, Any]) -> str:
    """Kind, namespace and name of an object, as far as it has them."""
    metadata = object.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = metadata.get("name") or metadata.get("generateName") or ""
    where = f"{metadata['namespace']}/{name}" if metadata.get("namespace") else str(name)
    return f"{object.get('kind', '')} {where}".strip()
