"""`kmodgate ims sync-recipes`, and its library as a file that runs alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import Finished, run
from tests.conftest import ROOT
from tests.fleets import FleetFolder
from tests.renderer.ims import fake_ims
from tests.renderer.ims.fake_ims import FakeIms

pytestmark = pytest.mark.timing

FLAGS = {"flags": [{"pattern": "*-gpu-*", "requireDkms": True}, {"name": "cos", "requireDkms": False}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flags.json").write_text(json.dumps(FLAGS))
    (tmp_path / "token").write_text("s3cret-t0ken\n")
    return tmp_path


def sync(folder: Path, ims: FakeIms, *arguments: str) -> Finished:
    return run("ims", "sync-recipes", "--flags", "flags.json", "--url", f"{ims.url}/apis/ims", *arguments, cwd=folder)


def test_it_prints_what_it_set_and_ends_with_0(folder: Path, ims: FakeIms) -> None:
    id = ims.add("cos-gpu-2.6", False)
    ims.add("cos", False)
    result = sync(folder, ims)
    assert result.stdout == (
        f"put in step: cos-gpu-2.6 x86_64 {id}: false -> true, flags[0] pattern *-gpu-*\n1 in step, 1 put in step\n"
    )
    assert result.stderr.startswith("note: 1 recipe shows false;")
    assert result.returncode == 0


def test_check_and_unresolved_names_end_with_1(folder: Path, ims: FakeIms) -> None:
    ims.add("cos", True)
    ims.add("cos", True)
    result = sync(folder, ims, "--check", "--strict")
    assert result.stdout.splitlines() == [
        "unresolved: flags[1] name cos: 2 recipes: add arch, all or newest, or give the id", "1 unresolved",
    ]  # fmt: skip
    assert result.stderr == "warning: flags[0] pattern *-gpu-*: matches no recipe\n"
    assert result.returncode == 1


def test_the_report_is_there_as_json_too(folder: Path, ims: FakeIms) -> None:
    id = ims.add("cos", True)
    report = json.loads(sync(folder, ims, "--check", "--format", "json").stdout)
    assert report["rows"] == [
        {
            "id": id,
            "name": "cos",
            "arch": "x86_64",
            "was": True,
            "wanted": False,
            "flag": "flags[1] name cos",
            "state": "differs",
            "note": "",
        }
    ]
    assert report["unmatched"] == ["flags[0] pattern *-gpu-*: matches no recipe"]


def test_an_unusable_file_ends_with_2_and_asks_for_nothing(folder: Path, ims: FakeIms) -> None:
    (folder / "flags.json").write_text('{"flags": [{"pattern": "*", "requireDkms": "false"}]}')
    result = sync(folder, ims)
    assert (result.returncode, result.stdout, ims.seen) == (2, "", [])
    assert (
        'flags.json:1:29: flags[0]: requireDkms is "false"\n    fix: write true or false without quotes'
        in result.stderr
    )


@pytest.mark.parametrize("wait", ["0", "-1", "nan", "inf", "soon"])
def test_a_time_that_is_none_ends_with_2(folder: Path, ims: FakeIms, wait: str) -> None:
    assert sync(folder, ims, "--wait", wait).returncode == 2


def test_a_service_that_is_not_there_ends_with_3(folder: Path, ims: FakeIms) -> None:
    result = run(
        "ims", "sync-recipes", "--flags", "flags.json", "--url", "http://127.0.0.1:1", "--wait", "0.1", cwd=folder
    )
    assert result.returncode == 3
    assert "http://127.0.0.1:1/v3/recipes: GET: [Errno 111] Connection refused; asked for 0.1 seconds" in result.stderr


def test_names_from_the_service_do_not_steer_the_terminal(folder: Path, ims: FakeIms) -> None:
    ims.add("a-gpu-\x1b[31m", False)
    assert "\x1b" not in sync(folder, ims).stdout


def test_the_token_is_in_no_output(folder: Path, ims: FakeIms) -> None:
    ims.add("a-gpu-1", False)
    ims.faults.append(fake_ims.status(401, "Bearer s3cret-t0ken is odd"))
    for result in (sync(folder, ims, "--token-file", "token"), sync(folder, ims, "--token-file", "token")):
        assert "s3cret" not in result.stdout + result.stderr
    assert set(ims.tokens) == {"Bearer s3cret-t0ken"}
    assert "warning: the token went over http" in result.stderr


def test_the_file_runs_alone(folder: Path, ims: FakeIms) -> None:
    ims.add("cos", True)
    script = shutil.copy(ROOT / "renderer/ims/recipe_sync.py", folder / "recipe_sync.py")

    def alone(*arguments: str) -> Finished:
        command = [sys.executable, "-IS", script, "--url", ims.url, *arguments]
        return subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)

    result = alone("--flags", "flags.json")
    assert result.stdout.endswith("\n1 put in step\n")
    assert (result.returncode, ims.recipes[0]["require_dkms"]) == (0, False)
    missing = alone("--flags", "missing.json")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr.startswith("recipe_sync: error: missing.json: cannot be read")


SERVICE = """\
apiVersion: kmodgate.io/v1alpha1
kind: ImageService
metadata: {name: ims}
spec:
  clusters: {names: [alps]}
  csm: "1.6.0"
  owner: loftsman
  recipes: {default: {requireDkms: true}, flags: [{pattern: "*-barebones-*", arch: x86_64, requireDkms: false}]}
