"""What follows from an error that is told already is not told: one slip, one finding."""

from __future__ import annotations

import json
import re

import pytest

from tests.fleets import FleetFolder

CLUSTER = """\
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata: {name: paris, labels: {tier: edge}}
spec:
  platform: kubernetes
  kmm: {version: "2.6"}
  nodeGroups:
    - {name: workers, count: 3, labels: {node-role.kubernetes.io/worker: ""}, kernels: [5.14.0-427.el9.x86_64]}
"""
REGEXP = "regexp: '^5\\.14\\..+$'"


def changed(fleet: FleetFolder, old: str, new: str) -> list[tuple[str, str]]:
    """Rule and fix of the findings but notes, after one slip in the driver or in the cluster."""
    fleet.driver("nic")
    fleet.write("clusters/paris.yaml", CLUSTER)
    names = [name for name in ("drivers/nic.yaml", "clusters/paris.yaml") if old in (fleet.root / name).read_text()]
    assert len(names) == 1, old
    path = fleet.root / names[0]
    path.write_text(path.read_text().replace(old, new))
    found = json.loads(fleet.run("check", "--format", "json").stdout)["findings"]
    return [(item["rule"], item["fix"]) for item in found if item["mode"] in ("enforce", "warn")]


@pytest.mark.parametrize(
    ("old", "new", "rule", "fix"),
    [
        (REGEXP, "literal: '^5\\.14\\..+$'", "INJ104", "in its place write regexp"),
        (REGEXP, "regexp: '*'", "KMM203", "write before it what is repeated"),
        ('labels: {node-role.kubernetes.io/worker: ""}', "labels: [worker]", "SCH102", "map"),
        ("kernels: [5.14.0-427.el9.x86_64]", "kernels: 5.14.0-427.el9.x86_64", "SCH102", "write kernels: ["),
        ("matchLabels: {tier: edge}", "matchLabels: {teir: edge}", "REF001", 'write tier: "edge", which clusters have'),
        ("matchLabels: {tier: edge}", "matchLabels: {tier: egde}", "REF001", 'write tier: "edge"'),
        ("  modprobe:", "  build: {dockerfile: FROM scratch}\n  modprobe:", "REF003", "write the text to a file"),
        ("  modprobe:", "  delivery: kmm\n  delivery: hub\n  modprobe:", "SCH003", "keep one of the two"),
        ("clusters: {matchLabels: {tier: edge}}", "clusters:", "SCH102", "or write matchLabels: {} for all"),
        ('selector: {node-role.kubernetes.io/worker: ""}', "selector: {pool: }", "SCH102", 'write pool: ""'),
        ("metadata: {name: nic}", "metadata: {name: Acme_NIC}", "SCH104", "write acme-nic"),
        ('version: "2.6"', 'version: "v2.6"', "SCH104", 'write "2.6"'),
        ("{moduleName: acme_dummy}", "{moduleName: acme_dummy, parameters: [debug: 1]}", "SCH102", "write debug=1"),
        ("${KERNEL_FULL_VERSION}", "${KERNEL_VERSION_FULL}", "IMG201", "write ${KERNEL_FULL_VERSION}"),
        (REGEXP, 'regexp: "^5\\.14\\..+$"', "SCH002", "in single quotes"),
        (REGEXP, "regexp: *", "SCH002", "put the text in quotes"),
        (REGEXP, "regexp: [56].+", "SCH002", "put the text in quotes"),
    ],
)
def test_a_slip_is_told_once(fleet: FleetFolder, old: str, new: str, rule: str, fix: str) -> None:
    [(found, said)] = changed(fleet, old, new)
    assert found == rule
    assert fix in said


def test_every_kernel_of_a_group_counts(fleet: FleetFolder) -> None:
    two = "kernels: [5.14.0-427.el9.x86_64, 6.12.0-55.el10.x86_64]"
    found = changed(fleet, "kernels: [5.14.0-427.el9.x86_64]", two)
    assert found == [("SEL202", "add a mapping for 6.12.0-55.el10.x86_64")]


POLICY = """\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {name: edge}
spec: {clusters: {matchLabels: {tier: edge}}, modes: [MAP202: warn, BLD: audit], parameters: {allowedRegistries: [quay.io]}}
"""


