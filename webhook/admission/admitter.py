"""Review, policy and facts → answer. The same in the server's process and in the one that takes large bodies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar, cast

from kmodgate.policy.cluster import override_annotation
from kmodgate.policy.cluster.controllers import OLM_GROUP
from kmodgate.policy.cluster.dependents import GUARDED
from kmodgate.policy.cluster.facts import UNKNOWN, Facts, NodeEntry, Object, Unknown, metadata_of
from kmodgate.policy.config import Policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Finding, Mode
from kmodgate.policy.judged_before import Found
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.kmm.kinds import INNER_KINDS, MODULE_KINDS
from kmodgate.policy.mutations.kata_injection import inject
from kmodgate.policy.node_access.existing_workloads import is_debugging, is_made_by_controller
from kmodgate.policy.review import ClusterTraits, Review
from kmodgate.policy.rules.protection.guarding import is_by_controller
from kmodgate.policy.views.pod import POD_KINDS
from kmodgate.policy.webhook_entries.entry_table import is_reached, wanted
from kmodgate.policy.webhook_entries.row import Path
from kmodgate.webhook.admission import live
from kmodgate.webhook.admission.admission_review import Request
from kmodgate.webhook.admission.answer import Answer, unavailable
from kmodgate.webhook.admission.answered_before import AnsweredBefore
from kmodgate.webhook.admission.reported import job_pod
from kmodgate.webhook.cluster.questions import Cluster, NotAnswered

_OF_NODES = "PRV"

T = TypeVar("T")


class Admitter:
    """One policy in force on one cluster. A new policy is a new Admitter, so that no request sees half of two."""

    def __init__(self, policy: Policy, traits: ClusterTraits, before: AnsweredBefore | None = None) -> None:
        """`before` keeps what was found and answered about objects, for as long as its owner wants to."""
        self.policy = policy
        self.digest = policy.digest
        self._before = before
        self._engine = Engine(policy, "admit", before=None if before is None else before.judged)
        self._mutates = any(wanted(policy, "/mutate"))
        self._excepts_names = any(item.name for item in policy.exceptions)
        self.traits = traits

    async def validate(self, request: Request, cluster: Cluster, now: datetime) -> Answer:
        """Every finding about the object of a request."""
        if not _is_judged("/validate", request):
            return Answer(request.uid, request=request)
        found: Found | None = None
        before = self._before
        if before is not None and (key := before.key(request)) is not None:
            found = before.find(key, self.traits, self.digest)
            if found is not None and (again := await before.answer(found, request, cluster, now)) is not None:
                return again
        else:
            key = None
        recorded = _Recorded(cluster.facts)
        review = self._review(request, recorded.facts, now)
        review.key, review.found = key, found
        return await self._judged(request, review, recorded, cluster)

    async def _judged(self, request: Request, review: Review, recorded: _Recorded, cluster: Cluster) -> Answer:
        before = self._before
        revision = None if before is None else before.revision()
        if matters := self._may_override_matters(review):
            review.may_override = await _may_override(request, _namespace(request), cluster)
        try:
            read = await live.read(review, cluster)
        except NotAnswered as error:
            return _unanswered(request, (), error)
        review.facts = read.over(recorded.facts)
        found = self._engine.evaluate(review)
        findings, existing = await self._with_owners(request, review, found, cluster)
        if recorded.was_unknown or (recorded.was_asked and not _is_final(review, findings)):
            return await self._confirmed(request, review, cluster, read, findings)
        answer = Answer(request.uid, findings, existing=existing, request=request, report=job_pod(review, findings))
        if before is not None and findings is found and not (matters or recorded.was_asked or self._is_named(review)):
            before.keep(review, read, revision, answer)
        return answer

    async def _with_owners(
        self, request: Request, review: Review, findings: list[Finding], cluster: Cluster
    ) -> tuple[list[Finding], str]:
        """The findings after the cluster was asked for what may keep them from refusing a workload.

        With them the controller, older than the policy's enforcement, whose pod they let through; empty for none.
        """
        if review.kind not in POD_KINDS or not any(
            [item.mode is Mode.ENFORCE and item.rule.startswith(_OF_NODES) for item in findings]
        ):
            return findings, ""
        if is_made_by_controller(review.pod, review.object, review.user):
            review = replace(review, owners=await live.owners_of(review.object, _namespace(request), cluster))
        elif is_debugging(review.object, review.pod):
            review = replace(review, may_override=await _may_override(request, _namespace(request), cluster))
        else:
            return findings, ""
        found = review.leniency
        return self._engine.evaluate(review), found.existing if found else ""

    async def mutate(self, request: Request, cluster: Cluster, now: datetime) -> Answer:
        """The patch that a pod of DKMS work needs to run in Kata, with the reason for it, or for there being none."""
        if not self._mutates or not _is_judged("/mutate", request):
            return Answer(request.uid, request=request)
        injection = inject(self._review(request, cluster.facts, now))
        return Answer(request.uid, patch=injection.patch, note=injection.reason.value, request=request)

    async def _confirmed(
        self, request: Request, review: Review, cluster: Cluster, read: live.Read, findings: Sequence[Finding]
    ) -> Answer:
        """The answer after the API server was asked for what the caches do not know, or would allow: they may lag."""
        try:
            fresh = replace(review, facts=read.over(await cluster.fresh(_namespace(request))))
        except NotAnswered as error:
            return _unanswered(request, findings, error)
        found = Answer(request.uid, self._engine.evaluate(fresh), request=request)
        if found.denying and live.is_collection(fresh):
            found.report = live.collected(fresh)
        return found

    def _is_named(self, review: Review) -> bool:
        """Whether an exception may hold for the object and not for another one that is kept by the same key."""
        return self._excepts_names and review.key is not None and bool(review.key.left_out)

    def _review(self, request: Request, facts: Facts, now: datetime) -> Review:
        """Return the review of a request, with all defaults filled in."""
        before = request.before
        return Review(
            _normal(request, request.subject),
            None if before is None else _normal(request, before),
            request.operation,
            self.traits,
            self.policy.parameters,
            facts,
            subresource=request.subresource,
            user=request.user,
            groups=request.groups,
            dry_run=request.dry_run,
            now=now,
        )

    def _may_override_matters(self, review: Review) -> bool:
        """Whether an override is set, or might be used; only then is the API server asked who may."""
        if review.kind in INNER_KINDS:
            return not is_by_controller(review)
        if review.kind in MODULE_KINDS or review.facts is None:
            return False
        objects = [review.object, review.old]
        if review.kind in GUARDED:
            name = str(metadata_of(review.object).get("namespace", ""))
            found = review.facts.find("Namespace", "", name)
            objects.append(dict(found) if isinstance(found, dict) else None)
        return any([override_annotation.annotation(item) is not None for item in objects if item])


def _is_final(review: Review, findings: Sequence[Finding]) -> bool:
    """Whether findings refuse, and nothing newer is needed to tell anybody why."""
    return any([item.mode is Mode.ENFORCE for item in findings]) and not live.is_collection(review)


def _is_judged(path: Path, request: Request) -> bool:
    """Whether the webhook is registered for such a request; what another configuration sends it passes unseen."""
    return _is_reached(path, request.group, request.resource, request.subresource, request.operation)


_is_reached = lru_cache(maxsize=256)(is_reached)
"""A request names one of the pairs of kind and resource that the webhook knows, or it would not have been decoded."""


def _normal(request: Request, item: dict[str, Any]) -> dict[str, Any]:
    """The object with all defaults and without null; pods, of which there are most, have their defaults already."""
    is_normal = request.kind == "Pod" and not request.group and not request.may_hold_null
    return item if is_normal else defaulted(item)


def _namespace(request: Request) -> str:
    """The namespace that a request is about: a Namespace itself, or the one that its object lies in.

    Of what installs KMM it is the whole cluster, as of the definitions of its kinds.
    """
    if request.group == OLM_GROUP:
        return ""
    subject = metadata_of(request.subject)
    return str(subject.get("name" if request.kind == "Namespace" else "namespace", ""))


async def _may_override(request: Request, namespace: str, cluster: Cluster) -> bool | Unknown:
    try:
        return await cluster.may_override(request.requester, namespace)
    except NotAnswered:
        return UNKNOWN


def _unanswered(request: Request, findings: Sequence[Finding], error: NotAnswered) -> Answer:
    return Answer(request.uid, findings, problem=unavailable(error), request=request)


class _Recorded:
    """Facts, and whether a rule asked what is in a namespace, and got the answer that nobody knows.

    The other questions go to the facts as they are. Functions that refer to it from within it would be garbage that
    only a search finds.
    """

    __slots__ = ("_facts", "was_asked", "was_unknown")

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self.was_asked = False
        self.was_unknown = False

    @property
    def facts(self) -> Facts:
        """The same, with every question."""
        return cast("Facts", self)

    def __getattr__(self, question: str) -> Any:
        return getattr(self._facts, question)

    def modules_in(self, namespace: str) -> Sequence[Object] | Unknown:
        return self._noted(self._facts.modules_in(namespace))

    def entries_of(self, namespace: str) -> Sequence[NodeEntry] | Unknown:
        return self._noted(self._facts.entries_of(namespace))

    def daemon_sets_in(self, namespace: str) -> Sequence[Object] | Unknown:
        return self._noted(self._facts.daemon_sets_in(namespace))

    def _noted(self, answer: Sequence[T] | Unknown) -> Sequence[T] | Unknown:
        self.was_asked = True
        self.was_unknown |= answer is UNKNOWN
        return answer
