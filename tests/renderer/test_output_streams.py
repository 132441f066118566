"""Streams of the command: stdout, stderr, terminals, colours and readers that leave."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time

import pytest

from kmodgate.renderer.console import Console
from tests.command import run
from tests.fleets import REPOSITORY, FleetFolder


def test_render_says_what_it_did_on_stderr_only(fleet: FleetFolder) -> None:
    result = fleet.render()
    assert result.stdout == ""
    assert result.stderr == "rendered: 5 objects for 1 cluster; 5 files written\n"


def test_paths_in_messages_can_be_opened_from_where_the_person_is(fleet: FleetFolder) -> None:
    fleet.driver("nic", "version: 2.10")
    assert run("render", "fleet", cwd=fleet.root.parent).stderr.startswith(
        "fleet/drivers/nic.yaml:12:12: error[SCH102]"
    )
    assert run("render", cwd=fleet.root / "drivers").stderr.startswith("../drivers/nic.yaml:12:12: error[SCH102]")


@pytest.mark.timing
def test_a_reader_that_has_seen_enough_is_no_error(fleet: FleetFolder) -> None:
    command = f"{sys.executable} -m kmodgate.renderer.start schema KernelDriver | head -n 1; echo ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=False)
    assert result.stdout == "{\n0\n"
    assert result.stderr == ""


@pytest.mark.timing
def test_drift_is_drift_even_if_its_reader_has_seen_enough(fleet: FleetFolder) -> None:
    command = (
        f"{sys.executable} -m kmodgate.renderer.start render --check | head -n 1 > /dev/null; echo ${{PIPESTATUS[0]}}"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    for name in range(60):
        fleet.driver(f"driver-{name}")
    result = subprocess.run(
        ["bash", "-c", command], cwd=fleet.root, capture_output=True, text=True, env=environment, check=False
    )
    assert result.stdout == "1\n"


ESCAPE = "\x1b["
RED = "\x1b[31"


@pytest.mark.parametrize(
    ("arguments", "environment", "colored"),
    [
        ([], {}, False),
        (["--color", "always"], {}, True),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        ([], {"FORCE_COLOR": "1"}, True),
        ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (["--color", "never"], {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colours_follow_the_choice_then_the_environment(
    fleet: FleetFolder, arguments: list[str], environment: dict[str, str], colored: bool
) -> None:
    fleet.driver("nic", "version: 2.10")
    assert (ESCAPE in fleet.run("render", *arguments, env=environment).stderr) is colored


@pytest.mark.timing
@pytest.mark.parametrize(("environment", "colored"), [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False)])
def test_a_terminal_gets_colours(fleet: FleetFolder, environment: dict[str, str], colored: bool) -> None:
    fleet.driver("nic", "version: 2.10")
    clean = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "kmodgate.renderer.start", "render"],
        cwd=fleet.root,
        stderr=terminal,
        env={**clean, "PYTHONPATH": str(REPOSITORY / "src"), **environment},
    )
    os.close(terminal)
    process.wait(timeout=120)
    shown = os.read(controller, 65536).decode()
    assert ((RED in shown), (ESCAPE in shown)) == (colored, colored)
    os.close(controller)


def test_control_characters_of_a_spec_do_not_reach_the_terminal(fleet: FleetFolder) -> None:
    fleet.driver("nic", 'removal: "\\e[31mred"')
    assert "\x1b" not in fleet.run("render").stderr


@pytest.mark.timing
def test_a_reader_of_both_streams_that_leaves_changes_no_exit_code(fleet: FleetFolder) -> None:
    for command in ("render", "render --dry-run"):
        fleet.driver("nic", f"version: '{len(command)}'")
        script = f'"{sys.executable}" -m kmodgate.renderer.start {command} 2>&1 | true; echo ${{PIPESTATUS[0]}}'
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
        result = subprocess.run(
            ["bash", "-c", script], cwd=fleet.root, env=environment, capture_output=True, text=True, check=False
        )
        assert (result.stdout, result.stderr) == ("0\n", "")


def test_a_colour_choice_before_the_verb_holds_too(fleet: FleetFolder) -> None:
    fleet.driver("nic", "version: 2.10")
    assert "\x1b[" in fleet.run("--color", "always", "render").stderr
    assert "\x1b[" not in fleet.run("--color", "always", "render", "--color", "never").stderr


@pytest.mark.timing
@pytest.mark.parametrize(
    ("command", "code"), [("schema Module >&-", 3), ("render >&-", 0), ("render 2>&-", 0), ("render --check >&- 2>&-", 0)]
)  # fmt: skip
def test_a_closed_stream_is_no_bug(fleet: FleetFolder, command: str, code: int) -> None:
    fleet.render()
    result = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m kmodgate.renderer.start {command}'],
        cwd=fleet.root,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == code
    assert "Traceback" not in result.stderr


def test_progress_is_shown_after_a_second_and_cleared_before_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    console = Console()
    now = 100.9
    console.progress("files read", 1, 3)
    assert capsys.readouterr().err == ""
    now = 101.1
    console.progress("files read", 2, 3)
    console.progress("files read", 3, 3)
    console.say("done")
    assert capsys.readouterr().err == "\r\x1b[Kfiles read: 2 of 3\r\x1b[Kdone\n"


def test_no_progress_is_shown_on_a_terminal_that_cannot_clear_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    console = Console()
    now = 101.1
    console.progress("files read", 2, 3)
    console.say("done")
    assert capsys.readouterr().err == "done\n"
