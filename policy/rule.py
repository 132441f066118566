"""Rules: one function each, registered under an id that stays, with what it is asked about."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from functools import cache

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.kmm.kinds import MODULE_KINDS
from kmodgate.policy.kmm.versions import First, Presence, Release
from kmodgate.policy.review import Operation, Review

Check = Callable[[Review], Iterator[Problem]]

Needs = Callable[[Review], object]
"""The part of a review without which a rule finds nothing."""

TOO_MANY_MAPPINGS = "MAP301"
TOO_MANY_EXPRESSIONS = "MAP302"
STOPPING: dict[str, Callable[[Review], bool]] = {
    TOO_MANY_MAPPINGS: lambda review: review.has_too_many_mappings,
    TOO_MANY_EXPRESSIONS: lambda review: review.module.has_too_many_expressions,
}
"""Rules that, where they refuse, are the only one that is asked: 55,000 expressions take a second to compile."""


def is_too_large(review: Review) -> bool:
    """Return whether a Module may be refused for its size alone, if the policy and the day are so."""
    return review.kind in MODULE_KINDS and any(is_stopping(review) for is_stopping in STOPPING.values())


OVER_FLEETS = ("IMG401", "OPC201", "OPC202", "SEL401")
"""Ids of what is looked for over a whole fleet instead of in an object. A policy gives them modes like rules."""

RETIRED = {
    "REF207": "an owner that is added to what a Module needs: the garbage collector is asked about itself (REF204)",
}
"""Ids of rules that are gone, which no other rule ever gets and a policy may still name, and what became of them."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One check with an id that stays; its docstring is its page.

    `since` is the version of KMM, upstream and Red Hat's, that brought the behaviour, `until` the one that ended it.
    On a line of which only a later patch has it, and a cluster whose patch level nobody says, the rule warns.
    `facts`: the rule needs facts of a cluster. `parameter`: the policy's parameter without which the rule is not asked.
    `needs` is an optimisation, to be added last: where it returns something false, the rule finds nothing in the
    review and is not asked. Rules that share a function share its answer. A rule that `guards` keeps something from
    being taken away: it refuses at admission too, where other rules that need facts only warn, because objects arrive
    in any order. A rule that `records` reports what somebody was allowed to do: the audit log always has it. Where
    `spares` returns something true, the finding warns at admission instead of refusing, by any policy.
    """

    id: str
    severity: Severity
    kinds: tuple[str, ...]
    operations: tuple[Operation, ...]
    check: Check = field(repr=False)
    since: tuple[First, First] = ("", "")
    until: tuple[str, str] = ("", "")
    needs: Needs | None = field(default=None, repr=False)
    facts: bool = False
    guards: bool = False
    parameter: str = ""
    records: bool = False
    spares: Needs | None = field(default=None, repr=False)

    @property
    def title(self) -> str:
        return self.documentation.partition("\n")[0]

    @property
    def documentation(self) -> str:
        return inspect.getdoc(self.check) or ""

    @property
    def file(self) -> str:
        """The file that holds the rule, by its path in the repository."""
        return self.check.__module__.removeprefix("kmodgate.").replace(".", "/") + ".py"

    def applies_to(self, release: Release) -> Presence:
        """Return whether a release has the behaviour that the rule looks for."""
        since, until = self.first(release), self.until[release.redhat]
        if until and release.is_known and release.has(until):
            return Presence.NO
        return release.presence(since) if since else Presence.YES

    def first(self, release: Release) -> First:
        """Return the releases of this flavour that brought the behaviour; empty where all have it."""
        return self.since[release.redhat]


RULES: dict[str, Rule] = {}


def rule(
    id: str,
    *,
    severity: Severity = Severity.ERROR,
    kinds: tuple[str, ...] = MODULE_KINDS,
    operations: tuple[Operation, ...] = ("CREATE", "UPDATE"),
    since: str = "",
    redhat: str | Mapping[str, str] = "",
    until: tuple[str, str] = ("", ""),
    needs: Needs | None = None,
    facts: bool = False,
    guards: bool = False,
    parameter: str = "",
    records: bool = False,
    spares: Needs | None = None,
) -> Callable[[Check], Check]:
    """Registers a check under an id; without a version of its own, Red Hat's build is as upstream.

    `redhat` may name the first release of each line that a patch brought it to: `{"2.5": "2.5.2", "2.6": "2.6.1"}`.
    """

    def register(check: Check) -> Check:
        if id in RULES:
            raise ValueError(f"two rules are called {id}")
        if id in RETIRED:
            raise ValueError(f"{id} was the id of another rule: {RETIRED[id]}")
        versions = (since, tuple(redhat.items()) if isinstance(redhat, Mapping) else redhat or since)
        RULES[id] = Rule(
            id, severity, kinds, operations, check, versions, until, needs, facts, guards, parameter, records, spares
        )
        return check

    return register


def load_rules() -> None:
    """Fills RULES; the modules of the rules need the decorator above."""
    importlib.import_module("kmodgate.policy.rules")


@cache
def kinds_with_rules() -> frozenset[str]:
    """Return the kinds that rules look at, as `Review.kind` names them."""
    load_rules()
    return frozenset(kind for item in RULES.values() for kind in item.kinds)
