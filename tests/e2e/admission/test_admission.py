"""Modules and the kinds beside them on a real API server, with the webhook on Fail and live facts."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.objects import module
from tests.e2e.waiting import eventually
from tests.e2e.webhook import KMODGATE, Webhook, in_force
from tests.fleets import REPOSITORY

Json: TypeAlias = dict[str, Any]

EXAMPLES = sorted(path.parent for path in (REPOSITORY / "examples").glob("*/kmodgate.yaml"))
WITH_TESTS_OF_THEIR_OWN = {
    "BootModuleConfig", "ExternalSecret", "ImageDigestMirrorSet", "ImageTagMirrorSet", "MachineConfig",
    "ManagedClusterSetBinding", "ManifestWork", "OperatorGroup", "Placement", "PlacementBinding", "Policy",
    "PrometheusRule", "Subscription",
}  # fmt: skip
"""Kinds that the API server has only while `test_boot`, `test_disconnected`, `test_hub` or `test_operator_install` runs."""
ORACLE_SPACES = ("default", "drivers", "edge-prod", "kmm-tests", "n", "openshift-kmm")


@pytest.fixture(scope="module")
def webhook(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    with in_force(control_plane, tmp_path_factory.mktemp("webhook"), ["drivers"]) as running:
        yield running


def rendered(fleet: Path, into: Path) -> Iterator[tuple[str, list[Json]]]:
    """Cluster and objects of a fleet's tree, in the order in which Argo CD applies them.

    Without those that belong beside the objects of a chart, which `test_image_service` applies there, and without kinds
    with tests of their own.
    """
    shutil.copytree(fleet, into)
    subprocess.run([KMODGATE, "render", into], check=True, capture_output=True)
    for cluster in sorted((into / "rendered").iterdir()):
        paths = (path for path in sorted(cluster.rglob("*.yaml")) if path.parent.name != "cray-ims")
        objects = (yaml.safe_load(path.read_text()) for path in paths)
        known = [item for item in objects if item["kind"] not in WITH_TESTS_OF_THEIR_OWN]
        yield cluster.name, sorted(known, key=_wave)


def _wave(item: Json) -> tuple[int, bool]:
    wave = item["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", "0")
    return int(wave), item["kind"] != "Namespace"


@pytest.mark.parametrize("fleet", EXAMPLES, ids=lambda path: path.name)
def test_what_is_rendered_is_admitted_and_unchanged(
    control_plane: ControlPlane, webhook: Webhook, fleet: Path, tmp_path: Path
) -> None:
    for cluster, objects in rendered(fleet, tmp_path / fleet.name):
        foreign = sorted({item["metadata"].get("namespace") for item in objects} - {None})
        control_plane.apply(
            *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in foreign)
        )
        for item in objects:
            done = control_plane.kubectl(
                "apply", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(item)
            )
            assert done.returncode == 0, (cluster, item["kind"], done.stderr)
            again = control_plane.kubectl(
                "diff", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(item)
            )
            assert again.returncode == 0, again.stdout


def test_kubectl_prints_each_violation_with_its_rule(control_plane: ControlPlane, webhook: Webhook) -> None:
    broken = module("nic", "drivers")
    container = broken["spec"]["moduleLoader"]["container"]
    container["kernelMappings"] = [{"regexp": "^5(", "containerImage": "quay.io/acme/nic"}]
    container["sign"] = {"keySecret": {"name": "k"}, "certSecret": {"name": "c"}}
    done = control_plane.kubectl("apply", "-f", "-", input=json.dumps(broken))
    assert done.returncode != 0
    assert done.stderr.count("* ") >= 3
    for rule, field in (
        ("KMM203", "spec.moduleLoader.container.kernelMappings[0].regexp"),
        ("KMM205", "spec.moduleLoader.container.kernelMappings[0].containerImage"),
        ("KMM501", "spec.moduleLoader.container.sign.filesToSign"),
    ):
        assert any(rule in line and field in line for line in done.stderr.splitlines()), done.stderr


def test_warnings_reach_the_person_at_the_terminal(control_plane: ControlPlane, webhook: Webhook) -> None:
    loose = module("loose", "drivers")
    loose["spec"]["moduleLoader"]["container"]["kernelMappings"][0]["regexp"] = "5.14"
    done = control_plane.kubectl("apply", "-f", "-", input=json.dumps(loose))
    assert done.returncode == 0, done.stderr
    assert "Warning: " in done.stderr
    assert "[MAP202]" in done.stderr


def test_the_version_of_the_api_server_is_asked_for(webhook: Webhook) -> None:
    eventually(
        lambda: '"version of the API server","version":"1.36"' in (webhook.folder / "webhook.log").read_text(),
        "the version is known",
    )
