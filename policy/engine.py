"""Rules and how they are run: every gate hands in a review and gets all findings, in an order that never changes.

A rule is one function that yields problems. It knows no gate, reads no file and catches no bug of its own: a rule that
raises is a finding that denies. What a finding does is not its own affair either, but that of the policy's modes.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from operator import attrgetter
from typing import Any, Literal

from policy.config import NO_PARAMETERS, Gate, Parameters, Policy
from policy.controllers import is_controller
from policy.facts import UNKNOWN, Facts, Unknown
from policy.findings import NOT_CHECKED, FieldPath, Finding, Mode, Problem, Severity, format_path
from policy.kata import KataView
from policy.kmm.versions import Release
from policy.placement import Placement
from policy.pods import PodView
from policy.schema import MAX_VIOLATIONS, Schema, Violation
from policy.unusual import Unusual
from policy.views import Map, ModuleView, lazy

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]
Check = Callable[["Review"], Iterator[Problem]]

MODULE_KINDS = ("Module", "ManagedClusterModule")
PREFLIGHT_KINDS = ("PreflightValidation", "PreflightValidationOCP")

GROUPS = {
    "Module": "kmm.sigs.x-k8s.io",
    "ManagedClusterModule": "hub.kmm.sigs.x-k8s.io",
    "PreflightValidation": "kmm.sigs.x-k8s.io",
    "PreflightValidationOCP": "kmm.sigs.x-k8s.io",
}
"""Kind → its group, for the kinds that rules look at outside the core group."""

VERSIONS = {
    "Module": ("v1beta1",),
    "ManagedClusterModule": ("v1beta1",),
    "PreflightValidation": ("v1beta1", "v1beta2"),
    "PreflightValidationOCP": ("v1beta1", "v1beta2"),
}
"""Kind → the versions that KMM has ever served."""

MISSPELT = "a kind of KMM, in other letters"
"""The kind of a review whose object no API server knows, though its author surely meant KMM's."""

TOO_MANY_MAPPINGS = "MAP301"
"""The rule that, where it refuses, is the only one that is asked: 55,000 expressions take a second to compile."""

_HEAD = Release("head")

NO_CLOCK = datetime.min.replace(tzinfo=UTC)
"""The time of a gate that must not look at the clock; every exception still holds then."""


