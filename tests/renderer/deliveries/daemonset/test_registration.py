"""The webhook of a cluster without KMM on which DaemonSets load drivers."""

from __future__ import annotations

import yaml

from tests.renderer.deliveries.daemonset.fleets import PlainFleet


def test_workloads_and_namespaces_are_looked_at_where_daemonsets_load_drivers(fleet: PlainFleet) -> None:
    fleet.nic()
    result = fleet.run("webhook-config")
    assert "who KMM is" not in result.stderr
    configurations = [item for item in yaml.safe_load_all(result.stdout) if item and "webhooks" in item]
    names = {entry["name"] for item in configurations for entry in item["webhooks"]}
    assert {"workloads.kmodgate.io", "protection.kmodgate.io"} <= names
    assert "kmm-tests" in result.stdout


def test_explain_says_which_line_keeps_the_driver_away(fleet: PlainFleet) -> None:
    fleet.nic("state: absent")
    assert "spec.state" in fleet.run("explain", "nic").stdout


def test_a_driver_that_is_retained_is_left_behind(fleet: PlainFleet) -> None:
    found = fleet.daemon_set("removal: retain")
    assert found["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