@pytest.mark.parametrize(
    ("old", "new", "fix"),
    [
        ("", "", "write modes: {MAP202: warn, BLD: audit}"),
        ("[MAP202: warn, BLD: audit]", "{map202: warn}", "write MAP202"),
        (
            "[MAP202: warn, BLD: audit], parameters: {allowedRegistries: [quay.io]}",
            "{}, parameters: {allowedRegistries: ['https://quay.io']}",
            "write quay.io",
        ),
        (
            "[MAP202: warn, BLD: audit], parameters: {allowedRegistries: [quay.io]}",
            "{}, parameters: {allowedRegistries: ['quay.io/acme/*']}",
            "write quay.io/acme",
        ),
    ],
)
def test_a_slip_in_a_policy_is_told_there_alone(fleet: FleetFolder, old: str, new: str, fix: str) -> None:
    fleet.write("policies/edge.yaml", POLICY.replace(old, new) if old else POLICY)
    [(_, said)] = changed(fleet, "  modprobe: {moduleName: acme_dummy}", "  modprobe: {moduleName: acme_dummy} ")
    assert said == fix


SIGNED = """\
build: {dockerfile: ./nic.Dockerfile}
sign: {keySecret: key, certSecret: cert, filesToSign: [/opt/acme_dummy.ko]}
contentTag: true
tolerations: [{key: a, operator: Equal, value: b, effect: NoSchedule}]
overrides:
- {clusters: {names: [paris]}, patch: {modprobe: {parameters: [debug=1]}}}"""


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("metadata: {name: nic}", "metadata: {name: Nic}", "SCH104"),
        ("metadata: {name: nic}", "metadata: {name: 'nic '}", "SCH104"),
        ("namespace: {name: kmm-tests}", "namespace: {name: KMM}", "SCH104"),
        ("  - {name: el9, ", "  - {name: el9, literal: 5.14.0-427.el9.x86_64}\n  - {name: el9, ", "SCH105"),
        ("build: {dockerfile: ./nic.Dockerfile}", "build:", "SCH102"),
        ("build: {dockerfile: ./nic.Dockerfile}", "build: {dockerfile: 7}", "SCH102"),
        ("build: {dockerfile: ./nic.Dockerfile}", "build: {}", "SCH104"),
        ("sign: {keySecret: key, certSecret: cert, filesToSign: [/opt/acme_dummy.ko]}", "sign: [key]", "SCH102"),
        ("{key: a, operator", "{key: 7, operator", "SCH102"),
        ("  modprobe: {moduleName: acme_dummy}\n", "", "SCH103"),
        ("sign: {keySecret: key", "sign: {prebuilt: true, keySecret: key", "SCH104"),
    ],
)
def test_a_slip_is_told_once_in_a_driver_that_is_built_and_overridden(
    fleet: FleetFolder, old: str, new: str, rule: str
) -> None:
    fleet.driver("nic", SIGNED)
    fleet.write("drivers/nic.Dockerfile", "FROM quay.io/acme/base:1\n")
    fleet.write("clusters/paris.yaml", CLUSTER)
    path = fleet.root / "drivers/nic.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    found = json.loads(fleet.run("check", "--format", "json").stdout)["findings"]
    assert [item["rule"] for item in found if item["mode"] in ("enforce", "warn")] == [rule]


@pytest.mark.parametrize(("field", "slip"), [("type: tag", "type: tags"), ("mirror: reg", "mirror: https://reg")])
def test_a_slip_in_a_mirror_is_told_there_alone(fleet: FleetFolder, field: str, slip: str) -> None:
    mirror = "{source: quay.io/acme, mirror: reg.site/acme, type: tag}"
    digests = mirror.replace("tag", "digest")
    mirrors = f"  platform: kubernetes\n  mirrors: [{digests}, {mirror.replace(field, slip)}]\n"
    found = changed(fleet, "  platform: kubernetes\n", mirrors)
    assert [rule for rule, _ in found] == ["SCH104"]


def test_a_slip_in_the_pool_of_boot_is_told_there_alone(fleet: FleetFolder) -> None:
    boot = f"moduleName: ice}}\n  boot: {{pool: infra, image: quay.io/acme/ice, workerImage: 'quay.io/a/w@sha256:{'a' * 64}'}}"
    platform = CLUSTER.replace("platform: kubernetes", "platform: openshift")
    fleet.driver("nic")
    driver = fleet.root / "drivers/nic.yaml"
    driver.write_text(re.sub(r"moduleName: [^}]+}", boot, driver.read_text()))
    fleet.write("clusters/paris.yaml", platform)
    found = json.loads(fleet.run("check", "--format", "json").stdout)["findings"]
    assert [item["rule"] for item in found if item["mode"] in ("enforce", "warn")] == ["DAY002"]
