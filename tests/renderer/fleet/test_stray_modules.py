"""Modules of KMM among the specs, which render would silently leave out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleets import FleetFolder
from tests.renderer.checking import GOOD

HUB = """\
apiVersion: hub.kmm.sigs.x-k8s.io/v1beta1
kind: ManagedClusterModule
metadata: {name: a}
spec: {}
"""
BESIDE = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n---\n"
OPERATOR = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kmm.sigs.x-k8s.io/a}\n"
PREFLIGHT = "apiVersion: kmm.sigs.x-k8s.io/v1beta2\nkind: PreflightValidation\nmetadata: {name: a}\n"
OTHER = "apiVersion: modules.example.com/v1\nkind: Module\nmetadata: {name: a}\n"


@pytest.fixture
def sound(tmp_path: Path) -> FleetFolder:
    folder = FleetFolder(tmp_path)
    folder.cluster("paris")
    folder.driver("nic")
    return folder


@pytest.mark.parametrize(("text", "line"), [(GOOD, 2), (HUB, 2), (BESIDE + GOOD, 6)])
def test_a_module_among_the_specs_is_reported_by_check_and_render(sound: FleetFolder, text: str, line: int) -> None:
    sound.write("drivers/module.yaml", text)
    for result in (sound.run("render"), sound.run("check")):
        assert result.returncode == 0
        said = result.stdout + result.stderr
        assert f"drivers/module.yaml:{line}:7: warning[SCH008]" in said
        assert "is not a spec, and goes to no cluster from here" in said
        assert "import it, and delete the file: kmodgate import drivers/module.yaml" in said


def test_one_in_the_file_of_a_spec_is_reported_too(sound: FleetFolder) -> None:
    path = sound.root / "drivers/nic.yaml"
    path.write_text(path.read_text() + "---\n" + GOOD)
    assert "drivers/nic.yaml:14:7: warning[SCH008]" in sound.run("check").stdout


@pytest.mark.parametrize("folder", [".", "drivers"])
@pytest.mark.parametrize(("text", "line"), [(GOOD, 2), (HUB, 2), (BESIDE + GOOD, 6)])
def test_one_that_is_checked_alone_is_reported_too(sound: FleetFolder, text: str, line: int, folder: str) -> None:
    path = sound.write("drivers/module.yaml", text).relative_to(sound.root / folder)
    result = sound.run("check", str(path), cwd=sound.root / folder)
    assert f"{path}:{line}:7: warning[SCH008]" in result.stdout
    assert "1 object checked" in result.stderr or BESIDE in text
    assert "SCH008" in sound.run("check", "--ignore-other", "drivers/module.yaml").stdout


@pytest.mark.parametrize("text", [OPERATOR, PREFLIGHT, OTHER, BESIDE])
def test_another_object_that_is_checked_alone_is_not(sound: FleetFolder, text: str) -> None:
    sound.write("drivers/object.yaml", text)
    assert "SCH008" not in sound.run("check", "drivers/object.yaml").stdout


def test_a_rendered_module_that_is_checked_alone_is_not(sound: FleetFolder) -> None:
    sound.render()
    assert "SCH008" not in sound.run("check", "rendered/paris/nic/module-nic.yaml").stdout


@pytest.mark.parametrize("text", [OPERATOR, PREFLIGHT, OTHER, BESIDE])
def test_other_objects_are_not(sound: FleetFolder, text: str) -> None:
    sound.write("drivers/object.yaml", text)
    assert "SCH008" not in sound.run("check").stdout


def test_a_tree_that_was_rendered_elsewhere_is_not(sound: FleetFolder) -> None:
    sound.render("--output", "elsewhere")
    assert "SCH008" not in sound.render().stderr


def test_a_fleet_of_modules_alone_says_how_to_go_on(tmp_path: Path) -> None:
    folder = FleetFolder(tmp_path)
    folder.write("module.yaml", GOOD)
    result = folder.run("render")
    assert result.returncode == 2
    assert "kmodgate import module.yaml" in result.stderr
