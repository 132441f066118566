"""A slip in an override, in what selects its clusters or in the Cluster itself is one error, however drivers are delivered."""

from __future__ import annotations

import json

import pytest

from tests.fleets import FleetFolder

CLUSTERS = {
    "depot": """\
  platform: openshift
  kmm: {version: "2.6", flavour: redhat}
""",
    "yard": """\
  platform: openshift
  topology: hosted
  hosted: {management: depot, namespace: tenants}
  kmm: {version: "2.6", flavour: redhat}
  tools: {worker: "quay.io/acme/worker:2.6"}
  nodeGroups:
  - {name: np, labels: {rail: fitted, hypershift.openshift.io/nodePool: np}, kernels: [6.8.0-60-generic]}
""",
    "tram": """\
  platform: kubernetes
  nodeGroups:
  - {name: boxes, labels: {rail: fitted}, taints: [{key: rail, effect: NoExecute}], kernels: [6.8.0-60-generic]}
""",
    "rented": """\
  platform: openshift
  managed: true
  tools: {kubectl: "quay.io/acme/cli:4.20"}
  kmm:
    flavour: redhat
    install: {channel: stable, csv: kernel-module-management.v2.6.0, source: redhat-operators, approve: job}
""",
}

DRIVER = """\
apiVersion: kmodgate.io/v1alpha1
kind: KernelDriver
metadata: {name: axle}
spec:
  clusters: {matchLabels: {rail: "yes"}}
  namespace: {name: rail-drivers}
  selector: {rail: fitted}
  modprobe: {moduleName: axle, modulesLoadingOrder: [axle, axle_bus]}
  containerImage: ghcr.io/ferro/axle:4.1-${KERNEL_FULL_VERSION}
  kernelMappings:
  - {regexp: '^6\\.8\\.0-\\d+-generic$'}
  devicePlugin: {container: {image: "ghcr.io/ferro/plugin:1"}}
  overrides:
  - clusters: {names: [tram]}
    patch:
      delivery: daemonset
      daemonset:
        separate: true
        updateStrategy: RollingUpdate
        maxUnavailable: 2
        volumes: [{name: conf, emptyDir: {}}]
        volumeMounts: [{name: conf, mountPath: /etc/axle}]
  - clusters: {names: [yard]}
    patch: {boot: {pool: np}}
"""


def rules_of(fleet: FleetFolder) -> list[tuple[str, str]]:
    """Rule and field of what render refuses."""
    found = json.loads(fleet.run("check", "--format", "json").stdout)["findings"]
    return [(item["rule"], item["specField"] or item["field"]) for item in found if item["mode"] == "enforce"]


@pytest.mark.parametrize(
    ("file", "old", "new", "rule", "field"),
    [
        ("axle", "delivery: daemonset", "delivery: DaemonSet", "SCH104", "spec.overrides[0].patch.delivery"),
        ("axle", "delivery: daemonset", "delivery: [kmm, daemonset]", "SCH104", "spec.overrides[0].patch.delivery"),
        ("axle", "maxUnavailable: 2", "maxUnavailable: 0", "SCH104", "spec.overrides[0].patch.daemonset.maxUnavailable"),
        ("axle", "Strategy: RollingUpdate", "Strategy: Recreate", "SCH104", "spec.overrides[0].patch.daemonset.updateStrategy"),
        ("axle", "volumes: [{name: conf, emptyDir: {}}]", "volumes: 7", "SCH102", "spec.overrides[0].patch.daemonset.volumes"),
        ("axle", "boot: {pool: np}", "boot: {pool: 7}", "SCH102", "spec.overrides[1].patch.boot.pool"),
        ("axle", "{names: [tram]}", "{names: [tarm]}", "REF001", "spec.overrides[0].clusters.names[0]"),
        ("axle", "{names: [tram]}", "{names: 7}", "SCH102", "spec.overrides[0].clusters.names"),
        ("axle", 'matchLabels: {rail: "yes"}', "matchLabels: {rail: true}", "SCH102", "spec.clusters.matchLabels.rail"),
        ("axle", "modprobe: {moduleName: axle, ", "modprobe: {modul: axle, ", "SCH101", "spec.modprobe.modul"),
        ("axle", "modprobe: {moduleName: axle, modulesLoadingOrder: [axle, axle_bus]}", "modprobe: axle", "SCH102", "spec.modprobe"),
        ("axle", "devicePlugin: {container: {image: \"ghcr.io/ferro/plugin:1\"}}", "devicePlugin: {}", "SCH103", "spec.devicePlugin.container"),
        ("axle", "axle, modulesLoadingOrder", "bogie, modulesLoadingOrder", "KMM403", "spec.modprobe.modulesLoadingOrder[0]"),
        ("yard", "topology: hosted", "topology: bus", "SCH104", "spec.topology"),
        ("yard", "hosted: {management: depot, namespace: tenants}", "hosted: depot", "SCH102", "spec.hosted"),
        ("yard", 'tools: {worker: "quay.io/acme/worker:2.6"}', "tools: 7", "SCH102", "spec.tools"),
        ("tram", "effect: NoExecute", "effect: Never", "SCH104", "spec.nodeGroups[0].taints[0].effect"),
        ("rented", 'tools: {kubectl: "quay.io/acme/cli:4.20"}', "tools: cli", "SCH102", "spec.tools"),
    ],
)  # fmt: skip
def test_a_slip_is_told_once_where_each_cluster_has_another_delivery(
    fleet: FleetFolder, file: str, old: str, new: str, rule: str, field: str
) -> None:
    fleet.write("drivers/axle.yaml", DRIVER)
    for name, spec in CLUSTERS.items():
        head = f'apiVersion: kmodgate.io/v1alpha1\nkind: Cluster\nmetadata: {{name: {name}, labels: {{rail: "yes"}}}}\n'
        fleet.write(f"clusters/{name}.yaml", f"{head}spec:\n{spec}")
    assert rules_of(fleet) == []
    path = next(fleet.root.glob(f"*/{file}.yaml"))
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert rules_of(fleet) == [(rule, field)]


def test_a_hub_whose_role_is_misspelt_is_told_once(fleet: FleetFolder) -> None:
    fleet.driver("nic", "delivery: hub\nhub: {selector: {tier: far}}")
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(f"{path.read_text().rstrip()}\n  acm: {{role: Hub}}\n")
    assert rules_of(fleet) == [("SCH104", "spec.acm.role")]


def test_a_mistake_in_an_override_is_told_beside_one_in_the_driver(fleet: FleetFolder) -> None:
    patched = "overrides:\n- {clusters: {names: [paris]}, patch: {imagePullPolicy: Sometimes}}"
    fleet.driver("nic", f"imageRepoSecret: 7\n{patched}")
    assert [rule for rule, _ in rules_of(fleet)] == ["SCH102", "SCH104"]
