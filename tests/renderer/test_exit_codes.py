"""Exit codes of the command, and the message that goes with each."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import forked, run
from tests.fleets import REPOSITORY, FleetFolder


def test_a_finding_prints_like_a_compilers(fleet: FleetFolder) -> None:
    fleet.driver("nic", "version: 2.10\nremovel: auto")
    assert fleet.run("render").stderr == (
        "drivers/nic.yaml:12:12: error[SCH102] spec.version: 2.10 is the number 2.1 to YAML\n"
        '    fix: put it in quotes: "2.10"\n'
        "drivers/nic.yaml:13:3: error[SCH101] spec.removel: unknown field\n"
        "    fix: did you mean removal?\n"
        "2 errors; nothing was written\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["render"], 0, "5 objects"),
        (["render", "--check"], 1, "5 files differ"),
        (["render", "--dry-run"], 0, "5 files differ"),
        (["render", "--cluster", "pariss"], 2, "did you mean paris?"),
        (["render", "nowhere"], 2, "there is no such folder"),
        (["render", "--check", "--dry-run"], 2, "not allowed with argument"),
        (["render", "--colour"], 2, "unrecognized arguments"),
        (["render", "--output", "kmodgate.yaml"], 2, "must be a folder"),
        (["render", "--output", "."], 2, "holds the fleet itself"),
        (["render", "--output", ".."], 2, "holds the fleet itself"),
        (["rendr"], 2, "invalid choice"),
        ([], 2, "required: VERB"),
        (["--help"], 0, ""),
        (["render", "--help"], 0, ""),
        (["version"], 0, ""),
        (["--version"], 0, ""),
        (["--color", "never", "render"], 0, "5 objects"),
        (["schema", "Nothing"], 2, "invalid choice"),
        (["init", "driver", "No"], 2, "cannot be a name"),
        (["init", "driver", "nic"], 2, "exists"),
        (["init", "fleet", "."], 2, "is a fleet already"),
        (["completion", "tcsh"], 2, "invalid choice"),
    ],
)
def test_exit_codes(fleet: FleetFolder, arguments: list[str], code: int, words: str) -> None:
    result = forked(*arguments, cwd=fleet.root)
    assert (result.returncode, "Traceback" in result.stderr) == (code, False)
    assert words in result.stderr


def test_outside_of_a_fleet_the_way_in_is_named(tmp_path: Path) -> None:
    result = run("render", cwd=tmp_path)
    assert result.returncode == 2
    assert "kmodgate init fleet" in result.stderr


def test_a_fleet_without_specs_says_what_to_add(tmp_path: Path) -> None:
    result = FleetFolder(tmp_path).run("render")
    assert result.returncode == 2
    assert "kmodgate init driver NAME" in result.stderr


def test_a_full_disk_is_a_failure_of_the_environment(fleet: FleetFolder) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "kmodgate.renderer.start", "schema", "KernelDriver"],
        stdout=open("/dev/full", "w"),  # noqa: SIM115
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        check=False,
    )
    assert result.returncode == 3
    assert "No space left on device" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.timing
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_whoever_ends_a_run_gets_the_code_of_the_signal(fleet: FleetFolder, name: str, code: int) -> None:
    script = f"import os, signal\nfrom kmodgate.renderer import start\nfrom kmodgate.renderer.commands import render as r\nr.load_with_output = lambda *a: os.kill(os.getpid(), signal.{name})\nimport sys; sys.argv = ['kmodgate', 'render']; raise SystemExit(start.main())"
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=fleet.root,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert result.returncode == code
    assert result.stderr == "\nkmodgate: interrupted; the same command finishes what was begun\n"


@pytest.mark.timing
def test_a_pipe_in_place_of_a_file_does_not_hang(fleet: FleetFolder) -> None:
    os.mkfifo(fleet.root / "clusters" / "pipe.yaml")
    result = fleet.run("render")
    assert result.returncode == 2
    assert "is not a regular file" in result.stderr


@pytest.mark.parametrize("text", ["", " ", "\n\t\n"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "-"],
        ["check", "--ignore-other", "-"],
        ["import", "-", "--cluster", "paris"],
        ["resolve", "-", "--kernel", "5.14.0-1"],
        ["facts", "redact", "-"],
    ],
)
def test_an_empty_stdin_is_a_command_that_failed(fleet: FleetFolder, arguments: list[str], text: str) -> None:
    result = run(*arguments, cwd=fleet.root, stdin=text)
    assert result.returncode == 2
    assert "stdin is empty" in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: List\nitems: []\n",
        "apiVersion: v1\nkind: List\nitems:\n",
        '{"apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": "ModuleList", "items": []}',
    ],
)
@pytest.mark.parametrize("arguments", [["check", "-"], ["check", "--ignore-other", "-"]])
def test_a_list_of_nothing_is_sound(fleet: FleetFolder, arguments: list[str], text: str) -> None:
    result = run(*arguments, cwd=fleet.root, stdin=text)
    assert result.returncode == 0
    assert result.stderr == "0 objects checked: 0 errors, 0 warnings\n"


@pytest.mark.timing
@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "-"],
        ["import", "-", "--cluster", "paris"],
        ["resolve", "-", "--kernel", "5.14.0-1"],
        ["facts", "redact", "-"],
    ],
)
def test_a_closed_stdin_is_an_empty_one(fleet: FleetFolder, arguments: list[str]) -> None:
    command = shlex.join([sys.executable, "-m", "kmodgate.renderer.start", *arguments])
    result = subprocess.run(["sh", "-c", f"{command} <&-"], cwd=fleet.root, capture_output=True, text=True, check=False)
    assert (result.returncode, "stdin is empty" in result.stderr) == (2, True), result.stderr


EMPTY_LISTS = [
    "apiVersion: v1\nkind: List\nitems: []\n",
    '{"apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": "ModuleList", "items": []}',
    "apiVersion: v1\nkind: List\n",
]


@pytest.mark.parametrize("text", EMPTY_LISTS)
def test_a_list_of_nothing_has_nothing_to_resolve(fleet: FleetFolder, text: str) -> None:
    result = run("resolve", "-", "--kernel", "5.14.0-1", "--format", "json", cwd=fleet.root, stdin=text)
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "[]", "0 Modules\n")


@pytest.mark.parametrize("text", ["# none\n", "null\n", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n"])
def test_a_text_without_modules_cannot_be_resolved(fleet: FleetFolder, text: str) -> None:
    result = run("resolve", "-", "--kernel", "5.14.0-1", cwd=fleet.root, stdin=text)
    assert (result.returncode, "no Module in it" in result.stderr) == (2, True)


@pytest.mark.parametrize("text", ["", "\n \n", "# none\n---\n"])
def test_facts_of_an_empty_file_are_a_command_that_failed(fleet: FleetFolder, text: str) -> None:
    fleet.write("../dump/facts.yaml", text)
    result = fleet.run("check", "--facts", "../dump/facts.yaml")
    assert (result.returncode, "--facts ../dump/facts.yaml: holds no object" in result.stderr) == (2, True)
    assert fleet.run("check", "--facts", "../dump").returncode == 0  # one of many


@pytest.mark.parametrize("text", EMPTY_LISTS)
def test_facts_of_a_list_of_nothing_are_facts(fleet: FleetFolder, text: str) -> None:
    fleet.root.parent.joinpath("facts.yaml").write_text(text)
    assert fleet.run("check", "--facts", "../facts.yaml").returncode == 0
