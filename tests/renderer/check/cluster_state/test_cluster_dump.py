"""Facts of `kmodgate check`: a dump of the cluster, the Cluster spec, and the other drivers of the fleet."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command import run
from tests.fleets import REPOSITORY, FleetFolder
from tests.renderer.checking import SIGNED, check, findings, secret

NIC = {
    "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
    "kind": "Module",
    "metadata": {"name": "nic", "namespace": "kmm-tests"},
}
"""The Module of the driver `nic`, as far as a dump must show that it is there."""


def dump(folder: Path, *items: dict[str, Any], name: str = "dump/any.txt.yaml") -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": list(items)}))


def test_facts_of_a_dump_are_looked_at_and_nothing_is_guessed(fleet: FleetFolder) -> None:
    fleet.driver("nic", SIGNED)
    report = findings(check(fleet.root, "--format", "json"))
    assert [(item["rule"], item["mode"]) for item in report if item["message"].startswith("not checked")] == [
        ("REF101", "audit")
    ]
    dump(fleet.root.parent, NIC, secret("key", key="k"))
    result = check(fleet.root, "--facts", "../dump", "--format", "json")
    assert result.returncode == 1
    (finding,) = [item for item in findings(result) if item["mode"] == "enforce"]
    assert (finding["rule"], finding["message"]) == ("REF101", "there is no Secret kmm-tests/cert")
    assert finding["specField"] == "spec.sign.certSecret"
    dump(fleet.root.parent, secret("key", key="k"), secret("cert", tls="c"))
    (finding,) = [
        item
        for item in findings(check(fleet.root, "--facts", "../dump", "--format", "json"))
        if item["mode"] == "enforce"
    ]
    assert (finding["rule"], finding["message"]) == ("SGN301", "Secret cert has no key cert")


def test_a_single_object_of_a_dump_says_nothing_of_others(fleet: FleetFolder) -> None:
    fleet.driver("nic", SIGNED)
    (fleet.root.parent / "dump").mkdir()
    (fleet.root.parent / "dump/key.json").write_text(json.dumps(secret("key", key="k")))
    assert check(fleet.root, "--facts", "../dump").returncode == 0


def test_the_nodes_of_a_cluster_spec_are_facts(fleet: FleetFolder) -> None:
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(path.read_text().replace("count: 3", "count: 3, kernels: [4.18.0]"))
    found = [(item["rule"], item["mode"]) for item in findings(check(fleet.root, "--format", "json"))]
    assert found == [("SEL202", "warn")]
    path.write_text(path.read_text().replace("node-role.kubernetes.io/worker", "other"))
    assert [item["rule"] for item in findings(check(fleet.root, "--format", "json"))] == ["SEL201"]


def test_render_refuses_by_facts_what_check_refuses_by_them(fleet: FleetFolder) -> None:
    attached = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: df}\ndata: {other: FROM a}\n"
    fleet.write("drivers/df.yaml", attached)
    fleet.driver("nic", "build: {dockerfileConfigMap: df}\nattach: [./df.yaml]")
    assert [item["rule"] for item in findings(check(fleet.root, "--format", "json")) if item["mode"] == "enforce"] == [
        "REF102"
    ]
    result = fleet.run("render")
    assert result.returncode == 1
    assert "error[REF102]" in result.stderr


def test_nodes_with_secure_boot_want_signed_modules(fleet: FleetFolder) -> None:
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(path.read_text().replace("count: 3", "count: 3, secureBoot: true"))
    found = [(item["rule"], item["specField"]) for item in findings(check(fleet.root, "--format", "json"))]
    assert found == [("SGN202", "spec.kernelMappings[0].sign")]
    fleet.driver("nic", SIGNED)
    assert "SGN202" not in {item["rule"] for item in findings(check(fleet.root, "--format", "json"))}


def test_drivers_of_one_fleet_that_fight_are_found(fleet: FleetFolder) -> None:
    fleet.driver("other")
    found = [(item["rule"], item["file"]) for item in findings(check(fleet.root, "--format", "json"))]
    assert found == [("SEL204", "drivers/nic.yaml"), ("SEL204", "drivers/other.yaml")]


def test_a_certificate_that_ended_is_found_in_a_dump_and_in_what_is_left_of_it(fleet: FleetFolder) -> None:
    example = (REPOSITORY / "tests/rules/SGN302/fail-expired-der.yaml").read_text()
    value = yaml.safe_load(example.partition("# facts:\n---\n")[2])["data"]["cert"]
    fleet.driver("nic", SIGNED)
    dump(fleet.root.parent, secret("key", key="k"), secret("cert") | {"data": {"cert": value}})
    ended = ("SGN302", "spec.sign.certSecret")
    report = findings(check(fleet.root, "--facts", "../dump", "--format", "json"))
    assert [(item["rule"], item["specField"]) for item in report if item["rule"].startswith("SGN3")] == [ended]
    redacted = run("facts", "redact", "dump", cwd=fleet.root.parent)
    (fleet.root.parent / "dump/any.txt.yaml").write_text(redacted.stdout)
    assert findings(check(fleet.root, "--facts", "../dump", "--format", "json")) == report


PULLS = "apiVersion: v1\nkind: Secret\nmetadata: {name: other, namespace: kmm-tests}\n"
PAGE = {
    "apiVersion": "v1",
    "kind": "SecretList",
    "metadata": {"continue": "more"},
    "items": [{"metadata": {"name": "a"}}],
}
WHOLE = {"apiVersion": "v1", "kind": "SecretList", "items": []}


@pytest.mark.parametrize(
    ("text", "is_complete"),
    [
        (PULLS, False),
        (json.dumps(PAGE), False),
        (json.dumps(WHOLE), True),
        (f"{json.dumps(WHOLE)}\n---\n{PULLS}", True),
    ],
)
def test_a_redacted_dump_is_as_complete_as_the_one_it_was_made_of(
    fleet: FleetFolder, text: str, is_complete: bool
) -> None:
    fleet.driver("nic", "imageRepoSecret: pull\n")
    (fleet.root.parent / "dump.yaml").write_text(text)
    redacted = run("facts", "redact", "dump.yaml", cwd=fleet.root.parent)
    (fleet.root.parent / "redacted.yaml").write_text(redacted.stdout)
    reports = [
        findings(check(fleet.root, "--facts", f"../{name}", "--format", "json"))
        for name in ("dump.yaml", "redacted.yaml")
    ]
    assert reports[0] == reports[1]
    assert any("there is no Secret" in item["message"] for item in reports[1]) == is_complete


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_a_dump_of_nothing_cannot_be_redacted(tmp_path: Path, text: str) -> None:
    (tmp_path / "dump.yaml").write_text(text)
    result = run("facts", "redact", "dump.yaml", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "dump.yaml: holds no object" in result.stderr


def test_a_redacted_dump_has_no_secret_and_the_same_facts(fleet: FleetFolder) -> None:
    certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    private = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n"
    last = {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}
    items = [secret("key", key=private), secret("cert", cert=private + certificate)]
    items[0]["metadata"]["annotations"] = last
    items[0]["stringData"] = {"more": "hunter2"}
    dump(fleet.root.parent, *items)
    result = run("facts", "redact", "dump", cwd=fleet.root.parent)
    assert result.returncode == 0
    assert "hunter2" not in result.stdout
    assert base64.b64encode(b"hunter2").decode()[:8] not in result.stdout
    kept = {item["metadata"]["name"]: item["data"] for item in json.loads(result.stdout)["items"]}
    assert kept["key"] == {"key": "", "more": ""}
    assert base64.b64decode(kept["cert"]["cert"]).decode() == certificate
    (fleet.root.parent / "redacted.json").write_text(result.stdout)
    fleet.driver("nic", SIGNED)
    assert check(fleet.root, "--facts", "../redacted.json").returncode == 0
