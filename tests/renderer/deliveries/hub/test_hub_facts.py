"""`check --facts`: what a hub builds and signs with is looked for on the hub, in the namespace of its operator."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import yaml

from tests.fleets import FleetFolder
from tests.renderer.checking import findings
from tests.renderer.compile.test_signed_elsewhere import DER
from tests.renderer.deliveries.hub.hubs import hub

SIGNED = """\
imageRepoSecret: pull
sign: {keySecret: key, certSecret: cert, filesToSign: ['/opt/lib/modules/${KERNEL_FULL_VERSION}/acme_dummy.ko']}
build: {dockerfile: ./nic.Dockerfile, secrets: [token]}
"""


def secret(name: str, key: str, namespace: str = "openshift-kmm-hub", value: bytes = b"x", type: str = "Opaque") -> Any:
    data = {key: base64.b64encode(value).decode()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": type, "data": data}


def pull(namespace: str) -> Any:
    return secret("pull", ".dockerconfigjson", namespace, b"{}", "kubernetes.io/dockerconfigjson")


def all_of_hub() -> list[Any]:
    return [secret("key", "key"), secret("cert", "cert"), secret("token", "token"), pull("openshift-kmm-hub")]


@pytest.fixture
def signed(fleet: FleetFolder) -> FleetFolder:
    """A driver that its hub builds and signs."""
    hub(fleet, SIGNED)
    fleet.write("drivers/nic.Dockerfile", "ARG DTK_AUTO\nFROM ${DTK_AUTO}\n")
    fleet.render()
    return fleet


def told(fleet: FleetFolder, cluster: str, objects: list[Any]) -> list[tuple[str, str]]:
    """Return rule and field of what a dump of a cluster shows, notes left out."""
    kinds = [{"apiVersion": "v1", "kind": f"{kind}List", "items": []} for kind in ("Secret", "ConfigMap")]
    dump = fleet.write(f"{cluster}.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": objects + kinds}))
    result = fleet.run("check", "--facts", f"{cluster}={dump}", "--format", "json")
    return [(item["rule"], item["specField"]) for item in findings(result) if item["mode"] in ("enforce", "warn")]


def test_what_is_there_is_fine(signed: FleetFolder) -> None:
    assert told(signed, "hub", all_of_hub()) == []


@pytest.mark.parametrize(
    ("missing", "field"),
    [
        ("key", "spec.sign.keySecret"),
        ("cert", "spec.sign.certSecret"),
        ("token", "spec.build.secrets[0]"),
        ("pull", "spec.imageRepoSecret"),
    ],
)
def test_a_secret_that_the_hub_lacks_is_told_at_its_line(signed: FleetFolder, missing: str, field: str) -> None:
    left = [item for item in all_of_hub() if item["metadata"]["name"] != missing]

    assert told(signed, "hub", left) == [("REF101", field)]


def test_secrets_of_the_spokes_namespace_on_the_hub_do_not_count(signed: FleetFolder) -> None:
    objects = [secret("key", "key", "kmm-tests"), *all_of_hub()[1:]]

    assert told(signed, "hub", objects) == [("REF101", "spec.sign.keySecret")]


def test_keys_and_certificates_are_those_of_the_hub(signed: FleetFolder) -> None:
    wrong = [secret("key", "tls.key"), secret("cert", "cert", value=DER), *all_of_hub()[2:]]

    found = told(signed, "hub", wrong)

    assert ("SGN301", "spec.sign.keySecret") in found
    assert ("SGN302", "spec.sign.certSecret") in found


def test_a_spoke_needs_the_pull_secret_and_nothing_else(signed: FleetFolder) -> None:
    assert told(signed, "paris", [pull("kmm-tests")]) == []
    assert told(signed, "paris", []) == [("REF101", "spec.imageRepoSecret")]


def test_the_namespace_of_an_operator_is_that_of_the_spec(signed: FleetFolder) -> None:
    path = signed.root / "clusters/hub.yaml"
    path.write_text(path.read_text().replace("flavour: redhat", "flavour: redhat, namespace: kmm-hub"))
    signed.render()
    objects = yaml.safe_load(yaml.safe_dump(all_of_hub()).replace("openshift-kmm-hub", "kmm-hub"))

    assert told(signed, "hub", objects) == []
    assert len(told(signed, "hub", all_of_hub())) == 4
