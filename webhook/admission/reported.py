"""What an answer has the cluster told by Events: objects that stay, and Jobs that get no pod."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from kmodgate.policy.cluster.controllers import JOBS
from kmodgate.policy.findings import Finding, Mode
from kmodgate.policy.kata import refused_jobs
from kmodgate.policy.node_access.owners import controller_of
from kmodgate.policy.review import Review

_MOST_EVENTS = 10
"""Of one refusal: an object has one or two owners and Modules, and may be given hundreds."""

_JOB = "batch/Job"
_KATA = "KTA"


@dataclass(frozen=True, slots=True)
class Target:
    """An object that an Event is about."""

    api_version: str
    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Notice:
    """An Event about an object."""

    target: Target
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Collected:
    """An object of a namespace that the garbage collector may not delete, its owners, and the Modules that need it."""

    namespace: str
    kind: str
    name: str
    owners: tuple[Target, ...]
    modules: tuple[Target, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """Namespace, kind and name of the object, and the names of the Modules."""
        return self.namespace, self.kind, self.name, ",".join(sorted(item.name for item in self.modules))

    @property
    def notices(self) -> Iterator[Notice]:
        """One an owner and a Module."""
        named = ", ".join(f"{self.namespace}/{item.name}" for item in self.modules)
        message = (
            f"{self.kind} {self.name} is not deleted with its owner: {named or 'a node that has its driver loaded'} "
            f"still needs it. Remove the Module first, or take the owner off the {self.kind}."
        )
        for target in islice((*self.owners, *self.modules), _MOST_EVENTS):
            yield Notice(target, "StillNeeded", message)


@dataclass(frozen=True, slots=True)
class JobPod:
    """A pod of DKMS work that the Job controller makes, and what refuses it; nothing where it may be made."""

    namespace: str
    job: Target
    refusing: tuple[Finding, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """Namespace and name of the Job, and the rules that refuse the pod."""
        return self.namespace, self.job.name, ",".join(sorted({item.rule for item in self.refusing}))

    @property
    def notices(self) -> Iterator[Notice]:
        """One, about the Job."""
        yield Notice(self.job, refused_jobs.REASON, refused_jobs.message(self.refusing))


def job_pod(review: Review, findings: Sequence[Finding]) -> JobPod | None:
    """The pod of a Job that a review is about, with what refuses it for Kata's sake; None for any other pod.

    Only what the Job controller makes is believed to be of a Job: whoever makes a pod writes its owner.
    """
    is_new_pod = review.kind == "Pod" and review.operation == "CREATE" and not review.subresource
    if not is_new_pod or review.user not in JOBS or not review.kata.work:
        return None
    owner = controller_of(review.object)
    denying = [item for item in findings if item.mode is Mode.ENFORCE]
    refusing = tuple(item for item in denying if item.rule.startswith(_KATA))
    if owner is None or owner.kind != _JOB or (denying and not refusing):
        return None
    return JobPod(review.pod.namespace, Target("batch/v1", "Job", owner.name, owner.uid), refusing)
