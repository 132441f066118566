"""Any path of a manifest leads to the place in a spec that caused it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmodgate.policy.findings import Finding
from kmodgate.renderer.compile.cluster_policies import Choice, Policies
from kmodgate.renderer.compile.compiler import compile_fleet
from kmodgate.renderer.fleet.loading.load import load_fleet
from kmodgate.renderer.judge.fleet_judge import FleetJudge
from kmodgate.renderer.manifests.manifest import Manifest
from tests.fleets import REPOSITORY, FleetFolder
from tests.objects.values import leaves


def manifests(root: Path) -> dict[str, list[Manifest]]:
    findings: list[Finding] = []
    fleet = load_fleet(root, root / "rendered", findings)
    policies = Policies(fleet, Choice(), findings)
    compiled = compile_fleet(fleet, findings, policies)
    findings += FleetJudge(policies, "render").judge(compiled)
    assert not [finding for finding in findings if finding.mode == "enforce"]
    return compiled.of_drivers


@pytest.mark.parametrize("example", ["edge-fleet", "full-module", "plain-kubernetes", "sno-simple-kmod"])
def test_every_leaf_of_every_manifest_has_an_origin_that_exists(example: str) -> None:
    root = REPOSITORY / "examples" / example
    texts: dict[str, list[str]] = {}
    for found in manifests(root).values():
        for manifest in found:
            for path, _ in leaves(manifest.value):
                origin = manifest.trace(path)
                lines = texts.setdefault(origin.file, (root / origin.file).read_text().split("\n"))
                assert 1 <= origin.line <= len(lines)
                assert 1 <= origin.column <= len(lines[origin.line - 1]) + 1


@pytest.mark.parametrize("example", ["edge-fleet", "full-module", "sno-simple-kmod"])
def test_what_a_module_says_stands_at_its_origin(example: str) -> None:
    root = REPOSITORY / "examples" / example
    compared = 0
    for found in manifests(root).values():
        for manifest in (item for item in found if item.identity.kind == "Module"):
            for path, value in leaves(manifest.value["spec"], ("spec",)):
                origin = manifest.trace(path)
                if origin.source not in ("driver", "override") or not isinstance(value, str) or len(value) < 3:
                    continue
                line = (root / origin.file).read_text().split("\n")[origin.line - 1]
                if "dockerfileConfigMap" in path or path[-1] == "containerImage":  # a content hash has been appended
                    continue
                assert value in line, (path, value, line)
                compared += 1
    assert compared > 5


def origin(fleet: FleetFolder, cluster: str, *path: str | int) -> tuple[str, int, int, str]:
    module = next(item for item in manifests(fleet.root)[cluster] if item.identity.kind == "Module")
    found = module.trace(path)
    return found.file, found.line, found.column, found.source


def test_driver_override_and_default_are_told_apart(tmp_path: Path) -> None:
    fleet = FleetFolder(tmp_path)
    fleet.cluster("paris")
    fleet.cluster("lab", labels={"tier": "edge", "site": "lab"})
    fleet.driver(
        "nic",
        "overrides:\n- clusters: {matchLabels: {site: lab}}\n  patch:\n    removal: auto\n    containerImage: lab/nic:1\n"
        "    kernelMappings:\n    - {name: rt, literal: 5.14.0-1.rt}\n    - {name: el9, containerImage: lab/el9:1}",
    )
    container = ("spec", "moduleLoader", "container")
    file = "drivers/nic.yaml"
    assert origin(fleet, "paris", *container, "containerImage") == (file, 9, 19, "driver")
    assert origin(fleet, "lab", *container, "containerImage") == (file, 16, 23, "override")
    assert origin(fleet, "lab", *container, "kernelMappings", 0, "literal") == (file, 18, 29, "override")
    assert origin(fleet, "lab", *container, "kernelMappings", 1, "containerImage") == (file, 19, 37, "override")
    assert origin(fleet, "lab", *container, "kernelMappings", 1, "regexp") == (file, 11, 25, "driver")
    assert origin(fleet, "paris", *container, "modprobe", "dirName") == (file, 8, 3, "default")
    assert origin(fleet, "paris", "spec", "moduleLoader", "serviceAccountName") == (file, 4, 1, "default")
    assert origin(fleet, "paris", "metadata", "namespace") == (file, 6, 21, "driver")
    removal = ("metadata", "annotations", "argocd.argoproj.io/sync-options")
    assert origin(fleet, "lab", *removal) == (file, 15, 16, "override")
    assert origin(fleet, "paris", *removal) == (file, 4, 1, "default")


@pytest.fixture
def openshift(tmp_path: Path) -> FleetFolder:
    fleet = FleetFolder(tmp_path)
    fleet.cluster("paris", platform="openshift")
    fleet.cluster("lab", platform="openshift", labels={"tier": "edge", "site": "lab"})
    fleet.write("drivers/Dockerfile", "FROM a:1\n")
    fleet.driver(
        "nic",
        "scc: restricted\nserviceAccountName: loader\nbuild: {dockerfile: ./Dockerfile}\noverrides:\n"
        "- clusters: {matchLabels: {site: lab}}\n  patch: {scc: hostaccess, namespace: {name: lab-tests}, removal: auto}",
    )
    return fleet


PLACES = {  # a text that only this field brings into the objects → the field
    "paris": {
        "kmm-tests": ("spec", "namespace", "name"),
        "restricted": ("spec", "scc"),
        "loader": ("spec", "serviceAccountName"),
        "FROM a:1": ("spec", "build", "dockerfile"),
    },
    "lab": {
        "lab-tests": ("spec", "overrides", 0, "patch", "namespace", "name"),
        "hostaccess": ("spec", "overrides", 0, "patch", "scc"),
    },
}


@pytest.mark.parametrize("cluster", PLACES)
def test_what_any_object_says_leads_to_the_field_that_said_it(openshift: FleetFolder, cluster: str) -> None:
    seen: dict[str, set[str]] = {}
    for manifest in manifests(openshift.root)[cluster]:
        for path, value in leaves(manifest.value):
            named = path[-1] == "name" and path[0] == "metadata" and manifest.identity.kind == "RoleBinding"
            for text, place in PLACES[cluster].items():
                if isinstance(value, str) and text in value and not named:  # its name is made of two fields
                    assert manifest.trace(path).path == place, (manifest.identity, path)
                    seen.setdefault(text, set()).add(manifest.identity.kind)
    assert seen.keys() == PLACES[cluster].keys()
    assert {"ConfigMap", "Module", "Namespace", "RoleBinding", "ServiceAccount"} in seen.values()


def test_what_no_field_says_is_a_default_at_a_place_that_exists(openshift: FleetFolder) -> None:
    for manifest in manifests(openshift.root)["paris"]:
        for path in (("kind",), ("metadata", "annotations", "argocd.argoproj.io/sync-wave")):
            found = manifest.trace(path)
            assert found.source == "default"
            assert manifest.driver is not None
            assert manifest.driver.document.has(found.path)


def test_a_label_of_a_driver_stands_at_its_line_whatever_the_delivery(fleet: FleetFolder) -> None:
    path = fleet.driver("nic", "delivery: daemonset\ndaemonset: {kernelLabel: example.com/kernel}")
    path.write_text(path.read_text().replace("{name: nic}", "{name: nic, labels: {team: net}}"))
    cluster = fleet.root / "clusters/paris.yaml"
    cluster.write_text(cluster.read_text().replace('worker: ""}', 'worker: ""}, kernels: [5.14.0-1.el9.x86_64]'))
    explained = fleet.run("explain", "nic", "metadata.labels.team")
    assert "drivers/nic.yaml:3:" in explained.stdout, explained.stderr