@dataclass(eq=False)  # not frozen, which takes two microseconds a review; nobody changes one all the same
class Review:
    """One request to judge an object, with the CRD's defaults filled in. Without a `release`, KMM's head is assumed.

    On DELETE `object` is the one that goes. `schema` is that of the object's kind, if there is one; `topology` that of
    the cluster, if it is known. `in_tree` is whether the object comes from git, to be applied, and not from a cluster.
    `user` and `groups` are those who ask, and empty where nobody is known; `may_override` is whether the API server
    lets them override the protection of a namespace, which only admission asks. `before` is what other objects were
    like before the change that the review is part of, this one included even if it stays as it is; admission, which
    sees one object change at a time, has none.
    """

    object: Map = field(repr=False)
    old: Map | None = field(default=None, repr=False)
    operation: Operation = "CREATE"
    release: Release = _HEAD
    schema: Schema | None = field(default=None, repr=False)
    topology: str = ""
    parameters: Parameters = NO_PARAMETERS
    facts: Facts | None = field(default=None, repr=False)
    in_tree: bool = False
    subresource: str = ""
    user: str = ""
    groups: tuple[str, ...] = ()
    may_override: bool | Unknown = UNKNOWN
    dry_run: bool = False
    now: datetime = NO_CLOCK
    before: Facts | None = field(default=None, repr=False)
    is_there = True  # what rules need that need nothing else

    @lazy
    def kind(self) -> str:
        """The kind, if its group is that of the rules; another group's kind of the same name has none."""
        group, _, _ = str(self.object.get("apiVersion", "")).rpartition("/")
        kind = str(self.object.get("kind", ""))
        if GROUPS.get(kind, "") == group:
            return kind
        is_meant = any(group == known and kind.lower() == name.lower() for name, known in GROUPS.items())
        return MISSPELT if is_meant else f"{group}/{kind}"

    @lazy
    def module(self) -> ModuleView:
        return ModuleView(self.object)

    @lazy
    def unusual(self) -> Unusual:
        return Unusual(self.module)

    @lazy
    def old_module(self) -> ModuleView | None:
        """The object as it was, if its spec changes: that of most updates does not."""
        if self.old is None:
            return None
        with suppress(RecursionError):  # nested too deep to be compared
            if self.old.get("spec") == self.object.get("spec"):
                return None
        return ModuleView(self.old)

    @lazy
    def pod(self) -> PodView:
        return PodView(self.object, self.kind)

    @lazy
    def kata(self) -> KataView:
        return KataView(self.pod, self.parameters, self.user, self.facts)

    @lazy
    def has_too_many_mappings(self) -> bool:
        """Whether there are more mappings than the policy wants to be looked at; none of them is looked at for that."""
        mappings, most = self.module.container.value.get("kernelMappings"), self.parameters.max_mappings
        return bool(most) and isinstance(mappings, list) and len(mappings) > most

    @lazy
    def placement(self) -> Placement:
        return Placement(self.module, None if self.facts is None else self.facts.nodes())

    @lazy
    def violations(self) -> list[Violation]:
        """What the schema says of the object, at most MAX_VIOLATIONS."""
        try:
            if self.schema is None or self.schema.is_valid(self.object):
                return []
            return list(islice(self.schema.violations(self.object), MAX_VIOLATIONS))
        except (ValueError, TypeError, OverflowError) as error:
            # nested too deep, or with what JSON cannot hold: a lone surrogate, a number beyond all bounds
            return [Violation("SCH104", (), f"cannot be stored: {error}", "write an object that JSON can hold")]

    @property
    def is_upkeep(self) -> bool:
        """Whether an update changes an object that is on its way out, or nothing that a controller had to ask for.

        KMM and the garbage collector add and remove finalizers, also of a Module that newer rules refuse. Finalizing a
        namespace is none: it ends what is left in there. Rules that guard know their controllers themselves.
        """
        if self.operation != "UPDATE" or self.subresource:
            return False
        metadata = self.object.get("metadata")
        if isinstance(metadata, dict) and "deletionTimestamp" in metadata:
            return True
        return is_controller(self.user, self.parameters.controllers) and self.old_module is None


@dataclass(frozen=True, slots=True)
class Rule:
    """One check with an id that stays; its docstring is its page.

    `since` is the version of KMM, upstream and Red Hat's, that brought the behaviour, `until` the one that ended it.
    `needs` names a part of the review without which the rule finds nothing, so that it is not even asked: what it looks
    at, or what is unusual there (policy.unusual). `facts` is whether it needs facts of the cluster, `parameter` the one
    of the policy without which it holds nothing: it is then not asked. A rule that `guards` keeps something from being
    taken away: it refuses at admission, too, where other rules that need facts only warn, because objects arrive in any
    order. One that `records` tells what somebody was allowed to do: no policy keeps that out of the audit log.
    """

    id: str
    severity: Severity
    kinds: tuple[str, ...]
    operations: tuple[Operation, ...]
    check: Check = field(repr=False)
    since: tuple[str, str] = ("", "")
    until: tuple[str, str] = ("", "")
    needs: str = ""
    facts: bool = False
    guards: bool = False
    parameter: str = ""
    records: bool = False

    @property
    def title(self) -> str:
        return self.documentation.partition("\n")[0]

    @property
    def documentation(self) -> str:
        return inspect.getdoc(self.check) or ""

    def applies_to(self, release: Release) -> bool:
        since, until = (pair[1] if release.redhat else pair[0] for pair in (self.since, self.until))
        if not release.is_known:
            return True
        return (not since or release.has(since)) and not (until and release.has(until))


RULES: dict[str, Rule] = {}


