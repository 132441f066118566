"""What a review asks the API server for, beside the facts at hand: objects that no cache holds, or holds too late."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from kmodgate.policy.cluster.controllers import COLLECTORS
from kmodgate.policy.cluster.dependents import ACCESS, DEPENDENTS, needs, needs_of_pods
from kmodgate.policy.cluster.facts import (
    UNKNOWN,
    Facts,
    Listing,
    Object,
    SnapshotFacts,
    Unknown,
    as_map,
    metadata_of,
    with_answers,
)
from kmodgate.policy.cluster.openshift_scc import KINDS, is_openshift
from kmodgate.policy.kmm.kinds import CLUSTER_MODULE, MACHINE_CONFIG, MODULE_KINDS
from kmodgate.policy.node_access.owners import MOST_OWNERS, Owner, Owners, controller_of, owner_of
from kmodgate.policy.review import Review
from kmodgate.policy.views.module import ModuleView
from kmodgate.webhook.admission.reported import Collected, Target
from kmodgate.webhook.cluster.questions import Cluster, NotAnswered

_MOST_SECRETS = 4

Key = tuple[str, str, str]
"""Kind, namespace and name."""


@dataclass(frozen=True, slots=True)
class Read:
    """Objects that were read for one review; `listed` are all of the kinds of which every object matters.

    `is_answered` is whether the cluster answered all that it was asked.
    """

    objects: Mapping[Key, Object | Unknown | None]
    listed: SnapshotFacts | None = None
    kinds: Collection[str] = ()
    is_answered: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether reading the same objects again, and these alone, tells all that was read."""
        return self.is_answered and self.listed is None

    def over(self, facts: Facts) -> Facts:
        """Return the facts, with what was read in the place of what they say of it."""
        if not self.objects and self.listed is None:
            return facts
        listed = self.listed

        def find(kind: str, namespace: str, name: str) -> Object | Unknown | None:
            key = (kind, namespace, name)
            if key in self.objects:
                return self.objects[key]
            return (listed if listed is not None and kind in self.kinds else facts).find(kind, namespace, name)

        def listing(kind: str, namespace: str = "") -> Listing:
            return (listed if listed is not None and kind in self.kinds else facts).listing(kind, namespace)

        return with_answers(facts, find=find, listing=listing)


_NOTHING = Read({})


async def read(review: Review, cluster: Cluster) -> Read:
    """What a review needs. Raises NotAnswered where it cannot be judged without."""
    if review.kind in MODULE_KINDS:
        return await _of_module(review, cluster) if review.operation != "DELETE" else _NOTHING
    if review.kind in _AT_BOOT:
        return await _of_boot(review, cluster)
    objects: dict[Key, Object | Unknown | None] = {}
    namespace = str(metadata_of(review.object).get("namespace", ""))
    if is_collection(review):
        objects["Namespace", "", namespace] = await cluster.namespace(namespace)
    if review.kind not in ACCESS or not _has_sccs(review, namespace):
        return Read(objects)
    return Read(objects, SnapshotFacts(await cluster.access(namespace), KINDS), KINDS)


_AT_BOOT = (MACHINE_CONFIG, "BootModuleConfig")
_LISTED_AT_BOOT = ("MachineConfig",)


async def _of_boot(review: Review, cluster: Cluster) -> Read:
    """The other MachineConfigs, where the policy has the webhook asked about them, and so lets it read them."""
    if not review.parameters.machine_configs:
        return _NOTHING
    with suppress(NotAnswered):  # what rests on the others only warns, and no machine waits for the webhook to see them
        found = await cluster.machine_configs()
        return Read({}, SnapshotFacts(found, _LISTED_AT_BOOT), _LISTED_AT_BOOT)
    return _NOTHING


async def read_again(objects: Mapping[Key, Object | Unknown | None], cluster: Cluster) -> dict[Key, object]:
    """The objects that were read for a Module, as they are now. Raises NotAnswered."""
    return {
        key: await (cluster.namespace(key[2]) if key[0] == "Namespace" else cluster.secret(key[1], key[2]))
        for key in objects
    }


