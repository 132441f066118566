"""A spoke whose policy requires signing admits the Module that its hub makes of signed images, and no other."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from kmodgate.policy.config import read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Finding
from kmodgate.policy.kmm.resolution.resolve import resolve
from kmodgate.policy.review import Review
from tests.fleets import FleetFolder
from tests.renderer.compile.test_signed_elsewhere import PEM
from tests.renderer.deliveries.hub.hubs import DELIVERY, MODULE, hub

AGENT = "system:serviceaccount:open-cluster-management-agent:klusterlet-work-sa"
KERNEL = "5.14.0-427.el9.x86_64"
FILES = "filesToSign: ['/opt/lib/modules/${KERNEL_FULL_VERSION}/acme_dummy.ko']"
SIGN = f"{{keySecret: key, certSecret: cert, {FILES}}}"
SIGNED = f"contentTag: true\nbuild: {{dockerfile: ./nic.Dockerfile}}\nsign: {SIGN}\n"
POLICY = """\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {{name: signed}}
spec:
  clusters: {{names: [paris]}}
  parameters: {{requireSigning: {signing}}}
"""


def fleet_of(fleet: FleetFolder, more: str = SIGNED, signing: str = "{namespaces: [kmm-tests]}") -> FleetFolder:
    hub(fleet, more)
    fleet.write("drivers/nic.Dockerfile", "ARG DTK_AUTO\nFROM ${DTK_AUTO}\n")
    (fleet.root / "drivers/signer.pem").write_bytes(PEM)
    fleet.write("policy.yaml", POLICY.format(signing=signing))
    return fleet


def parameters(fleet: FleetFolder) -> Any:
    config_map = fleet.object("paris/cluster/configmap-kmodgate-policy.yaml")
    return yaml.safe_load(config_map["data"]["policy.yaml"])["spec"]["parameters"]


def made_by_hub(fleet: FleetFolder) -> dict[str, Any]:
    """The Module of a spoke as KMM's hub operator makes it: a literal mapping for each kernel, and no build or sign."""
    hub_module = fleet.object(MODULE)
    metadata = {"name": "nic", "namespace": "kmm-tests"}
    spec = copy.deepcopy(hub_module["spec"]["moduleSpec"])
    found = resolve({"metadata": metadata, "spec": spec}, KERNEL)
    container = spec["moduleLoader"]["container"]
    for key in ("build", "sign"):
        container.pop(key, None)
    container["kernelMappings"] = [{"literal": KERNEL, "containerImage": found.image}]
    return {"apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": "Module", "metadata": metadata, "spec": spec}


def judged(fleet: FleetFolder, module: dict[str, Any], user: str, old: Any = None) -> list[Finding]:
    engine = Engine(read_policy({"parameters": parameters(fleet)}), "admit")
    return engine.evaluate(Review(module, old, "CREATE" if old is None else "UPDATE", user=user))


def is_admitted(fleet: FleetFolder, module: dict[str, Any], user: str = AGENT, old: Any = None) -> bool:
    found = judged(fleet, module, user, old)
    return not any(item.mode == "enforce" and item.rule.startswith("SGN") for item in found)


def refused(fleet: FleetFolder) -> str:
    result = fleet.run("render")
    assert result.returncode == 1
    return result.stderr


def test_the_policy_of_a_spoke_lists_what_its_hub_signs(fleet: FleetFolder) -> None:
    fleet_of(fleet).render()

    (entry,) = parameters(fleet)["signedElsewhere"]
    assert entry["driver"] == "kmm-tests/nic"
    assert (entry["modules"], entry["writer"]) == (["acme_dummy"], AGENT)
    container = fleet.object(MODULE)["spec"]["moduleSpec"]["moduleLoader"]["container"]
    assert entry["images"] == [container["containerImage"]]
    assert "signedElsewhere" not in str(fleet.files().get("hub/cluster/configmap-kmodgate-policy.yaml"))


def test_the_work_agent_of_the_spoke_may_write_it(fleet: FleetFolder) -> None:
    fleet_of(fleet).render()

    assert is_admitted(fleet, made_by_hub(fleet))


