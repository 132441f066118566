"""The controllers of a pod, ReplicaSet or Job, asked of the cluster one after the other, each by its uid."""

from __future__ import annotations

from kmodgate.policy.cluster.facts import Object, Unknown, metadata_of
from kmodgate.policy.node_access.owners import MOST_OWNERS, Owner, Owners, controller_of, owner_of
from kmodgate.webhook.cluster.questions import Cluster


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
