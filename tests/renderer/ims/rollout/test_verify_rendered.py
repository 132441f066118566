"""`kmodgate ims verify` against what `render` has written, for both owners."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command import run
from tests.image_services import ImageServiceFleet

SPEC = """\
csm: "1.6.0"
owner: {owner}
dkms: {{enabled: true}}
sizes: {{imageGiB: 90}}
network: {{domain: {domain}}}
recipes: {{default: {{requireDkms: true}}}}
"""


def loaded(folder: Path) -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text()) for path in sorted(folder.glob("*.yaml"))]


def live(objects: list[dict[str, Any]], checksum: str, sources: list[str]) -> dict[str, Any]:
    """The service as it is once everything was applied."""
    container = {"name": "cray-ims", "envFrom": [{"configMapRef": {"name": name}} for name in sources]}
    configs = [item for item in objects if item.get("kind") == "ConfigMap"]
    for item in configs:
        item["data"] = {
            key: text.replace("{{ network.dns.external }}", "site.example.com") for key, text in item["data"].items()
        }
    pod = {
        "apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]},
        "metadata": {"name": "cray-ims-1", "namespace": "services", "annotations": {"checksum/ims-config": checksum}},
        "status": {"containerStatuses": [{"name": "cray-ims", "ready": True}]},
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": "List", "items": [pod, *configs]}


@pytest.mark.parametrize(("owner", "domain", "folder", "sources", "count"), [
    ("loftsman", "'{{ network.dns.external }}'", "handover/alps/cray-ims", ["ims-config", "ims-config-site"], 6),
    ("argocd", "site.example.com", "rendered/alps/cray-ims", ["ims-config"], 16),
])  # fmt: skip
def test_a_service_to_which_everything_was_applied_is_as_expected(
    tmp_path: Path, owner: str, domain: str, folder: str, sources: list[str], count: int
) -> None:
    fleet = ImageServiceFleet(tmp_path)
    fleet.service(SPEC.format(owner=owner, domain=domain))
    fleet.render()
    objects = loaded(tmp_path / folder)
    text = json.dumps(objects)
    checksum = text.partition('"checksum/ims-config": "')[2].partition('"')[0]
    (tmp_path / "live.json").write_text(json.dumps(live(objects, checksum, sources)))
    result = run("ims", "verify", "live.json", "--expected", folder, cwd=tmp_path)
    assert result.stdout.splitlines()[:3] == [
        "AS EXPECTED", "pod cray-ims-1: annotation checksum/ims-config is as expected", f"{count} of {count} settings are as expected",
    ]  # fmt: skip
    (tmp_path / "live.json").write_text(
        json.dumps(live(objects, "0" * 64, ["ims-config"])).replace("kata-qemu", "kata")
    )
    result = run("ims", "verify", "live.json", "--expected", folder, cwd=tmp_path)
    assert "JOB_KATA_RUNTIME is 'kata', expected 'kata-qemu'" in result.stdout
    assert f"expected {checksum}: roll it out" in result.stdout
