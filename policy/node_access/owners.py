"""The controllers that a pod, ReplicaSet or Job belongs to, as the cluster has them, up to that which people wrote."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from kmodgate.policy.cluster.controllers import MAKERS
from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.data_class import dataclass

MOST_OWNERS = 3
"""Links of a chain that are followed; Kubernetes' own have two: Pod, ReplicaSet, Deployment."""

MODULE = "kmm.sigs.x-k8s.io/Module"
"""The kind for which KMM makes DaemonSets: device plugins and DRA drivers."""

_FOLLOWED = frozenset((*MAKERS, MODULE))

End = Literal["whole", "gone", "unknown"]
"""`gone`: an owner does not exist, or another one has its name. `unknown`: the cluster did not say."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What an object says of its controller; `kind` is as a review names it: `apps/DaemonSet`."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Owner:
    """A controller of the cluster. `created` is the API server's word, and None where it is no time."""

    kind: str
    namespace: str
    name: str
    created: datetime | None = None

    @property
    def title(self) -> str:
        """Kind, namespace and name, for people."""
        return f"{self.kind.rpartition('/')[2]} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Owners:
    """The controllers of an object that exist, the nearest first, and how the chain ends.

    Of another kind than Kubernetes' own none is followed: what it made of those counts as the end.
    """

    found: tuple[Owner, ...] = ()
    end: End = "whole"


def controller_of(object: Mapping[str, Any]) -> Reference | None:
    """The controller that an object names, of the kinds that Kubernetes or KMM brings; None for another, or none."""
    references = metadata_of(object).get("ownerReferences")
    for item in references if isinstance(references, list) else ():
        if not isinstance(item, Mapping) or item.get("controller") is not True:
            continue
        group = str(item.get("apiVersion", "")).rpartition("/")[0]
        kind = f"{group}/{item.get('kind')}" if group else str(item.get("kind"))
        if kind in _FOLLOWED:
            return Reference(kind, str(item.get("name", "")), str(item.get("uid", "")))
    return None


def owner_of(kind: str, object: Mapping[str, Any]) -> Owner:
    """A controller, from its object."""
    metadata = metadata_of(object)
    created = moment(str(metadata.get("creationTimestamp", "")))
    return Owner(kind, str(metadata.get("namespace", "")), str(metadata.get("name", "")), created)


def moment(text: str) -> datetime | None:
    """A time as Kubernetes writes it; None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
