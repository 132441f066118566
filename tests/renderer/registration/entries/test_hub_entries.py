"""The entry about ManagedClusters, which a hub alone has."""

from __future__ import annotations

from tests.fleets import FleetFolder
from tests.renderer.deliveries.hub.hubs import HUB
from tests.renderer.registration.reaching import Request
from tests.renderer.registration.registering import answer, generated

GROUP = "cluster.open-cluster-management.io"


def relabelled(old: dict[str, str], new: dict[str, str], resource: str = "managedclusters") -> Request:
    metadata = {"content": {"metadata": {"labels": new}}, "old_content": {"metadata": {"labels": old}}}
    return Request("UPDATE", resource, GROUP, labels=new, old=old, **metadata)  # type: ignore[arg-type]


def test_a_hub_asks_about_other_labels_of_a_managed_cluster_and_waits_for_nobody(fleet: FleetFolder) -> None:
    fleet.write("clusters/hub.yaml", HUB)
    objects = generated(fleet, "--cluster", "hub")
    assert answer(objects, relabelled({"tier": "edge"}, {})) == [("managed-clusters", "Ignore")]
    assert answer(objects, relabelled({"tier": "edge"}, {"tier": "core"})) == [("managed-clusters", "Ignore")]
    assert answer(objects, relabelled({"tier": "edge"}, {"tier": "edge"})) == []
    assert answer(objects, relabelled({"tier": "edge"}, {}, "managedclusters/status")) == []


def test_no_other_cluster_asks(fleet: FleetFolder) -> None:
    assert answer(generated(fleet), relabelled({"tier": "edge"}, {})) == []