def rule(
    id: str,
    *,
    severity: Severity = Severity.ERROR,
    kinds: tuple[str, ...] = MODULE_KINDS,
    operations: tuple[Operation, ...] = ("CREATE", "UPDATE"),
    since: str = "",
    redhat: str = "",
    until: tuple[str, str] = ("", ""),
    needs: str = "",
    facts: bool = False,
    guards: bool = False,
    parameter: str = "",
    records: bool = False,
) -> Callable[[Check], Check]:
    """Registers a check under an id; without a version of its own, Red Hat's build is as upstream."""

    def register(check: Check) -> Check:
        if id in RULES:
            raise ValueError(f"two rules are called {id}")
        versions = (since, redhat or since)
        RULES[id] = Rule(
            id, severity, kinds, operations, check, versions, until, needs, facts, guards, parameter, records
        )
        return check

    return register


def load_rules() -> None:
    """Fills RULES; the modules of the rules need the decorator above."""
    importlib.import_module("policy.rules")


_Chosen = tuple[Check, Rule, Mode]
"""A rule that is asked, and what its findings do."""

_Group = tuple[Callable[[Review], object], list[_Chosen]]
"""What gets something of a review, and the rules that need it."""


def _grouped(chosen: Iterable[_Chosen]) -> list[_Group]:
    groups: dict[str, list[_Chosen]] = {}
    for item in chosen:
        groups.setdefault(item[1].needs, []).append(item)
    return [(attrgetter(needs or "is_there"), group) for needs, group in groups.items()]


