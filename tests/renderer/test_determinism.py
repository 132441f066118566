"""Invariant I1: the same specs give the same bytes, wherever and however they are rendered."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from tests.command import run
from tests.fleets import REPOSITORY, FleetFolder

EXAMPLE = REPOSITORY / "examples" / "edge-fleet"
SERVICES = REPOSITORY / "examples" / "cray-ims"


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    output = tmp_path_factory.mktemp("wanted")
    assert run("render", str(EXAMPLE), "--output", str(output), cwd=REPOSITORY).returncode == 0
    return tree(output)


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "4242"},
        {"LC_ALL": "C", "LANG": "C"},
        {"LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "0"},
        {"TZ": "Pacific/Kiritimati"},
        {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0", "LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_hash_seed_locale_and_time_zone_change_nothing(
    environment: dict[str, str], wanted: dict[str, bytes], tmp_path: Path
) -> None:
    assert (
        run("render", str(EXAMPLE), "--output", str(tmp_path / "out"), cwd=REPOSITORY, env=environment).returncode == 0
    )
    assert tree(tmp_path / "out") == wanted


@pytest.mark.parametrize("seed", [1, 2])
def test_file_order_and_place_change_nothing(seed: int, wanted: dict[str, bytes], tmp_path: Path) -> None:
    files = [path for path in EXAMPLE.rglob("*") if path.is_file() and "rendered" not in path.parts]
    random.Random(seed).shuffle(files)
    for path in files:
        copy = tmp_path / "a" / "b" / path.relative_to(EXAMPLE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        os.utime(copy, (seed * 1e8, seed * 1e8))
    assert run("render", cwd=tmp_path / "a" / "b" / "drivers").returncode == 0
    assert tree(tmp_path / "a" / "b" / "rendered") == wanted


def test_the_order_in_which_a_tree_grew_changes_nothing(tmp_path: Path) -> None:
    grown, whole = FleetFolder(tmp_path / "grown"), FleetFolder(tmp_path / "whole")
    for name in ("zeta", "alpha"):
        for fleet in (grown, whole):
            fleet.cluster(name)
            fleet.driver(f"d-{name}", "serviceAccountName: shared")
        grown.render()
    whole.render()
    assert grown.files() == whole.files()


def test_a_handover_is_the_same_for_any_hash_seed_and_locale(tmp_path: Path) -> None:
    found = []
    for number, environment in enumerate(
        ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "LC_ALL": "C", "TZ": "Asia/Tokyo"})
    ):
        output = tmp_path / str(number) / "rendered"
        assert run("render", str(SERVICES), "--output", str(output), cwd=REPOSITORY, env=environment).returncode == 0
        found.append(tree(output.parent))
    assert found[0] == found[1]
    assert any(name.startswith("handover/") for name in found[0])
