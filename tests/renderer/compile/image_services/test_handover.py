"""The handover of a service: what a site with Loftsman merges and applies by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.image_services import PLAIN, ImageServiceFleet

HERE = "handover/alps/cray-ims"


@pytest.fixture
def fleet(tmp_path: Path) -> ImageServiceFleet:
    return ImageServiceFleet(tmp_path)


def values(fleet: ImageServiceFleet) -> Any:
    text = (fleet.root / HERE / "customizations.yaml").read_text()
    return yaml.safe_load(text)["spec"]["kubernetes"]["services"]["cray-ims"]


def data(fleet: ImageServiceFleet, name: str) -> Any:
    return yaml.safe_load((fleet.root / HERE / f"{name}.yaml").read_text())["data"]


def test_the_fragment_says_what_the_spec_says_and_leaves_the_rest_to_the_site(fleet: ImageServiceFleet) -> None:
    fleet.service(f"{PLAIN}\ndkms: {{enabled: false}}\ntimeouts: {{s3ReadSeconds: 90}}\nnetwork: {{subnet: chn}}")
    fleet.render()
    found = values(fleet)
    checksum = found.pop("cray-service")["podAnnotations"]["checksum/ims-config"]
    assert len(checksum) == 64
    assert found == {
        "jobs": {"enable_dkms": False, "kata_runtime": "kata-qemu", "aarch64_runtime": "kata-qemu"},
        "s3": {"read_timeout": "90"},
        "customer_access": {"subnet_name": "chn"},
    }


def test_an_expression_of_the_site_is_neither_resolved_nor_escaped(fleet: ImageServiceFleet) -> None:
    text = '{{ network.dns.external | default(\\"a\\") }}'
    fleet.service(f'{PLAIN}\nnetwork: {{domain: "{text}"}}')
    fleet.render()
    fragment = (fleet.root / HERE / "customizations.yaml").read_text()
    assert "shasta_domain: '{{ network.dns.external | default(\"a\") }}'\n" in fragment


@pytest.mark.parametrize(
    ("release", "more", "expected"),
    [
        ('csm: "1.6.0"', "sizes: {imageGiB: 60, memoryGiB: 8}", None),
        ('csm: "1.6.0"', "sizes: {imageGiB: 90, memoryGiB: 8}", {"DEFAULT_IMS_IMAGE_SIZE": "90"}),
        ('csm: "1.5.2"', "sizes: {imageGiB: 60}", {"DEFAULT_IMS_IMAGE_SIZE": "60"}),
        ('ims: "3.33.0"', "timeouts: {remoteHeartbeats: 24}", {"DEFAULT_IMS_JOB_REMOTE_TIMEOUT_COUNT": "24"}),
    ],
)
def test_literals_of_the_chart_that_differ_go_to_a_config_map_of_our_own(
    fleet: ImageServiceFleet, release: str, more: str, expected: dict[str, str] | None
) -> None:
    fleet.service(f"{release}\nowner: loftsman\n{more}")
    fleet.render()
    containers = values(fleet)["cray-service"].get("containers")
    if expected is None:
        assert (containers, (fleet.root / HERE / "ims-config-site.yaml").exists()) == (None, False)
        return
    assert data(fleet, "ims-config-site") == expected
    assert containers == {
        "cray-ims": {
            "envFrom": [
                {"configMapRef": {"name": "ims-config"}},
                {"configMapRef": {"name": "ims-config-site", "optional": True}},
            ]
        }
    }


def test_the_checksum_changes_with_a_literal_and_with_nothing_else(fleet: ImageServiceFleet) -> None:
    def checksum(spec: str) -> str:
        fleet.service(spec)
        fleet.render()
        found: str = values(fleet)["cray-service"]["podAnnotations"]["checksum/ims-config"]
        return found

    first = checksum(PLAIN)
    assert checksum(f"{PLAIN}\nsizes: {{imageGiB: 61}}") != first
    assert checksum(f"{PLAIN}\nrecipes: {{default: {{requireDkms: true}}}}\nsizes: {{imageGiB: 60}}") == first


def test_flags_of_recipes_are_handed_over_as_sync_recipes_takes_them(fleet: ImageServiceFleet) -> None:
    fleet.service(f"{PLAIN}\nrecipes: {{default: {{requireDkms: true}}, flags: [{{id: a, requireDkms: false}}]}}")
    fleet.render()
    found = json.loads((fleet.root / HERE / "recipe-flags.json").read_text())
    assert found == {"default": {"requireDkms": True}, "flags": [{"id": "a", "requireDkms": False}]}


def test_a_runtime_class_of_our_own_has_the_overhead_and_labels_of_csm(fleet: ImageServiceFleet) -> None:
    fleet.service(f"{PLAIN}\nkata: {{runtimeClass: kata-site, manageRuntimeClass: true, handler: kata-rs}}")
    fleet.render()
    found = yaml.safe_load((fleet.root / HERE / "runtimeclass-kata-site.yaml").read_text())
    assert (found["apiVersion"], found["handler"]) == ("node.k8s.io/v1", "kata-rs")
    assert found["overhead"] == {"podFixed": {"cpu": "250m", "memory": "160Mi"}}
    assert found["scheduling"] == {"nodeSelector": {"katacontainers.io/kata-runtime": "true"}}


CFS = """\
{
  "name": "compute",
  "layers": [
    {
      "name": "csm",
      "cloneUrl": "https://vcs.local/csm.git"
    },
    {
      "name": "gpu-driver",
      "cloneUrl": "https://vcs.local/gpu.git",
      "specialParameters": {}
    }
  ],
  "lastUpdated": "2026-01-01T00:00:00Z", "weight": 1.0E2
}
"""


def test_flags_of_layers_are_set_and_all_else_stays(fleet: ImageServiceFleet) -> None:
    fleet.write("services/cfs/compute.json", CFS)
    fleet.service(f"{PLAIN}\ncfs: [{{file: cfs/compute.json, api: v2, layers: {{gpu-driver: true}}}}]")
    fleet.render()
    text = (fleet.root / HERE / "cfs-compute.json").read_text()
    assert text == CFS.replace('"specialParameters": {}', '"specialParameters": {"imsRequireDkms": true}')


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ('"name": "compute", "lastUpdated": "x", ', "has name and lastUpdated, which CFS sets itself"),
        ('"last_updated": "x", ', "has last_updated, which CFS sets itself"),
        ('"description": "x", ', None),
    ],
)
def test_fields_that_cfs_sets_itself_are_a_warning(fleet: ImageServiceFleet, fields: str, said: str | None) -> None:
    fleet.write("services/cfs/compute.json", f'{{{fields}"layers": [{{"name": "gpu"}}]}}')
    fleet.service(f"{PLAIN}\ncfs: [{{file: cfs/compute.json, layers: {{gpu: true}}}}]")
    found = [(item["rule"], item["severity"], item["line"]) for item in fleet.findings()]
    assert found == ([("IMS507", "warning", 8)] if said else [])
    rendered = fleet.run("render")
    assert rendered.returncode == 0
    assert ("1 warning; kmodgate check shows" in rendered.stderr) is bool(said)
    text = (fleet.root / HERE / "cfs-compute.json").read_text()
    assert fields in text


FILES = (
    (None, "REF003", "there is no such file"),
    ("<html><body>login</body></html>", "IMS505", "is a page of HTML"),
    ("{]", "IMS505", "is no JSON: line 1"),
    ("[]", "IMS505", "holds several configurations"),
    ('{"layers": [{"name": "csm"}]}', "IMS505", "has no layer 'gpu-driver'"),
    ('{"layers": [{"name": "gpu-driver", "cloneUrl": "x"}]}', "IMS505", "a field of CFS v2"),
    ('{"layers": [{"name": "gpu-driver", "special_parameters": 1}]}', "IMS505", "is no object"),
)


@pytest.mark.parametrize(("text", "rule", "message"), FILES)
def test_a_configuration_that_cannot_be_used_is_an_error_and_nothing_is_written(
    fleet: ImageServiceFleet, text: str | None, rule: str, message: str
) -> None:
    if text is not None:
        fleet.write("services/cfs/compute.json", text)
    fleet.service(f"{PLAIN}\ncfs: [{{file: cfs/compute.json, layers: {{gpu-driver: true}}}}]")
    found = fleet.findings()
    assert [(item["rule"], item["file"], item["line"]) for item in found] == [(rule, "services/ims.yaml", 8)]
    assert message in found[0]["message"]
    assert found[0]["fix"]
    assert fleet.run("render").returncode == 2
    assert not (fleet.root / "handover").exists()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def outside(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def binary(path: Path) -> None:
    path.write_bytes(b"\xff\xfe{\0}\0")


@pytest.mark.parametrize("make", [pipe, outside, huge, binary, Path.mkdir])
def test_a_configuration_that_is_no_plain_file_is_an_error(
    fleet: ImageServiceFleet, make: Callable[[Path], None]
) -> None:
    fleet.service(f"{PLAIN}\ncfs: [{{file: odd.json, layers: {{gpu-driver: true}}}}]")
    make(fleet.root / "services/odd.json")
    assert [(item["rule"], item["line"]) for item in fleet.findings()] == [("REF003", 8)]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", ".hidden.json", "a b\u2028.json"])
def test_a_configuration_must_lie_in_the_fleet(fleet: ImageServiceFleet, name: str) -> None:
    fleet.service(f"{PLAIN}\ncfs: [{{file: {json.dumps(name)}, layers: {{gpu-driver: true}}}}]")
    assert [item["rule"] for item in fleet.findings()] == ["REF003"]


def test_two_configurations_of_one_name_are_an_error(fleet: ImageServiceFleet) -> None:
    for folder in ("a", "b"):
        fleet.write(f"services/{folder}/x.json", '{"layers": [{"name": "gpu"}]}')
    fleet.service(
        f"{PLAIN}\ncfs:\n- {{file: a/x.json, layers: {{gpu: true}}}}\n- {{file: b/x.json, layers: {{gpu: true}}}}"
    )
    assert [(item["rule"], item["line"]) for item in fleet.findings()] == [("IMS505", 10)]
