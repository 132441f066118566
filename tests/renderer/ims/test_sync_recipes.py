"""`kmodgate ims sync-recipes`, and its library as a file that runs alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import Finished, run
from tests.conftest import ROOT
from tests.renderer.ims import fake_ims
from tests.renderer.ims.fake_ims import FakeIms

pytestmark = pytest.mark.timing

FLAGS = {"flags": [{"pattern": "*-gpu-*", "requireDkms": True}, {"name": "cos", "requireDkms": False}]}


@pytest.fixture
def ims() -> Iterator[FakeIms]:
    with fake_ims.running() as server:
        yield server


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
    assert "flags.json: flags[0]: requireDkms is false\n    fix: write true or false without quotes" in result.stderr


@pytest.mark.parametrize("wait", ["0", "-1", "nan", "inf", "soon"])
def test_a_time_that_is_none_ends_with_2(folder: Path, ims: FakeIms, wait: str) -> None:
    assert sync(folder, ims, "--wait", wait).returncode == 2


def test_a_service_that_is_not_there_ends_with_3(folder: Path, ims: FakeIms) -> None:
    result = run(
        "ims", "sync-recipes", "--flags", "flags.json", "--url", "http://127.0.0.1:1", "--wait", "0.1", cwd=folder
    )
    assert result.returncode == 3
    assert "127.0.0.1: GET: [Errno 111] Connection refused; asked for 0.1 seconds" in result.stderr


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
        command = [sys.executable, "-I", script, "--url", ims.url, *arguments]
        return subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)

    result = alone("--flags", "flags.json")
    assert result.stdout.endswith("\n1 put in step\n")
    assert (result.returncode, ims.recipes[0]["require_dkms"]) == (0, False)
    missing = alone("--flags", "missing.json")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr.startswith("recipe_sync: error: missing.json: cannot be read")
