"""What a change of the specs does to KMM's operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fleets import FleetFolder, git
from tests.renderer.compile.operator_install.fleet import CSV, REFERENCE, cluster, redhat, upstream
from tests.renderer.diff.three_sites import sentences

NEXT = "kernel-module-management.v2.7.0"
SETTINGS = {"worker": {"runAsUser": 0}}
ENDS = "in 1 cluster: its pods restart, and drivers stay loaded"


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    folder = FleetFolder(tmp_path)
    folder.driver("nic")
    return folder


def told(fleet: FleetFolder, before: dict[str, Any], after: dict[str, Any], **more: Any) -> list[str]:
    """The sentences about the operator when the Cluster changes."""
    cluster(fleet, before, **more)
    git(fleet.root, "init", "--quiet")
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "--quiet", "-m", "x")
    cluster(fleet, after, **more)
    return [text for text in sentences(fleet.root) if "operator" in text]


def test_a_new_operator_is_installed(fleet: FleetFolder) -> None:
    assert told(fleet, {"flavour": "redhat"}, redhat()) == [f"installs KMM's operator ({CSV}) in 1 cluster"]


def test_another_version_replaces_the_one_before(fleet: FleetFolder) -> None:
    assert told(fleet, redhat(), redhat(csv=NEXT)) == [f"replaces KMM's operator {CSV} by {NEXT} {ENDS}"]


def test_another_commit_replaces_the_one_before(fleet: FleetFolder) -> None:
    other = REFERENCE.replace("0123", "3210")
    found = told(fleet, upstream(kustomize=REFERENCE), upstream(kustomize=other), platform="kubernetes")
    assert found == [f"replaces KMM's operator {REFERENCE} by {other} {ENDS}"]


def test_an_operator_that_leaves_is_told(fleet: FleetFolder) -> None:
    (found,) = told(fleet, redhat(), {"flavour": "redhat"})
    assert found.startswith("KMM's operator leaves the tree of 1 cluster: Argo CD asks before it removes")


def test_a_configuration_restarts_the_operator_where_there_is_a_job(fleet: FleetFolder) -> None:
    found = told(fleet, redhat(), {**redhat(), "config": SETTINGS})
    assert found == ["restarts KMM's operator in 1 cluster: its configuration changes; drivers stay loaded"]


def test_without_a_job_a_person_restarts_it(fleet: FleetFolder) -> None:
    by_hand = redhat(approve="byHand")
    (found,) = told(fleet, by_hand, {**by_hand, "config": SETTINGS}, kubectl="")
    assert found.startswith(
        "KMM's operator goes on with its old configuration (kmm-operator-manager-config) in 1 cluster"
    )


def test_no_configuration_any_more_waits_for_a_restart(fleet: FleetFolder) -> None:
    (found,) = told(fleet, {**redhat(), "config": SETTINGS}, redhat())
    assert "goes on with its old configuration" in found


def test_an_overlay_restarts_its_pods_by_a_checksum(fleet: FleetFolder) -> None:
    other = upstream(kustomize=REFERENCE)
    found = told(
        fleet, {**other, "config": SETTINGS}, {**other, "config": {"worker": {"runAsUser": 1}}}, platform="kubernetes"
    )
    assert found == ["restarts KMM's operator in 1 cluster: its configuration changes; drivers stay loaded"]


def test_tolerations_restart_it(fleet: FleetFolder) -> None:
    found = told(fleet, redhat(), redhat(tolerations=[{"key": "infra", "operator": "Exists"}]))
    assert found == ["restarts KMM's operator in 1 cluster: its tolerations or environment change; drivers stay loaded"]


def test_the_place_is_the_field_that_changed(fleet: FleetFolder) -> None:
    told(fleet, redhat(), redhat(csv=NEXT))
    report = fleet.run("diff").stdout
    assert "clusters/paris.yaml:" in report
