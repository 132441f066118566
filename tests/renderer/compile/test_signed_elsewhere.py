"""Images that are signed before they are pushed: `sign.prebuilt` of a spec, and `signedElsewhere` of the policy."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest
import yaml

from kmodgate.policy.cluster.controllers import controllers_of
from kmodgate.policy.config import Policy, read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.review import Review
from tests.fleets import REPOSITORY, FleetFolder
from tests.renderer.checking import check, findings

EXAMPLE = (REPOSITORY / "tests/rules/SGN302/fail-expired-der.yaml").read_text()
DER = base64.b64decode(yaml.safe_load(EXAMPLE.partition("# facts:\n---\n")[2])["data"]["cert"])
PEM = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(DER) + b"-----END CERTIFICATE-----\n"
POLICY = """\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {name: signed}
spec:
  clusters: {matchLabels: {}}
  parameters: {requireSigning: {namespaces: [kmm-tests]}}
"""
PREBUILT = "sign: {prebuilt: true}"
CERTIFIED = "sign: {prebuilt: true, certificate: ./vendor.pem}"


@pytest.fixture
def secured(fleet: FleetFolder) -> FleetFolder:
    """A cluster with Secure Boot, and a certificate beside the driver."""
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(path.read_text().replace("count: 3", "count: 3, secureBoot: true"))
    (fleet.root / "drivers/vendor.pem").write_bytes(PEM)
    return fleet


def rules(fleet: FleetFolder, *arguments: str) -> set[str]:
    found = findings(check(fleet.root, *arguments, "--format", "json"))
    return {item["rule"] for item in found if item["mode"] in ("enforce", "warn")}


def policy_of(fleet: FleetFolder, cluster: str = "paris") -> dict[str, Any]:
    """The policy that the webhook of a cluster mounts."""
    config_map = fleet.object(f"{cluster}/cluster/configmap-kmodgate-policy.yaml")
    return {**yaml.safe_load(config_map["data"]["policy.yaml"])["spec"], "clusters": {}}


def test_what_is_signed_elsewhere_renders_no_sign_and_is_believed(secured: FleetFolder) -> None:
    secured.driver("nic")
    assert rules(secured) == {"SGN202"}
    secured.driver("nic", PREBUILT)
    assert rules(secured) == set()
    secured.render()
    assert "sign" not in secured.object("paris/nic/module-nic.yaml")["spec"]["moduleLoader"]["container"]
    assert rules(secured, "rendered") == set()


def test_a_plan_believes_that_images_are_signed_elsewhere(secured: FleetFolder) -> None:
    path = secured.root / "clusters/paris.yaml"
    path.write_text(path.read_text().replace("count: 3", "count: 3, kernels: [5.14.0-1.x86_64]"))
    secured.driver("nic")
    kernel = "--kernel=5.14.0-2.x86_64"
    assert "Secure Boot refuses unsigned modules" in secured.run("plan", kernel, "--format", "json").stdout
    secured.driver("nic", PREBUILT)
    assert "Secure Boot" not in secured.run("plan", kernel, "--format", "json").stdout


def test_the_policy_of_each_cluster_lists_what_is_signed_elsewhere_there(secured: FleetFolder) -> None:
    secured.cluster("rome", labels={"tier": "core"})
    secured.driver("nic", CERTIFIED)
    secured.driver("other", clusters="{matchLabels: {tier: core}}")
    secured.render()
    (entry,) = policy_of(secured)["parameters"]["signedElsewhere"]
    assert entry["driver"] == "kmm-tests/nic"
    assert entry["images"] == ["quay.io/acme/nic:1.0-${KERNEL_FULL_VERSION}"]
    assert len(entry["fingerprint"]) == 64
    assert policy_of(secured, "rome")["parameters"].keys() == {"controllers"}


def test_the_image_at_boot_is_signed_elsewhere_as_well(secured: FleetFolder) -> None:
    path = secured.root / "clusters/paris.yaml"
    mirrors = "  mirrors: [{source: quay.io/acme, mirror: mirror.paris/acme, type: tag}]\n"
    path.write_text(path.read_text().replace("platform: kubernetes", "platform: openshift") + mirrors)
    worker = "workerImage: 'quay.io/acme/worker:2.6'"
    secured.driver("nic", f"{CERTIFIED}\nboot: {{pool: worker, image: quay.io/acme/nic-day1, {worker}}}\n")
    secured.write("policy.yaml", POLICY)
    secured.render()
    assert rules(secured) == set()
    (entry,) = policy_of(secured)["parameters"]["signedElsewhere"]
    assert entry["images"] == [
        "mirror.paris/acme/nic:1.0-${KERNEL_FULL_VERSION}", "mirror.paris/acme/nic-day1:${KERNEL_FULL_VERSION}"
    ]  # fmt: skip


@pytest.mark.parametrize("data", [PEM, DER], ids=["PEM", "DER"])
def test_only_a_certificate_satisfies_a_policy_that_requires_signing(secured: FleetFolder, data: bytes) -> None:
    (secured.root / "drivers/vendor.pem").write_bytes(data)
    secured.write("policy.yaml", POLICY)
    for sign, expected in ((CERTIFIED, set()), (PREBUILT, {"SGN201"}), ("", {"SGN201", "SGN202"})):
        secured.driver("nic", sign)
        assert rules(secured) == expected


def test_the_hash_of_a_policy_stays_where_nothing_is_signed_elsewhere(secured: FleetFolder) -> None:
    secured.driver("nic")
    secured.render()
    annotations = secured.object("paris/cluster/configmap-kmodgate-policy.yaml")["metadata"]["annotations"]
    assert Policy().digest == "44136fa355b3678a"
    plain = Policy().with_controllers(controllers_of("upstream"))
    assert annotations["kmodgate.io/policy-hash"] == plain.digest == "44e38a98a73cbbeb"
    secured.driver("nic", PREBUILT)
    secured.render()
    changed = secured.object("paris/cluster/configmap-kmodgate-policy.yaml")["metadata"]["annotations"]
    assert changed["kmodgate.io/policy-hash"] == read_policy(policy_of(secured)).digest != plain.digest


@pytest.mark.parametrize(
    ("sign", "words"),
    [
        ("{prebuilt: true, keySecret: k}", "has prebuilt beside what signs in the cluster"),
        ("{prebuilt: true, certSecret: c}", "has prebuilt beside what signs in the cluster"),
        ("{prebuilt: true, filesToSign: [/opt/a.ko]}", "has prebuilt beside what signs in the cluster"),
        ("{prebuilt: true, unsignedImage: 'a/b:1'}", "has prebuilt beside what signs in the cluster"),
        ("{prebuilt: false}", "is not true"),
        ("{certificate: ./vendor.pem, keySecret: k, certSecret: c, filesToSign: [/opt/a.ko]}", "without prebuilt"),
        ("{keySecret: k}", "certSecret: missing"),
        ("{prebuilt: true, certificate: ./none.pem}", "./none.pem"),
        ("{prebuilt: true, certificate: ./nic.yaml}", "holds no certificate"),
    ],
)
def test_a_spec_that_says_it_wrongly_is_refused_at_its_line(secured: FleetFolder, sign: str, words: str) -> None:
    secured.driver("nic", f"sign: {sign}")
    result = secured.run("render")
    assert result.returncode == 2
    assert words in result.stderr
    assert "drivers/nic.yaml:12:" in result.stderr


BUILD = "{dockerfile: ./nic.Dockerfile}"
SIGN = "{keySecret: key, certSecret: cert, filesToSign: [/opt/a.ko]}"
REGEXP = "regexp: '^5\\.14\\..+$'"


def with_mapping(fleet: FleetFolder, mapping: str, more: str) -> None:
    """The driver with more fields in its mapping and in its spec, and a Dockerfile."""
    path = fleet.driver("nic", more)
    path.write_text(path.read_text().replace(REGEXP, f"{REGEXP}{mapping}"))
    fleet.write("drivers/nic.Dockerfile", "FROM scratch\n")


@pytest.mark.parametrize(
    ("mapping", "more", "field"),
    [
        ("", f"{PREBUILT}\nbuild: {BUILD}", "spec.build"),
        ("", f"{CERTIFIED}\nbuild: {BUILD}", "spec.build"),
        (f", build: {BUILD}", PREBUILT, "spec.kernelMappings[0].build"),
        ("", f"build: {BUILD}\noverrides:\n- clusters: {{names: [paris]}}\n  patch: {{{PREBUILT}}}", "build: would be"),
        ("", f"{PREBUILT}\noverrides:\n- clusters: {{names: [paris]}}\n  patch: {{build: {BUILD}}}", "patch.build"),
    ],
)
def test_an_image_that_is_built_here_is_not_signed_elsewhere(
    secured: FleetFolder, mapping: str, more: str, field: str
) -> None:
    with_mapping(secured, mapping, more)
    result = secured.run("render")
    assert result.returncode == 2
    assert field in result.stderr
    assert "would be built in the cluster, unsigned" in result.stderr
    assert "fix: remove it, or give what is built a sign with keySecret" in result.stderr


@pytest.mark.parametrize(
    ("mapping", "more"),
    [
        (f", build: {BUILD}, sign: {SIGN}", PREBUILT),
        (f", sign: {SIGN}", f"{PREBUILT}\nbuild: {BUILD}"),
        ("", f"sign: {SIGN}\nbuild: {BUILD}"),
    ],
)
def test_what_is_built_and_signed_here_may_stand_beside_it(secured: FleetFolder, mapping: str, more: str) -> None:
    with_mapping(secured, mapping, more)
    secured.render()


LISTED = {"driver": "kmm-tests/nic", "images": ["quay.io/acme/nic:1.0"], "fingerprint": "a" * 64}


def module() -> dict[str, Any]:
    container = {
        "modprobe": {"moduleName": "nic"},
        "containerImage": "quay.io/acme/nic:1.0",
        "kernelMappings": [{"literal": "5.14.0-1.x86_64", "containerImage": ""}],
    }
    return {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {"name": "nic", "namespace": "kmm-tests"},
        "spec": {"selector": {"a": "b"}, "moduleLoader": {"container": container}},
    }


def is_refused(value: dict[str, Any], entry: dict[str, Any] | None) -> bool:
    parameters = {
        "requireSigning": {"namespaces": ["kmm-tests", "drivers"]},
        "signedElsewhere": [entry] if entry else [],
    }
    found = Engine(read_policy({"parameters": parameters}), "admit").evaluate(Review(defaulted(value), user="ann"))
    return any(item.rule == "SGN201" and item.mode == "enforce" for item in found)


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    value = copy.deepcopy(module())
    place: Any = value
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return value


CONTAINER = ("spec", "moduleLoader", "container")
FORGED = {
    "another image": changed(*CONTAINER, "containerImage", to="quay.io/acme/nic:1.1"),
    "another image of a mapping": changed(
        *CONTAINER, "kernelMappings", 0, "containerImage", to="quay.io/mallory/nic:1.0"
    ),
    "another name": changed("metadata", "name", to="other"),
    "another namespace": changed("metadata", "namespace", to="drivers"),
    "built here": changed(*CONTAINER, "build", to={"dockerfileConfigMap": {"name": "d"}}),
    "raw arguments": changed(*CONTAINER, "modprobe", to={"rawArgs": {"load": ["x"], "unload": ["-r", "x"]}}),
}


@pytest.mark.parametrize("case", FORGED)
def test_another_module_than_the_listed_one_is_refused_at_admission(case: str) -> None:
    assert not is_refused(module(), LISTED)
    assert is_refused(FORGED[case], LISTED)


@pytest.mark.parametrize(
    "metadata",
    [
        {"annotations": {"kmodgate.io/signed-elsewhere": "true", "kmodgate.io/key-fingerprint": "a" * 64}},
        {"labels": {"prebuilt": "true", "signedElsewhere": "true"}},
    ],
)
def test_nothing_that_a_module_says_of_itself_counts(metadata: dict[str, Any]) -> None:
    value = module()
    value["metadata"] |= metadata
    assert is_refused(value, None)
    assert is_refused(value, {key: item for key, item in LISTED.items() if key != "fingerprint"})
    assert not is_refused(value, LISTED)
