"""Rules and how they are run: every gate hands in a review and gets all findings, in an order that never changes.

A rule is one function that yields problems. It knows no gate, reads no file and catches no bug of its own: a rule that
raises is a finding that denies. What a finding does is not its own affair either, but that of the policy's modes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain

from kmodgate.policy.caused_findings import independent
from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.config import Gate, Policy, PolicyException
from kmodgate.policy.findings import (
    NOT_CHECKED,
    FieldPath,
    Finding,
    Mode,
    Problem,
    Severity,
    causes_of,
    format_path,
    plain_text,
    shortened,
    title,
)
from kmodgate.policy.judged_before import Found, Judged, JudgedBefore, Key, Noted
from kmodgate.policy.kmm.kinds import MODULE_KINDS
from kmodgate.policy.kmm.versions import Presence, Release
from kmodgate.policy.review import Operation, Review
from kmodgate.policy.rule import RULES, STOPPING, Check, Needs, Rule, is_too_large, kinds_with_rules, load_rules
from kmodgate.policy.views.part import Map

_Chosen = tuple[Check, Rule, Mode, Severity, str]
"""A rule that is asked, what its findings do, how severe they are, and what is added to their messages."""

_ByFacts = tuple[bool, ...]
"""Whether rules are asked that need facts, that need none, or both."""

_Key = tuple[str, Operation, Release, _ByFacts, str]
"""What rules are chosen by: kind, operation, release, facts, and the one rule that is the only one, if one is."""

_Group = tuple[Needs | None, list[_Chosen]]
"""The rules that need the same part of a review."""


def _grouped(chosen: Iterable[_Chosen]) -> list[_Group]:
    groups: dict[Needs | None, list[_Chosen]] = {}
    for item in chosen:
        groups.setdefault(item[1].needs, []).append(item)
    return list(groups.items())


class Engine:
    """All rules that a policy has not disabled at a gate, by kind, operation and release.

    `only` names the rules that are asked, where not all are. `before` keeps what was found about objects, for a gate
    that sees the same ones again; its owner hands it to the engine of the next policy, too.
    """

    def __init__(
        self,
        policy: Policy,
        gate: Gate = "check",
        only: Collection[str] | None = None,
        before: JudgedBefore | None = None,
    ) -> None:
        load_rules()
        self._before = before
        self._digest = "" if before is None else policy.digest
        self.only = only
        self.policy = policy
        self.gate = gate
        self._kinds = kinds_with_rules()
        self.used_exceptions: set[PolicyException] = set()
        """The exceptions of the policy that held for a finding."""
        self._chosen: dict[_Key, list[_Group]] = {}

    def evaluate(self, review: Review) -> list[Finding]:
        """Everything that is wrong with the object, by its causes, sorted by rule and field. Never raises."""
        found = self._judge(review, (False, True) if review.facts is not None else (False,))
        return causes_of([finding for finding, _ in independent(found)])

    def tells(self, rule: str, object: Map, now: datetime) -> bool:
        """Whether a finding of a rule would be shown for an object: not disabled, and without an exception."""
        item = RULES[rule]
        mode = self.policy.mode(rule, item.severity, self.gate)
        return mode in (Mode.ENFORCE, Mode.WARN) and not self._is_excepted(rule, object, now)

    def mode_over_fleet(self, rule: str, object: Map, now: datetime) -> Mode:
        """Return what an error does that was found over a whole fleet, and is told of an object."""
        mode = self.policy.mode(rule, Severity.ERROR, self.gate)
        return mode if mode is Mode.DISABLED or not self._is_excepted(rule, object, now) else Mode.AUDIT

    def judge(self, review: Review) -> list[tuple[Finding, FieldPath]]:
        """The findings of the rules that need no facts, with the paths of their fields. Never raises."""
        return self._judge(review, (False,))

    def judge_by_facts(self, review: Review) -> list[tuple[Finding, FieldPath]]:
        """The findings of the rules that need facts, which the review must have. Never raises."""
        return self._judge(review, (True,))

    def _judge(self, review: Review, by_facts: _ByFacts) -> list[tuple[Finding, FieldPath]]:
        if self.policy.parameters is not review.parameters:
            review = replace(review, parameters=self.policy.parameters)
        known = self._once(review) if False in by_facts else None
        if known is None:
            found = self._of_rules(review, by_facts)
        else:
            found = [*known, *(self._of_rules(review, (True,)) if True in by_facts else ())]
        found.sort(key=lambda item: item[0].rule)
        return found

    def _of_rules(self, review: Review, by_facts: _ByFacts) -> list[tuple[Finding, FieldPath]]:
        return self._findings(self._judged(review, by_facts), review)

    def _findings(self, judged: Sequence[Judged], review: Review, name: str = "") -> list[tuple[Finding, FieldPath]]:
        name = name or (title(review.object) if judged else "")
        return [(self._finding(item, review, name), item.problem.path) for item in judged]

    def _once(self, review: Review) -> Sequence[tuple[Finding, FieldPath]] | None:
        """The findings of the rules without facts, if they are known, or kept now because they will be asked for again.

        Nothing is kept where one of the rules asked for facts all the same.
        """
        before = self._before
        if before is None or (key := before.key_of(review)) is None:
            return None
        place = before.place(review.cluster, self._digest)
        found = review.found if review.key is key else before.find(place, key)  # with a key, the gate has looked
        if found is None:
            return self._first(review, before, place, key) if before.expects(place, key) else None
        review.found = found
        if found.violations is not None:
            review.violations = list(found.violations)
        if found.findings is not None and found.title == title(review.object):
            return found.findings
        return self._findings(found.problems, review)

    def _first(
        self, review: Review, before: JudgedBefore, place: bytes, key: Key
    ) -> Sequence[tuple[Finding, FieldPath]]:
        facts = review.facts
        noted = None if facts is None else Noted(facts)
        review.facts = noted
        judged = self._judged(review, (False,))
        review.facts = facts
        name = title(review.object)
        findings = self._findings(judged, review, name)
        has_asked = noted is not None and noted.were_asked
        if not (has_asked or review.is_timed or any(item.is_bug for item in judged) or is_too_large(review)):
            # what refuses may warn instead, by who asks and what else is known
            is_settled = not self.policy.exceptions and not any(item.mode is Mode.ENFORCE for item in judged)
            violations = vars(review).get("violations")
            found = Found(judged, violations, name, findings if is_settled else None)
            if before.keep(place, key, found):
                review.found = found
        return findings

    def _judged(self, review: Review, by_facts: _ByFacts) -> list[Judged]:
        # a kind that no rule looks at is all the same: what callers write must not fill the table
        kind = review.kind if review.kind in self._kinds else ""
        key = (kind, review.operation, review.cluster.release, by_facts, self._stopping(review))
        chosen = self._chosen.get(key)
        if chosen is None:
            chosen = self._chosen[key] = _grouped(self._choose(*key))
        found: list[Judged] = []
        for needs, group in chosen:
            try:
                if needs is None or needs(review):  # asked once for all rules that need the same
                    self._ask(review, group, found)
            except Exception as error:  # a bug must deny, not pass (invariant I7)
                found += (_failed(item, error) for _, item, *_ in group)
        return found

    def _stopping(self, review: Review) -> str:
        """The rule by which the Module is refused for its size, so that nothing else is worth the time; empty if none.

        Where that refuses nothing, all rules are asked: a long list is no way around them.
        """
        if review.kind in MODULE_KINDS:
            for id, is_stopping in STOPPING.items():
                if is_stopping(review) and self._refuses(RULES[id], review):
                    return id
        return ""

    def _refuses(self, item: Rule, review: Review) -> bool:
        mode = self.policy.mode(item.id, item.severity, self.gate)
        is_asked = review.operation in item.operations and (self.only is None or item.id in self.only)
        return is_asked and mode is Mode.ENFORCE and not self._is_excepted(item.id, review.object, review.now)

    def _ask(self, review: Review, group: list[_Chosen], found: list[Judged]) -> None:
        for chosen in group:
            try:
                problems = chosen[0](review)
                for first in problems:  # few rules find anything
                    self._take(chosen, chain((first,), problems), found)
                    break
            except Exception as error:
                found.append(_failed(chosen[1], error))

    def _take(self, chosen: _Chosen, problems: Iterable[Problem], found: list[Judged]) -> None:
        _, item, usual, severity, addition = chosen
        told = unchecked = 0
        for problem in problems:
            mode = self._mode_of(problem, item, usual)
            if mode is Mode.DISABLED:
                continue
            if problem.message.startswith(NOT_CHECKED):  # which refuses nothing: go on to what may
                unchecked += 1
                if unchecked > MOST_FINDINGS:
                    continue
            elif told == MOST_FINDINGS:
                found.append(Judged(item, mode, Problem(problem.path, *_REST), severity))
                break
            else:
                told += 1
            words = problem._replace(message=problem.message + addition) if addition else problem
            found.append(Judged(item, mode, words, severity))

    def _mode_of(self, problem: Problem, item: Rule, usual: Mode) -> Mode:
        """What the finding of a problem does."""
        mode = usual if problem.severity is None else self._mode(item, problem.severity)
        return mode if problem.most is None else mode.up_to(problem.most)

    def _choose(
        self,
        kind: str,
        operation: Operation,
        release: Release,
        by_facts: _ByFacts,
        stopping: str,
    ) -> Iterator[_Chosen]:
        only = (stopping,) if stopping else self.only
        for id, item in sorted(RULES.items()):
            is_meant = kind in item.kinds and operation in item.operations and item.facts in by_facts
            if not is_meant or (only is not None and id not in only):
                continue
            presence, severity, addition = item.applies_to(release), item.severity, ""
            mode = self._mode(item, severity)
            if presence is Presence.MAYBE:
                addition = f": {release} refuses it from {release.first_of_line(item.first(release))} on"
                if severity is Severity.ERROR:
                    severity = Severity.WARNING
                    mode = Mode.WARN if mode is Mode.ENFORCE else mode
            held = not item.parameter or getattr(self.policy.parameters, item.parameter)
            if presence and held and mode is not Mode.DISABLED:
                yield item.check, item, mode, severity, addition

    def _mode(self, item: Rule, severity: Severity) -> Mode:
        """What findings of a rule do at this gate, where they are of some severity."""
        mode = self.policy.mode(item.id, severity, self.gate)
        if item.facts and self.gate == "render" and mode is not Mode.ENFORCE:
            return Mode.DISABLED  # a render refuses or is silent; what facts only warn of is for the check
        if item.facts and self.gate == "admit" and mode is Mode.ENFORCE and not item.guards:
            return self.policy.mode_on_arrival(item.id)
        if mode is Mode.DISABLED and item.records and self.gate == "admit":
            return Mode.AUDIT
        return mode

    def _finding(self, judged: Judged, review: Review, name: str) -> Finding:
        item, mode, problem, severity, _ = judged
        severity = problem.severity or severity
        if problem.message.startswith(NOT_CHECKED):
            severity, mode = Severity.INFO, Mode.AUDIT
        elif self.policy.exceptions and self._is_excepted(item.id, review.object, review.now):
            mode = Mode.AUDIT
        elif mode is Mode.ENFORCE and self.gate == "admit" and item.spares is not None and item.spares(review):
            mode = Mode.WARN
        elif mode is Mode.ENFORCE and not item.guards and review.is_upkeep and not self.policy.judges_the_deleted:
            mode = Mode.WARN  # KMM's refusal would keep its own finalizer from being removed
        message, fix = shortened(problem.message), shortened(problem.fix)
        cause = problem.cause(name) if problem.told_by else ""
        field = format_path(problem.path) or "metadata"
        return Finding(item.id, message, fix, name, field, severity, "", problem.line, 0, mode, told_by=cause)

    def _is_excepted(self, rule: str, object: Map, now: datetime) -> bool:
        metadata = metadata_of(object)
        kind, namespace, name = object.get("kind", ""), metadata.get("namespace", ""), metadata.get("name", "")
        identity = (plain_text(kind), plain_text(namespace), plain_text(name))
        holding = [item for item in self.policy.exceptions if item.holds_for(rule, *identity, now.date())]
        self.used_exceptions.update(holding)
        return bool(holding)


def _failed(item: Rule, error: Exception) -> Judged:
    problem = Problem((), f"the rule failed: {error!r}", "report this bug of kmodgate")
    return Judged(item, Mode.ENFORCE, problem, item.severity, is_bug=True)


MOST_FINDINGS = 1000
"""Of one rule about one object. Whoever has more is told so in one that stands where the rest begins, at every gate."""

_REST = (
    f"more than {MOST_FINDINGS} findings of this rule about the object; those from here on are left out",
    "mend the others first",
)
