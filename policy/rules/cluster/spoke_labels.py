"""Rules about the labels by which a hub selects the clusters that load a driver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.findings import GIVE_FACTS, NOT_CHECKED, Problem, Severity, plain_text
from kmodgate.policy.kmm.kinds import MANAGED_CLUSTER
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule


def _changes_labels(review: Review) -> bool:
    return review.old is not None and _labels(review.old) != _labels(review.object)


@rule(
    "HUB201",
    kinds=(MANAGED_CLUSTER,),
    operations=("UPDATE",),
    facts=True,
    severity=Severity.WARNING,
    needs=_changes_labels,
)
def unloads_on_spoke(review: Review) -> Iterator[Problem]:
    """A ManagedCluster loses the labels by which a ManagedClusterModule selects it: the driver is unloaded there.

    The hub deletes the Module of that cluster at once, and asks nobody. An empty selector selects every cluster:
    no label takes its driver away.

    Fix: keep the label while the cluster needs the driver.
    Source: SelectedManagedClusters in internal/cluster and GarbageCollect in internal/manifestwork of Kernel Module
    Management.
    """
    old, new, cluster = _labels(as_map(review.old)), _labels(review.object), _name(review.object)
    listing = review.known.listing("ManagedClusterModule")
    for item in sorted(listing.objects, key=_name):
        wanted = _texts(as_map(item.get("spec")).get("selector"))
        lost = [key for key in sorted(wanted) if new.get(key) != wanted[key]]
        if lost and wanted.items() <= old.items():
            pairs = ", ".join(f"{key}={wanted[key]}" for key in lost)
            message = f"unloads {_name(item)} on cluster {cluster}, which its ManagedClusterModule selects by {pairs}"
            fix = f"keep {pairs} while the cluster needs the driver"
            yield Problem(("metadata", "labels", lost[0]), message, fix)
    if not listing.is_complete:
        yield Problem(("metadata", "labels"), f"{NOT_CHECKED}: all ManagedClusterModules of the hub", GIVE_FACTS)


def _labels(item: Mapping[str, Any]) -> dict[str, str]:
    return _texts(metadata_of(item).get("labels"))


def _texts(value: object) -> dict[str, str]:
    return {plain_text(key): plain_text(text) for key, text in as_map(value).items()}


def _name(item: Mapping[str, Any]) -> str:
    return plain_text(metadata_of(item).get("name", ""))
