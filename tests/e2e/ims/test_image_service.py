"""What an ImageService renders, on a real API server: admitted as a whole, beside the Deployment of the chart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import CASES, HANDOVERS
from tests.e2e.api_server.control_plane import ControlPlane

TREE = CASES / "cray-ims/jura/cray-ims"
ARGOCD = ("apply", "--server-side", "--field-manager=argocd-controller")
WAVE = "argocd.argoproj.io/sync-wave"


def objects(folder: Path) -> Iterator[Any]:
    for path in sorted(folder.glob("*.yaml")):
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        if "apiVersion" in value:
            yield value


def deployment() -> Any:
    """The chart's Deployment, as far as it matters here."""
    labels = {"app.kubernetes.io/name": "cray-ims", "app.kubernetes.io/instance": "cray-ims"}
    env_from = [{"configMapRef": {"name": "ims-config"}}]
    container = {"name": "cray-ims", "image": "registry.local/cray-ims-service:3.20.0", "envFrom": env_from}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "cray-ims", "namespace": "services"},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": {"service.cray.io/public": "true"}},
                "spec": {"containers": [container]},
            },
        },
    }


@pytest.fixture(scope="module")
def services(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    for name in ("services", "ims"):
        control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    text = json.dumps(deployment())
    control_plane.kubectl("apply", "--server-side", "--field-manager=helm", "--filename=-", input=text, check=True)
    yield control_plane
    control_plane.kubectl("delete", "runtimeclass", "kata-site", "--ignore-not-found", check=True)


def live(control_plane: ControlPlane) -> Any:
    return control_plane.get("deployment", "cray-ims", "--namespace=services")


def test_the_tree_is_applied_in_its_order_and_the_chart_keeps_its_deployment(services: ControlPlane) -> None:
    before = live(services)
    waves = sorted(objects(TREE), key=lambda item: int(item["metadata"]["annotations"].get(WAVE, 0)))
    for item in waves:
        options = ["--validate=false"] if item["kind"] == "Deployment" else []
        services.kubectl(*ARGOCD, *options, "--filename=-", input=json.dumps(item), check=True)
    after = live(services)
    annotations = after["spec"]["template"]["metadata"].pop("annotations")
    assert sorted(annotations) == ["checksum/ims-config", "service.cray.io/public"]
    assert before["spec"]["template"]["metadata"].pop("annotations") == {"service.cray.io/public": "true"}
    assert after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1


def test_a_second_sync_changes_nothing(services: ControlPlane) -> None:
    (item,) = (item for item in objects(TREE) if item["kind"] == "Deployment")
    versions = []
    for _ in range(2):
        services.kubectl(*ARGOCD, "--validate=false", "--filename=-", input=json.dumps(item), check=True)
        versions.append(live(services)["metadata"]["resourceVersion"])
    assert versions[0] == versions[1]


@pytest.mark.parametrize("cluster", ["alps", "lab-1", "lab-2"])
def test_what_a_site_applies_of_a_handover_is_admitted(services: ControlPlane, cluster: str) -> None:
    found = list(objects(HANDOVERS / "cray-ims" / cluster / "cray-ims"))
    assert {item["metadata"]["name"] for item in found} >= {"ims-config", "ims-config-site"}
    for item in found:
        services.kubectl(*ARGOCD, "--dry-run=server", "--filename=-", input=json.dumps(item), check=True)
