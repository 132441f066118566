"""The release that an ImageService names holds for the rules, over its spec and its rendered tree."""

from __future__ import annotations

import json
from pathlib import Path

from tests.image_services import ImageServiceFleet

ARGOCD = 'csm: "1.6.0"\nowner: argocd\nnetwork: {domain: site.example.com}'


def test_a_rendered_file_is_judged_by_the_release_of_the_spec(tmp_path: Path) -> None:
    fleet = ImageServiceFleet(tmp_path)
    fleet.service(ARGOCD)
    assert fleet.run("render").returncode == 0
    (path,) = fleet.root.glob("rendered/alps/**/configmap-ims-config.yaml")
    assert fleet.findings() == []
    path.write_text(path.read_text() + '  DEFAULT_IMS_JOB_REMOTE_TIMEOUT_COUNT: "24"\n')
    assert [(item["rule"], item["mode"]) for item in fleet.findings() if item["rule"].startswith("IMS")] == [
        ("IMS110", "warn")
    ]


def test_a_class_that_the_cluster_lacks_is_found_at_the_line_of_the_spec(tmp_path: Path) -> None:
    fleet = ImageServiceFleet(tmp_path)
    spec = fleet.service("kata: {runtimeClass: kata-own}\n" + ARGOCD)
    class_ = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "kata-qemu"}, "handler": "x"}
    fleet.write("../classes.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": [class_]}))
    found = fleet.findings("--facts", "../classes.json")
    lines = [item["line"] for item in found if item["rule"] == "IMS301" and item["mode"] == "enforce"]
    assert [spec.read_text().split("\n")[line - 1].strip() for line in lines] == ["kata: {runtimeClass: kata-own}"]