def is_collection(review: Review) -> bool:
    """Whether the garbage collector deletes something that Modules may need."""
    return review.operation == "DELETE" and review.user in COLLECTORS and review.kind in DEPENDENTS


def collected(review: Review) -> Collected:
    """What the garbage collector may not delete, its owners, and the Modules and DaemonSets that need it."""
    metadata = metadata_of(review.object)
    namespace, name = str(metadata.get("namespace", "")), str(metadata.get("name", ""))
    owners = metadata.get("ownerReferences")
    modules = review.known.modules_in(namespace)
    needing = [
        item
        for item in (() if isinstance(modules, Unknown) else modules)
        if review.kind in ACCESS or (review.kind, name) in needs(ModuleView(item))
    ]
    daemon_sets = review.known.daemon_sets_in(namespace)
    needing += [
        item
        for item in (() if isinstance(daemon_sets, Unknown) else daemon_sets)
        if review.kind in ACCESS or (review.kind, name) in needs_of_pods(item)
    ]
    return Collected(
        namespace,
        review.kind.rpartition("/")[2],
        name,
        tuple(_target(item, as_map(item)) for item in (owners if isinstance(owners, list) else ())),
        tuple(_target(item, metadata_of(item)) for item in needing),
    )


def _target(item: object, identity: Mapping[str, object]) -> Target:
    head = as_map(item)
    names = (head.get("apiVersion"), head.get("kind"), identity.get("name"), identity.get("uid"))
    return Target(*(str(text or "") for text in names))


def _has_sccs(review: Review, namespace: str) -> bool:
    if review.cluster.platform == "openshift":
        return True
    return is_openshift(review.known, metadata_of(review.known.find("Namespace", "", namespace)))


async def _of_module(review: Review, cluster: Cluster) -> Read:
    objects: dict[Key, Object | Unknown | None] = {}
    is_answered = True
    if review.kind in CLUSTER_MODULE and review.operation == "CREATE" and review.facts is not None:
        namespace = review.module.metadata.text("namespace")
        try:
            objects["Namespace", "", namespace] = await cluster.namespace(namespace)
        except NotAnswered:  # what is at hand has to do: no Module waits for the webhook to see the cluster
            is_answered = False
    return Read(objects | await _certificates(review, cluster), is_answered=is_answered)


async def _certificates(review: Review, cluster: Cluster) -> dict[Key, Object | Unknown | None]:
    """The certificate Secrets that a Module signs with and that no fact tells of."""
    if review.kind != "Module" or review.has_too_many_mappings or review.facts is None or not review.module.signs:
        return {}
    find, namespace = review.facts.find, review.module.metadata.text("namespace")
    named: Sequence[str] = list(dict.fromkeys(item.name for item in review.references if item.role == "certificate"))
    names = [name for name in islice(named, _MOST_SECRETS) if find("Secret", namespace, name) is UNKNOWN]
    if len(names) <= 1:  # as nearly always, and a task for each takes longer than the review
        return {("Secret", namespace, name): await cluster.secret(namespace, name) for name in names}
    found = await asyncio.gather(*(cluster.secret(namespace, name) for name in names))
    return {("Secret", namespace, name): item for name, item in zip(names, found, strict=True)}


async def owners_of(object: Object, namespace: str, cluster: Cluster) -> Owners:
    """Return the chain of an object's controllers, as far as Kubernetes brings their kinds.

    Nobody believes an object: another uid, or no such object, ends the chain as `gone`.
    """
    found: list[Owner] = []
    current: Object = object
    while len(found) < MOST_OWNERS and (named := controller_of(current)) is not None:
        answer = await cluster.owner(named.kind, namespace, named.name)
        if isinstance(answer, Unknown):
            return Owners(tuple(found), "unknown")
        if answer is None or metadata_of(answer).get("uid") != named.uid:
            return Owners(tuple(found), "gone")
        found.append(owner_of(named.kind, answer))
        current = answer
    return Owners(tuple(found))
