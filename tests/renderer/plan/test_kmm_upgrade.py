"""`kmodgate plan --kmm VERSION`: what a newer KMM would refuse, and what it would do otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.command import run
from tests.fleets import FleetFolder
from tests.renderer.plan.test_plan import plan

SIGN = """\
sign:
  keySecret: key
  certSecret: cert
  filesToSign: ['{file}']
"""
BUILD = "build: {dockerfile: ./Dockerfile}\n"
PLUGIN = "devicePlugin: {container: {image: 'registry.example.com/p:1'}}\n"


def fleet(root: Path, driver: str = "", kmm: str = "2.4", flavour: str = "upstream") -> FleetFolder:
    folder = FleetFolder(root)
    folder.cluster("lyon", kmm=kmm, flavour=flavour)
    folder.driver("nic", driver)
    folder.write("drivers/Dockerfile", "ARG KERNEL_FULL_VERSION\nFROM registry.example.com/base:1\n")
    return folder


def upgrade(folder: FleetFolder, version: str, code: int = 0) -> Any:
    return plan(folder.root, "--kmm", version, code=code)["kmm"]


def texts(found: Any) -> str:
    return "\n".join(item["what"] for item in found["changes"])


@pytest.mark.parametrize(
    ("kmm", "version", "driver", "rule"),
    [
        ("2.5", "2.6", SIGN.format(file="/usr/lib/nic.ko"), "KMM502"),
        ("2.4", "head", SIGN.format(file="nic.ko"), "KMM502"),
        ("2.6", "head", PLUGIN.replace("}}", "}, volumes: [{name: v, hostPath: {path: /srv}}]}"), "KMM105"),
    ],
)
def test_what_a_newer_kmm_refuses_fails_the_plan(
    tmp_path: Path, kmm: str, version: str, driver: str, rule: str
) -> None:
    folder = fleet(tmp_path, driver, kmm)
    found = upgrade(folder, version, code=1)
    assert rule in {item["rule"] for item in found["findings"]}
    assert upgrade(folder, kmm)["findings"] == []


@pytest.mark.parametrize(
    ("kmm", "version", "driver"),
    [
        ("2.5", "2.6", ""),
        ("2.5", "2.6", SIGN.format(file="/opt/lib/modules/nic.ko")),
        ("2.6", "2.6", ""),
        ("2.6", "2.4", ""),
    ],
)
def test_what_a_newer_kmm_accepts_passes(tmp_path: Path, kmm: str, version: str, driver: str) -> None:
    assert upgrade(fleet(tmp_path, driver, kmm), version)["findings"] == []


@pytest.mark.parametrize(
    ("driver", "change"),
    [
        (BUILD + SIGN.format(file="/opt/nic.ko"), "_kmm_unsigned"),
        ("version: '1'\n", ".version.ready"),
        (PLUGIN, "device-plugin pods"),
        (BUILD, "looks for an image before KMM makes it"),
    ],
)
def test_what_a_newer_kmm_does_otherwise_is_told_of_the_modules_that_it_concerns(
    tmp_path: Path, driver: str, change: str
) -> None:
    folder = fleet(tmp_path, driver, "2.3")
    found = upgrade(folder, "head")
    (told,) = [item for item in found["changes"] if change in item["what"]]
    assert (told["modules"], told["clusters"]) == (["kmm-tests/nic"], ["lyon"])
    plain = fleet(tmp_path / "plain", "", "2.3")
    assert change not in texts(upgrade(plain, "head"))


def test_changes_before_the_present_version_are_not_told(tmp_path: Path) -> None:
    assert "container runtime" not in texts(upgrade(fleet(tmp_path, BUILD, "2.4"), "2.6"))
    assert "container runtime pulls" in texts(upgrade(fleet(tmp_path / "old", BUILD, "2.1"), "2.6"))


def test_clusters_that_it_does_not_concern_are_named(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    folder.cluster("metz", kmm="2.4", flavour="redhat")
    found = upgrade(folder, "head")
    assert found["notLookedAt"] == ["metz"]
    assert {name for item in found["changes"] for name in item["clusters"]} == {"lyon"}


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_every_report_tells_it(tmp_path: Path, form: str) -> None:
    folder = fleet(tmp_path, BUILD + SIGN.format(file="/usr/lib/nic.ko"), "2.5")
    result = run("plan", "--kmm", "2.6", "--format", form, cwd=folder.root)
    assert result.returncode == 1
    assert "With KMM 2.6: 1 refusal" in result.stdout
    assert "KMM502" in result.stdout


@pytest.mark.parametrize("version", ["9.9", "two", "head", ""])
def test_a_version_that_no_cluster_can_have_is_a_mistake(tmp_path: Path, version: str) -> None:
    result = run("plan", "--kmm", version, cwd=fleet(tmp_path, flavour="redhat").root)
    assert (result.returncode, "one of: 1.1, 2.0" in result.stderr) == (2, True)