class Engine:
    """All rules that a policy has not disabled at a gate, by kind, operation and release.

    `only` names the rules that are asked, where not all are.
    """

    def __init__(self, policy: Policy, gate: Gate = "check", only: Collection[str] | None = None) -> None:
        load_rules()
        self.only = only
        self.policy = policy
        self.gate = gate
        self._chosen: dict[tuple[str, Operation, Release, bool, bool], list[_Group]] = {}

    def evaluate(self, review: Review) -> list[Finding]:
        """Everything that is wrong with the object, sorted by rule and field. Never raises."""
        found = self.judge(review)
        if review.facts is not None:
            found += self.judge_by_facts(review)
        return [finding for finding, _ in found]

    def tells(self, rule: str, object: Map, now: datetime) -> bool:
        """Whether a finding of a rule would be shown for an object: it is not disabled, and no exception bears it."""
        item = RULES[rule]
        mode = self.policy.mode(rule, item.severity, self.gate)
        return mode in (Mode.ENFORCE, Mode.WARN) and not self._is_borne(rule, object, now)

    def judge(self, review: Review) -> list[tuple[Finding, FieldPath]]:
        """The findings of the rules that need no facts, with the paths of their fields. Never raises."""
        return self._judge(review, by_facts=False)

    def judge_by_facts(self, review: Review) -> list[tuple[Finding, FieldPath]]:
        """The findings of the rules that need facts, which the review must have. Never raises."""
        return self._judge(review, by_facts=True)

    def _judge(self, review: Review, *, by_facts: bool) -> list[tuple[Finding, FieldPath]]:
        if self.policy.parameters is not review.parameters:
            review = replace(review, parameters=self.policy.parameters)
        key = (review.kind, review.operation, review.release, by_facts, self._stops_at_mappings(review))
        chosen = self._chosen.get(key)
        if chosen is None:
            chosen = self._chosen[key] = _grouped(self._choose(*key))
        found: list[tuple[Finding, FieldPath]] = []
        for needs, group in chosen:
            try:
                if needs(review):  # asked once for all rules that need the same
                    self._ask(review, group, found)
            except Exception as error:  # a bug must deny, not pass (invariant I7)
                found += (self._failed(item, error, review) for _, item, _ in group)
        found.sort(key=lambda item: item[0].rule)
        return found

    def _stops_at_mappings(self, review: Review) -> bool:
        """Whether the Module is refused for the number of its mappings, and nothing else is worth the time.

        Where that refuses nothing, all rules are asked: a long list is no way around them.
        """
        if review.kind not in MODULE_KINDS or not review.has_too_many_mappings:
            return False
        item = RULES[TOO_MANY_MAPPINGS]
        mode = self.policy.mode(item.id, item.severity, self.gate)
        is_asked = review.operation in item.operations and (self.only is None or item.id in self.only)
        return is_asked and mode is Mode.ENFORCE and not self._is_borne(item.id, review.object, review.now)

    def _ask(self, review: Review, group: list[_Chosen], found: list[tuple[Finding, FieldPath]]) -> None:
        for check, item, mode in group:
            told = 0
            try:
                for problem in check(review):
                    found.append((self._finding(item, mode, problem, review), problem.path))
                    told += not problem.message.startswith(NOT_CHECKED)  # which refuses nothing: go on to what may
                    if told == _MOST_ADMITTED and self.gate == "admit":
                        break
            except Exception as error:
                found.append(self._failed(item, error, review))

    def _failed(self, item: Rule, error: Exception, review: Review) -> tuple[Finding, FieldPath]:
        problem = Problem((), f"the rule failed: {error!r}", "report this bug of kmodgate")
        return self._finding(item, Mode.ENFORCE, problem, review), ()

    def _choose(
        self, kind: str, operation: Operation, release: Release, by_facts: bool, stops_at_mappings: bool
    ) -> Iterator[_Chosen]:
        only = (TOO_MANY_MAPPINGS,) if stops_at_mappings else self.only
        for id, item in sorted(RULES.items()):
            if only is not None and id not in only:
                continue
            mode = self.policy.mode(item.id, item.severity, self.gate)
            meant = kind in item.kinds and operation in item.operations and item.applies_to(release)
            held = not item.parameter or getattr(self.policy.parameters, item.parameter)
            if by_facts and self.gate == "render" and mode is not Mode.ENFORCE:
                continue  # a render refuses or is silent; what facts only warn of is for the check
            if by_facts and self.gate == "admit" and mode is Mode.ENFORCE and not item.guards:
                mode = self.policy.mode_on_arrival(item.id)
            if mode is Mode.DISABLED and item.records and self.gate == "admit":
                mode = Mode.AUDIT
            if meant and held and item.facts is by_facts and mode is not Mode.DISABLED:
                yield item.check, item, mode

    def _finding(self, item: Rule, mode: Mode, problem: Problem, review: Review) -> Finding:
        severity = item.severity
        if problem.message.startswith(NOT_CHECKED):
            severity, mode = Severity.INFO, Mode.AUDIT
        elif self.policy.exemptions and self._is_borne(item.id, review.object, review.now):
            mode = Mode.AUDIT
        elif mode is Mode.ENFORCE and not item.guards and review.is_upkeep and not self.policy.judges_the_deleted:
            mode = Mode.WARN  # KMM's refusal would keep its own finalizer from being removed
        return Finding(
            item.id,
            _cut(problem.message),
            _cut(problem.fix),
            object=title(review.object),
            field=format_path(problem.path) or "metadata",
            severity=severity,
            mode=mode,
        )

    def _is_borne(self, rule: str, object: Map, now: datetime) -> bool:
        metadata = object.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        identity = (str(object.get("kind", "")), str(metadata.get("namespace", "")), str(metadata.get("name", "")))
        return any(item.holds_for(rule, *identity, now.date()) for item in self.policy.exemptions)


_LONGEST = 2000

_MOST_ADMITTED = 1000
"""Findings of one rule about one object, after which admission stops to ask it: all of them have one mode."""


def _cut(text: str) -> str:
    """Words for a person: an object may hold texts of many megabytes, and a finding quotes them."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def title(object: Mapping[str, Any]) -> str:
    """Kind, namespace and name of an object, as far as it has them."""
    metadata = object.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = metadata.get("name") or metadata.get("generateName") or ""
    where = f"{metadata['namespace']}/{name}" if metadata.get("namespace") else str(name)
    return f"{object.get('kind', '')} {where}".strip()
