"""What rules find of the images that nodes pull at boot is told once, at the line that names the image."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.renderer.deliveries.boot.pools import WORKER, WORKERS, boot_fleet, cluster

POLICY = """\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {name: p}
spec: {clusters: {names: [paris]}, parameters: {allowedRegistries: [quay.io/other/]}}
"""
HOSTED = "topology: hosted\nhosted: {management: host, namespace: clusters}\n" + WORKERS.replace(
    'node-role.kubernetes.io/worker: ""', "hypershift.openshift.io/nodePool: worker"
)


def told(root: Path, boot: str, tools: str = "", policy: str = "", site: str = WORKERS) -> list[str]:
    """File, rule and field of each finding about an image at boot."""
    fleet = boot_fleet(root, boot)
    cluster(fleet, f"{site}\n{tools}")
    cluster(fleet, "", name="host")
    fleet.driver("nic", f"boot: {boot}\n", clusters="{names: [paris]}")
    if policy:
        fleet.write("policy.yaml", policy)
    found = re.findall(
        r"^(\S+?):[\d:]+ \w+\[((?:IMG|DAY0)\d+)\] ([\w.]+)", fleet.run("check", ".").stdout, re.MULTILINE
    )
    return [" ".join(item) for item in found]


@pytest.mark.parametrize("image", ["quay.io/acme/worker:latest", "quay.io/acme/worker", "quay.io/Acme/worker:1"])
def test_a_worker_that_is_not_pinned_is_one_finding_where_it_is_named(tmp_path: Path, image: str) -> None:
    boot, tools = f"{{pool: worker, workerImage: '{image}'}}", f"tools: {{worker: '{image}'}}"
    assert told(tmp_path / "a", boot) == ["drivers/nic.yaml DAY004 spec.boot.workerImage"]
    assert told(tmp_path / "b", "{pool: worker}", tools) == ["clusters/paris.yaml DAY004 spec.tools.worker"]


@pytest.mark.parametrize("site", [WORKERS, HOSTED])
@pytest.mark.parametrize(
    ("boot", "tools", "expected"),
    [
        (f"workerImage: '{WORKER}'", "", ["drivers/nic.yaml IMG301 spec.boot.workerImage"]),
        ("", f"tools: {{worker: '{WORKER}'}}", ["clusters/paris.yaml IMG301 spec.tools.worker"]),
        (
            f"image: quay.io/acme/boot, workerImage: '{WORKER}'",
            "",
            ["drivers/nic.yaml IMG301 spec.boot.image", "drivers/nic.yaml IMG301 spec.boot.workerImage"],
        ),
    ],
)
def test_an_image_of_another_registry_is_told_at_its_own_line(
    tmp_path: Path, boot: str, tools: str, expected: list[str], site: str
) -> None:
    found = told(tmp_path, f"{{pool: worker, {boot}}}", tools, POLICY, site)

    assert sorted(found) == sorted([*expected, "drivers/nic.yaml IMG301 spec.containerImage"])


def test_a_boot_module_config_has_its_worker_from_the_cluster(tmp_path: Path) -> None:
    boot = "{pool: worker, bootModuleConfig: true, image: quay.io/acme/nic}"
    found = told(tmp_path, boot, "tools: {worker: 'quay.io/acme/worker:latest'}")
    assert found == ["clusters/paris.yaml IMG102 spec.tools.worker"]