"""


@pytest.fixture
def alps(fleet: FleetFolder) -> FleetFolder:
    fleet.cluster("alps")
    fleet.write("ims.yaml", SERVICE)
    return fleet


def of_fleet(fleet: FleetFolder, ims: FakeIms, *arguments: str) -> Finished:
    return run("ims", "sync-recipes", "--url", ims.url, *arguments, cwd=fleet.root)


@pytest.mark.parametrize("place", [(".",), ()])
def test_a_spec_has_the_flags_of_its_cluster(alps: FleetFolder, ims: FakeIms, place: tuple[str, ...]) -> None:
    bare, gpu = ims.add("csm-barebones-2.6", True), ims.add("cos-gpu-2.6", False)
    result = of_fleet(alps, ims, *place, "--cluster", "alps")
    assert (result.returncode, ims.flag(bare), ims.flag(gpu)) == (0, False, True), result.stderr
    assert f"csm-barebones-2.6 x86_64 {bare}: true -> false, flags[0] pattern *-barebones-* x86_64\n" in result.stdout


def test_the_handover_of_a_fleet_has_the_same_flags(alps: FleetFolder, ims: FakeIms) -> None:
    alps.render()
    ims.add("csm-barebones-2.6", True)
    result = of_fleet(alps, ims, "--flags", "handover/alps/cray-ims/recipe-flags.json", "--check")
    assert (result.returncode, result.stderr) == (1, "")


@pytest.mark.parametrize(("old", "new", "arguments", "says"), [
    ("", "", ("--cluster", "rome"), "there is no such cluster"),
    ("names: [alps]", "names: [paris]", ("--cluster", "alps"), "no ImageService is for it"),
    ("  recipes:", "  # recipes:", ("--cluster", "alps"), "ims.yaml: spec.recipes is not there on alps"),
    ("requireDkms: true", "requireDkms: yes", ("--cluster", "alps"), "ims.yaml:8:"),
    ("", "", (".",), "the flags come from one place"),
    ("", "", (), "the flags come from one place"),
    ("", "", ("--cluster", "alps", "--flags", "x"), "the flags come from one place"),
    ("", "", (".", "--flags", "x"), "the flags come from one place"),
])  # fmt: skip
def test_a_fleet_without_flags_ends_with_2_and_asks_for_nothing(
    alps: FleetFolder, ims: FakeIms, old: str, new: str, arguments: tuple[str, ...], says: str
) -> None:
    alps.write("ims.yaml", SERVICE.replace(old, new) if old else SERVICE)
    result = of_fleet(alps, ims, *arguments)
    assert says in result.stderr
    assert (result.returncode, ims.seen) == (2, [])
