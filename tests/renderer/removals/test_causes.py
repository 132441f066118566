"""A refusal points at the line that takes the driver away, in an override where it stands there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleets import FleetFolder, git
from tests.renderer.deliveries.boot.pools import WORKER, boot_fleet, cluster
from tests.renderer.removals.conftest import commit

BOOT = f"boot: {{pool: worker, workerImage: {WORKER}, image: quay.io/acme/nic}}"
BOOT_MODULE_CONFIG = BOOT.replace("}", ", bootModuleConfig: true}")
POOLS = """\
nodeGroups:
- {name: workers, count: 3, labels: {node-role.kubernetes.io/worker: ""}, kernels: [5.14.0-1.el9.x86_64]}
- {name: infra, count: 2, labels: {node-role.kubernetes.io/infra: ""}, kernels: [5.14.0-1.el9.x86_64]}
"""
OVERRIDE = "overrides:\n- clusters: {{names: [{}]}}\n  patch: {{{}}}"


def override(patch: str, name: str = "paris") -> str:
    return OVERRIDE.format(name, patch)


def committed(root: Path, before: str) -> FleetFolder:
    fleet = boot_fleet(root / "fleet", "null")
    cluster(fleet, POOLS)
    cluster(fleet, POOLS, name="lyon")
    fleet.driver("nic", before, clusters="{names: [paris, lyon]}")
    fleet.render()
    git(fleet.root, "init", "-q")
    commit(fleet)
    return fleet


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        (override(BOOT), override("boot: null"), "spec.overrides[0].patch.boot"),
        (override(BOOT), override(BOOT, "lyon"), "spec.overrides[0].clusters"),
        (override(BOOT), "", "spec.boot"),
        (BOOT, override("boot: null"), "spec.boot"),
        (BOOT, f"{BOOT}\n{override('boot: null')}", "spec.overrides[0].patch.boot"),
        (override(BOOT), override(BOOT_MODULE_CONFIG), "spec.overrides[0].patch.boot.bootModuleConfig"),
        (BOOT_MODULE_CONFIG, BOOT, "spec.boot.bootModuleConfig"),
        (override(BOOT), override(BOOT.replace("worker,", "infra,")), "spec.overrides[0].patch.boot.pool"),
        (BOOT_MODULE_CONFIG, BOOT_MODULE_CONFIG.replace("worker,", "infra,"), "spec.boot.pool"),
        ("", override("delivery: daemonset"), "spec.overrides[0].patch.delivery"),
        ("", "delivery: daemonset", "spec.delivery"),
        ("delivery: daemonset", "", "spec.delivery"),
        ("", override("namespace: {name: other}"), "spec.overrides[0].patch.namespace.name"),
    ],
)
def test_the_line_that_takes_the_driver_away_is_named(tmp_path: Path, before: str, after: str, field: str) -> None:
    fleet = committed(tmp_path, before)

    fleet.driver("nic", after, clusters="{names: [paris, lyon]}")
    lines = [line for line in fleet.run("render").stderr.splitlines() if "[GIT001]" in line]

    assert lines
    assert all(f"[GIT001] {field}: " in line for line in lines), lines
    last = field.rpartition(".")[2]
    written = (fleet.root / "drivers/nic.yaml").read_text().splitlines()
    place = written[int(lines[0].split(":")[1]) - 1]
    assert last in place or field in ("spec.boot", "spec.boot.bootModuleConfig", "spec.delivery")
