"""Rules over drivers that DaemonSets load: at their specs, and by the policy of the cluster."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.renderer.deliveries.daemonset.fleets import KERNEL, PlainFleet

POLICY = """\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {name: strict}
spec: {clusters: {matchLabels: {}}, parameters: {allowedRegistries: [registry.acme.com], requireDigest: true}}
"""


def findings(fleet: PlainFleet, *arguments: str) -> set[tuple[str, str]]:
    """Rule and field of the spec of each finding of a check."""
    result = fleet.run("check", "--format", "json", *arguments)
    return {(item["rule"], item.get("specField") or item["field"]) for item in json.loads(result.stdout)["findings"]}


@pytest.mark.parametrize(
    ("patch", "rule", "field"),
    [
        ({"modprobe": {"parameters": ["a b=1"]}}, "LDR105", "modprobe.parameters[0]"),
        ({"modprobe": {"moduleName": "ice"}}, "LDR201", "modprobe.moduleName"),
        ({"modprobe": {"dirName": "/opt/../etc"}}, "INJ105", "modprobe.dirName"),
        ({"containerImage": "quay.io/acme/nic:latest"}, "IMG102", "containerImage"),
        ({"kernelMappings": [{"name": "el9", "regexp": "5.14"}]}, "MAP202", "kernelMappings[0].regexp"),
    ],
)
def test_what_a_spec_says_is_judged_as_that_of_a_module(
    fleet: PlainFleet, patch: dict[str, object], rule: str, field: str
) -> None:
    fleet.nic(yaml.safe_dump({"overrides": [{"clusters": {"matchLabels": {}}, "patch": patch}]}))
    found = {(item, place.rpartition("patch.")[2].removeprefix("spec.")) for item, place in findings(fleet)}
    assert (rule, field) in found


RAW = """\
apiVersion: kmodgate.io/v1alpha1
kind: KernelDriver
metadata: {name: raw}
spec:
  delivery: daemonset
  clusters: {matchLabels: {}}
  namespace: {name: drivers}
  selector: {node-role.kubernetes.io/worker: ""}
  containerImage: quay.io/acme/raw:1.0-${KERNEL_FULL_VERSION}
  kernelMappings: [{name: el9, regexp: '^5\\.14\\.'}]
  modprobe: {%s}
"""


@pytest.mark.parametrize(
    ("modprobe", "rules"),
    [
        ("rawArgs: {load: [-d, /opt, foo], unload: [-d, /opt, -r, foo]}", set[str]()),
        ("rawArgs: {load: [-d, /tmp/opt, foo], unload: [-d, /opt, -r, foo]}", {"LDR104"}),
        ("rawArgs: {load: [foo], unload: [-d, /opt, -r, foo]}", {"LDR102"}),
        ("dirName: /, rawArgs: {load: [foo], unload: [-r, foo]}", set[str]()),
        ("dirName: /, rawArgs: {load: [-d, /, foo], unload: [-r, foo]}", set[str]()),
        ("moduleName: foo, args: {load: [-S, 1.2.3], unload: [-v]}", {"LDR104"}),
    ],
)
def test_modprobe_runs_inside_the_image(fleet: PlainFleet, modprobe: str, rules: set[str]) -> None:
    fleet.write("drivers/raw.yaml", RAW % modprobe)
    result = fleet.run("check")
    assert "/tmp/opt;" not in result.stdout
    assert {rule for rule, _ in findings(fleet) if rule.startswith("LDR")} == rules


def test_the_parameters_of_a_policy_hold(fleet: PlainFleet) -> None:
    fleet.write("policies/strict.yaml", POLICY)
    fleet.nic()
    found = findings(fleet)
    assert {("IMG301", "spec.containerImage"), ("IMG302", "spec.containerImage")} <= found


def test_secure_boot_wants_signed_modules_or_the_word_of_the_spec(fleet: PlainFleet) -> None:
    fleet.nodes([KERNEL], secureBoot=True)
    fleet.nic()
    assert "SGN202" in {rule for rule, _ in findings(fleet)}
    fleet.nic("sign: {prebuilt: true}")
    assert "SGN202" not in {rule for rule, _ in findings(fleet)}


def test_two_drivers_for_one_module_are_called_what_they_are(fleet: PlainFleet) -> None:
    fleet.nic()
    fleet.driver("nic2", "delivery: daemonset\n")
    for name in ("nic", "nic2"):
        path = fleet.root / f"drivers/{name}.yaml"
        path.write_text(
            path.read_text() + "  overrides: [{clusters: {matchLabels: {}}, patch: {modprobe: {moduleName: x}}}]\n"
        )
    fleet.write(
        "policy.yaml",
        "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: a}\n"
        "spec: {clusters: {matchLabels: {}}, modes: {SEL401: disabled}}\n",
    )
    result = fleet.run("check")
    assert "driver kmm-tests/nic2, by its DaemonSets, loads x on the same nodes" in result.stdout


def test_what_only_kmm_does_is_not_asked(fleet: PlainFleet) -> None:
    fleet.nic("tolerations: [{operator: Exists}]")
    assert {rule for rule, _ in findings(fleet)} <= {"GIT204"}


def test_images_come_from_the_mirrors_of_the_cluster(fleet: PlainFleet) -> None:
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(
        f"{path.read_text()}  mirrors: [{{source: quay.io/acme, mirror: registry.acme.com/m, type: tag}}]\n"
    )
    load = fleet.pod()["initContainers"][0]
    assert load["image"] == f"registry.acme.com/m/nic:1.0-{KERNEL}"