def test_nobody_else_may_but_an_update_of_the_same_spec_is_fine(fleet: FleetFolder) -> None:
    fleet_of(fleet).render()
    module = made_by_hub(fleet)
    labelled = {**module, "metadata": {**module["metadata"], "labels": {"a": "b"}}}
    changed = copy.deepcopy(module)
    changed["spec"]["selector"] = {"other": "nodes"}

    assert not is_admitted(fleet, module, user="ann")
    assert f"only {AGENT} may write this Module" in str(judged(fleet, module, "ann"))
    assert is_admitted(fleet, labelled, user="ann", old=module)
    assert not is_admitted(fleet, changed, user="ann", old=module)
    assert is_admitted(fleet, changed, user=AGENT, old=module)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kernelMappings", [{"literal": KERNEL, "containerImage": f"quay.io/mallory/nic:1.0-{KERNEL}"}]),
        ("kernelMappings", [{"literal": "6.0.0-1.x86_64", "containerImage": f"quay.io/acme/nic:1.0-{KERNEL}"}]),
        ("modprobe", {"moduleName": "unsigned_one"}),
        ("modprobe", {"moduleName": "acme_dummy", "modulesLoadingOrder": ["acme_dummy", "unsigned_one"]}),
    ],
)
def test_another_image_or_module_is_refused_whoever_writes_it(fleet: FleetFolder, field: str, value: Any) -> None:
    fleet_of(fleet).render()
    module = made_by_hub(fleet)
    module["spec"]["moduleLoader"]["container"][field] = value

    assert not is_admitted(fleet, module)


def test_what_was_signed_before_is_known_by_the_image_of_its_kernel(fleet: FleetFolder) -> None:
    fleet_of(fleet, "sign: {prebuilt: true, certificate: ./signer.pem}\n").render()

    (entry,) = parameters(fleet)["signedElsewhere"]
    assert "writer" not in entry
    assert is_admitted(fleet, made_by_hub(fleet))


def test_an_agent_in_another_namespace_is_named_by_the_spoke(fleet: FleetFolder) -> None:
    fleet_of(fleet)
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(path.read_text().replace("hub: hub}", "hub: hub, agentNamespace: klusterlet-1}"))
    fleet.render()

    (entry,) = parameters(fleet)["signedElsewhere"]
    assert entry["writer"] == "system:serviceaccount:klusterlet-1:klusterlet-work-sa"


def test_what_the_hub_does_not_sign_is_refused_when_it_is_rendered(fleet: FleetFolder) -> None:
    text = refused(fleet_of(fleet, ""))

    assert "error[SGN201] spec.kernelMappings[0].sign: missing: the policy asks for signed modules here" in text


def test_a_module_that_the_hub_leaves_unsigned_is_refused_when_it_is_rendered(fleet: FleetFolder) -> None:
    more = SIGNED.replace("acme_dummy.ko", "another.ko")

    text = refused(fleet_of(fleet, more))

    assert "error[SGN201] spec.sign.filesToSign: not all that is loaded is signed by the hub" in text
    assert "name the file of every module that is loaded" in text


LISTED = "{namespaces: [kmm-tests], fingerprints: ['%s']}"


def test_a_policy_that_lists_certificates_wants_that_of_the_hub(fleet: FleetFolder) -> None:
    with_certificate = SIGNED.replace("{keySecret", "{certificate: ./signer.pem, keySecret")
    fleet_of(fleet, with_certificate).render()
    fingerprint = parameters(fleet)["signedElsewhere"][0]["fingerprint"]
    fleet.write("policy.yaml", POLICY.format(signing=LISTED % fingerprint))
    fleet.render()
    assert is_admitted(fleet, made_by_hub(fleet))

    fleet.driver("nic", DELIVERY + SIGNED, clusters="{names: [hub]}")
    assert "name the certificate in the KernelDriver: sign.certificate" in refused(fleet)
    fleet.write("policy.yaml", POLICY.format(signing=LISTED % ("a" * 64)))
    fleet.driver("nic", DELIVERY + with_certificate, clusters="{names: [hub]}")
    assert "SGN201" in refused(fleet)


def test_a_certificate_beside_keys_is_for_hubs_alone(fleet: FleetFolder) -> None:
    more = SIGNED.replace("{keySecret", "{certificate: ./signer.pem, keySecret")
    fleet_of(fleet, more)
    fleet.driver("nic", more, clusters="{names: [paris]}")

    result = fleet.run("render")

    assert result.returncode == 2
    assert "certificate" in result.stderr
    assert "prebuilt" in result.stderr


def test_the_policy_of_the_spoke_is_asked_about_images_too(fleet: FleetFolder) -> None:
    fleet_of(fleet)
    policy = POLICY.format(signing="{}").replace("requireSigning: {}", "allowedRegistries: [registry.example.com]")
    fleet.write("policy.yaml", policy)

    text = refused(fleet)

    assert "spec.containerImage" in text
    assert "registry.example.com" in text
