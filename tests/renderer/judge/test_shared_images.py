"""An image name stands for one content in the whole fleet: who comes first makes it for all (IMG401)."""

from __future__ import annotations

import re

import pytest

from tests.fleets import FleetFolder
from tests.renderer.checking import check, findings

IMAGE = "quay.io/acme/nic:1.0-${KERNEL_FULL_VERSION}"
BUILT = "build: {dockerfile: ./nic.Dockerfile, buildArgs: {DEBUG: '0'}}\n"
SIGNED = "sign: {keySecret: k, certSecret: c, filesToSign: ['/opt/lib/modules/${KERNEL_FULL_VERSION}/nic.ko']}\n"
DOCKERFILE = "FROM quay.io/acme/base:1\nARG DEBUG\nRUN make DEBUG=$DEBUG\n"


def override(patch: str) -> str:
    return f"overrides:\n- clusters: {{names: [lab]}}\n  patch: {{{patch}}}\n"


def found(fleet: FleetFolder, spec: str, more: str = "", image: str = IMAGE) -> list[tuple[str, str, list[str]]]:
    for name in ("lab", "paris", "rome"):
        fleet.cluster(name)
    path = fleet.driver("nic", spec + more)
    path.write_text(re.sub("  containerImage: .*\n", f"  containerImage: {image}\n", path.read_text(), count=1))
    fleet.write("drivers/nic.Dockerfile", DOCKERFILE)
    fleet.write("drivers/lab.Dockerfile", DOCKERFILE.replace("make", "make -j"))
    result = check(fleet.root, ".", "--format", "json")
    return [(item["field"], item["message"], item["clusters"]) for item in findings(result) if item["rule"] == "IMG401"]


@pytest.mark.parametrize(
    ("spec", "patch", "what"),
    [
        (BUILT + SIGNED, "sign: null", "signed here only"),
        (BUILT, "build: {dockerfile: ./lab.Dockerfile}", "another Dockerfile"),
        (BUILT, "build: {buildArgs: {DEBUG: '1'}}", "other build arguments"),
        (BUILT + SIGNED, "sign: {keySecret: lab}", "another key"),
        (BUILT + SIGNED, "sign: {filesToSign: ['/opt/lib/modules/*/nic.ko']}", "other files to sign"),
    ],
)
def test_other_content_under_one_name_is_an_error(fleet: FleetFolder, spec: str, patch: str, what: str) -> None:
    ((field, message, clusters),) = found(fleet, spec, override(patch))
    assert field.endswith("containerImage")
    assert what in message
    assert clusters == ["paris", "rome"]


@pytest.mark.parametrize(
    ("spec", "patch"),
    [
        (BUILT + SIGNED, ""),  # the same on all clusters
        (BUILT, "containerImage: 'quay.io/acme/lab:1.0-${KERNEL_FULL_VERSION}', build: {buildArgs: {DEBUG: '1'}}"),
        (BUILT + "contentTag: true\n", "build: {buildArgs: {DEBUG: '1'}}"),
        (BUILT, "build: null"),  # takes the image that the others make
        (BUILT, "build: {selector: {fast: disk}}"),  # where it is built changes nothing
    ],
)
def test_the_same_content_or_another_name_is_silence(fleet: FleetFolder, spec: str, patch: str) -> None:
    assert found(fleet, spec, override(patch) if patch else "") == []


def test_each_cluster_has_a_registry_of_its_own_inside(fleet: FleetFolder) -> None:
    image = IMAGE.replace("quay.io", "image-registry.openshift-image-registry.svc:5000")
    assert found(fleet, BUILT, override("build: {buildArgs: {DEBUG: '1'}}"), image) == []


POLICY = """\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {name: all}
spec:
  clusters: {names: [%s]}
  %s
"""
EXCEPTION = (
    "exceptions: [{rule: IMG401, object: {kind: Module, name: nic}, owner: a, ticket: b, expires: '2099-01-01'}]"
)


@pytest.mark.parametrize(
    ("says", "modes"),
    [
        ("modes: {IMG401: warn}", ["warn"]),
        ("modes: {IMG: audit}", ["audit"]),
        ("gates: {check: {IMG401: disabled}}", []),
        ("profile: parity", []),
        (EXCEPTION, ["audit"]),
    ],
)
def test_a_policy_gives_it_a_mode(fleet: FleetFolder, says: str, modes: list[str]) -> None:
    fleet.write("policy.yaml", POLICY % ("lab, paris, rome", says))
    found(fleet, BUILT, override("build: {buildArgs: {DEBUG: '1'}}"))
    result = check(fleet.root, ".", "--format", "json")
    assert [item["mode"] for item in findings(result) if item["rule"] == "IMG401"] == modes
    assert result.returncode == 0


def test_each_cluster_has_the_mode_of_its_policy(fleet: FleetFolder) -> None:
    fleet.write("policy.yaml", POLICY % ("rome", "modes: {IMG401: warn}"))
    found(fleet, BUILT, override("build: {buildArgs: {DEBUG: '1'}}"))
    told = [item for item in findings(check(fleet.root, ".", "--format", "json")) if item["rule"] == "IMG401"]
    assert sorted((item["mode"], item["clusters"]) for item in told) == [("enforce", ["paris"]), ("warn", ["rome"])]


def on_kernel(fleet: FleetFolder, cluster: str, kernel: str) -> None:
    path = fleet.cluster(cluster)
    path.write_text(path.read_text().replace('worker: ""}}', f'worker: ""}}, kernels: [{kernel}]}}'))
    assert kernel in path.read_text()


FIRST, SECOND = "5.14.0-503.el9.x86_64", "5.14.0-570.el9.x86_64"


@pytest.mark.parametrize(
    ("spec", "image", "rome", "message"),
    [
        (BUILT, "quay.io/acme/nic:1.0", SECOND, f"is made for {FIRST} on lab, and for {SECOND} here"),
        (BUILT + "contentTag: true\n", "quay.io/acme/nic:1.0", SECOND, f"and for {SECOND} here"),
        (BUILT, "quay.io/acme/nic:1.0", FIRST, ""),
        (BUILT, IMAGE, SECOND, ""),
        ("", "quay.io/acme/nic:1.0", SECOND, ""),
    ],
)
def test_one_name_for_kernels_of_two_clusters_is_an_error(
    fleet: FleetFolder, spec: str, image: str, rome: str, message: str
) -> None:
    on_kernel(fleet, "lab", FIRST)
    on_kernel(fleet, "rome", rome)
    path = fleet.driver("nic", spec)
    path.write_text(re.sub("  containerImage: .*\n", f"  containerImage: {image}\n", path.read_text(), count=1))
    fleet.write("drivers/nic.Dockerfile", DOCKERFILE)
    told = [item for item in findings(check(fleet.root, ".", "--format", "json")) if item["rule"] == "IMG401"]
    assert [(message in item["message"], item["clusters"]) for item in told] == ([(True, ["rome"])] if message else [])
