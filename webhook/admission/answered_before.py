"""Answers to what is asked again: they hold as long as nothing has changed that they rest on.

That is the review without the fields that no rule looks at, the policy, and what the cluster is known to be. An answer
for which a rule asked for the time, or the cluster was asked more than for the objects named here, is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from kmodgate.policy.cluster.facts import Object, Unknown
from kmodgate.policy.findings import title
from kmodgate.policy.judged_before import Found, JudgedBefore, Key
from kmodgate.policy.review import ClusterTraits, Review
from kmodgate.webhook.admission import live
from kmodgate.webhook.admission.admission_review import Request
from kmodgate.webhook.admission.answer import Answer
from kmodgate.webhook.admission.outcome import Outcome
from kmodgate.webhook.cluster.questions import Cluster, NotAnswered


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was answered, and what that rests on: the facts at one revision, the objects that were read, the day."""

    outcome: Outcome
    title: str
    revision: Hashable
    objects: Mapping[live.Key, Object | Unknown | None]
    day: date


class AnsweredBefore:
    """The latest answers, beside the problems that were `judged` before.

    `revision` returns a value that stays equal as long as the facts of the cluster give the same answers.
    """

    def __init__(self, judged: JudgedBefore, revision: Callable[[], Hashable]) -> None:
        self.judged = judged
        self.hits = 0
        self.revision = revision

    def key(self, request: Request) -> Key | None:
        """What the review of a request is kept by, as `Review.asked` has it."""
        asked = (request.operation, request.subresource, request.user, request.groups, request.dry_run)
        return self.judged.key(request.subject, request.before, (*asked, False, False, False))

    def find(self, key: Key, traits: ClusterTraits, policy: str) -> Found | None:
        """What is known of a request like this one, if there was one not long ago."""
        return self.judged.find(self.judged.place(traits, policy), key)

    async def answer(self, found: Found, request: Request, cluster: Cluster, now: datetime) -> Answer | None:
        """The answer of before, if it still holds."""
        kept = found.answer
        if type(kept) is not _Kept or kept.day != now.date() or kept.revision != self.revision():
            return None
        try:
            if kept.objects and await live.read_again(kept.objects, cluster) != kept.objects:
                return None
        except NotAnswered:
            return None
        self.hits += 1
        findings = kept.outcome.findings
        if findings and (name := title(request.subject)) != kept.title:
            findings = [item.about(name) for item in findings]
        return Answer(request.uid, findings, request=request, told=kept.outcome)

    def keep(self, review: Review, read: live.Read, revision: Hashable, answer: Answer) -> None:
        """Keep an answer of which `revision` was that of the facts before it was worked out."""
        found, request = review.found, answer.request
        if not isinstance(found, Found) or review.is_timed or not read.is_whole or answer.report is not None:
            return
        if request is None or (request.subject is not review.object and title(request.subject) != title(review.object)):
            return  # it holds a null
        if revision == self.revision():
            name = answer.findings[0].object if answer.findings else ""
            kept = _Kept(answer.outcome, name, revision, read.objects, review.now.date())
            texts = [text for item in answer.findings for text in (item.field + item.message, item.fix)]
            if not review.key.is_quoted_in(texts):
                self.judged.keep_answer(found, kept, [name, *texts, *map(repr, read.objects.values())])
