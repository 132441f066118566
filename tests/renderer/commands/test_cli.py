"""What a person sees: streams, exit codes, colours, and the verbs beside render."""

from __future__ import annotations

import importlib.util
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kmodgate import schemas
from kmodgate.policy.rule import RULES, load_rules
from kmodgate.renderer.console import Console
from kmodgate.renderer.version import __version__
from tests.fleets import REPOSITORY, FleetFolder, run

load_rules()


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
    result = fleet.run(*arguments)
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


def test_a_reader_that_has_seen_enough_is_no_error(fleet: FleetFolder) -> None:
    command = f"{sys.executable} -m kmodgate.renderer.start schema KernelDriver | head -n 1; echo ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=False)
    assert result.stdout == "{\n0\n"
    assert result.stderr == ""


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


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_whoever_ends_a_run_gets_the_code_of_the_signal(fleet: FleetFolder, name: str, code: int) -> None:
    script = f"import os, signal\nfrom kmodgate.renderer import start\nfrom kmodgate.renderer.commands import render as r\nr.load_fleet = lambda *a: os.kill(os.getpid(), signal.{name})\nimport sys; sys.argv = ['kmodgate', 'render']; raise SystemExit(start.main())"
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


def test_a_pipe_in_place_of_a_file_does_not_hang(fleet: FleetFolder) -> None:
    os.mkfifo(fleet.root / "clusters" / "pipe.yaml")
    result = fleet.run("render")
    assert result.returncode == 2
    assert "is not a regular file" in result.stderr


ESCAPE = "\x1b["


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
    process.wait(timeout=30)
    assert (ESCAPE in os.read(controller, 65536).decode()) is colored
    os.close(controller)


def test_control_characters_of_a_spec_do_not_reach_the_terminal(fleet: FleetFolder) -> None:
    fleet.driver("nic", 'removal: "\\e[31mred"')
    assert "\x1b" not in fleet.run("render").stderr


def test_a_reader_of_both_streams_that_leaves_changes_no_exit_code(fleet: FleetFolder) -> None:
    for command in ("render", "render --dry-run"):
        fleet.driver("nic", f"version: '{len(command)}'")
        script = f'"{sys.executable}" -m kmodgate.renderer.start {command} 2>&1 | true; echo ${{PIPESTATUS[0]}}'
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
        result = subprocess.run(
            ["bash", "-c", script], cwd=fleet.root, env=environment, capture_output=True, text=True, check=False
        )
        assert (result.stdout, result.stderr) == ("0\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["init", "fleet", "sub/x"], "lies inside the fleet"),
        (["init", "fleet", ""], "is empty"),
        (["init", "fleet", "kmodgate.yaml"], "is a file"),
        (["init", "driver", "a" * 50], "is too long"),
        (["init", "driver", "gpu", "--driver-version", "a b"], "not a version"),
        (["init", "driver", "gpu", "--driver-version", "y"], "not a version"),
    ],
)
def test_init_writes_nothing_that_render_would_refuse(fleet: FleetFolder, arguments: list[str], words: str) -> None:
    before = sorted(fleet.root.rglob("*"))
    result = fleet.run(*arguments)
    assert result.returncode == 2
    assert words in result.stderr
    assert sorted(fleet.root.rglob("*")) == before


def test_a_colour_choice_before_the_verb_holds_too(fleet: FleetFolder) -> None:
    fleet.driver("nic", "version: 2.10")
    assert "\x1b[" in fleet.run("--color", "always", "render").stderr
    assert "\x1b[" not in fleet.run("--color", "always", "render", "--color", "never").stderr


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
    console = Console()
    now = 100.9
    console.progress("files read", 1, 3)
    assert capsys.readouterr().err == ""
    now = 101.1
    console.progress("files read", 2, 3)
    console.progress("files read", 3, 3)
    console.say("done")
    assert capsys.readouterr().err == "\r\x1b[Kfiles read: 2 of 3\r\x1b[Kdone\n"


def test_version_and_schemas_are_printed_to_stdout(tmp_path: Path) -> None:
    assert run("version", cwd=tmp_path).stdout == f"kmodgate {__version__}\n"
    assert run("schema", cwd=tmp_path).stdout.split() == sorted(schemas.KINDS)
    for kind in schemas.KINDS:
        schema = json.loads(run("schema", kind, cwd=tmp_path).stdout)
        assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_a_new_fleet_renders_as_it_stands_and_grows(tmp_path: Path) -> None:
    assert run("init", "fleet", "new", cwd=tmp_path).returncode == 0
    fleet = FleetFolder(tmp_path / "new")
    fleet.render()
    assert fleet.run("init", "driver", "nic", "--driver-version", "1.0").returncode == 0
    assert fleet.run("init", "cluster", "lyon", cwd=fleet.root / "drivers").returncode == 0
    fleet.render()
    module = fleet.object("lyon/nic/module-nic.yaml")
    assert module["spec"]["moduleLoader"]["container"]["version"] == "1.0"
    for spec in [*fleet.root.glob("*/*.yaml")]:
        first = spec.read_text().splitlines()[0]
        assert (spec.parent / first.removeprefix("# yaml-language-server: $schema=")).is_file()


@pytest.mark.parametrize("name", ["1e3", "on", "123", "a.b"])
def test_names_that_yaml_could_misread_are_written_safely(fleet: FleetFolder, name: str) -> None:
    assert fleet.run("init", "driver", name).returncode == 0
    assert fleet.run("init", "cluster", name).returncode == 0
    fleet.render()


def test_init_asks_for_a_version_on_a_terminal(fleet: FleetFolder) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "kmodgate.renderer.start", "init", "driver", "gpu"],
        cwd=fleet.root,
        stdin=terminal,
        stderr=terminal,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
    )
    os.write(controller, b"3.1\n")
    assert process.wait(timeout=30) == 0
    os.close(terminal)
    os.close(controller)
    assert '  version: "3.1"\n' in (fleet.root / "drivers/gpu.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ren"], "render"),
        (["render", "--all"], "--allow-removal"),
        (["render", "--color", "al"], "always"),
        (["schema", "Clu"], "Cluster"),
        (["init", "dr"], "driver"),
    ],
)
def test_bash_completes_verbs_options_and_values(tmp_path: Path, words: list[str], expected: str) -> None:
    script = run("completion", "bash", cwd=tmp_path).stdout
    line = " ".join(f"'{word}'" for word in ["kmodgate", *words])
    probe = f"{script}\nCOMP_WORDS=({line})\nCOMP_CWORD={len(words)}\n_kmodgate\necho ${{COMPREPLY[@]}}"
    result = subprocess.run(["bash", "-c", probe], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == (f"{expected}\n", "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_accept_their_scripts(tmp_path: Path, shell: str) -> None:
    script = run("completion", shell, cwd=tmp_path)
    assert script.returncode == 0
    for word in ("render", "allow-removal", "Cluster"):
        assert word in script.stdout
    binary = shutil.which(shell)
    if binary is None:
        pytest.skip(f"{shell} is not installed: its script was made, not run")
    (tmp_path / "script").write_text(script.stdout)
    result = subprocess.run([binary, "-n", str(tmp_path / "script")], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_plain_install_imports_no_server_and_help_imports_no_verb() -> None:
    listing = "import sys; sys.argv = ['kmodgate', {!r}]; from renderer import cli\ntry: cli.main()\nexcept SystemExit: pass\nprint(' '.join(sys.modules), file=sys.stderr)"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}

    def modules(argument: str) -> set[str]:
        command = [sys.executable, "-c", listing.format(argument)]
        result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", check=False)
        return set(result.stderr.splitlines()[-1].split())

    assert not modules("render") & {"aiohttp", "kubernetes", "cryptography", "jsonschema", "ruamel", "hypothesis"}
    assert not modules("--help") & {"yaml", "jsonschema_rs", "kmodgate.renderer.commands.render"}


def test_the_generated_pages_are_up_to_date() -> None:
    from tools.generate_docs import main

    assert main(["--check"]) == 0


def test_rules_are_listed_and_explained(tmp_path: Path) -> None:
    lines = run("rules", cwd=tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(RULES)
    page = run("rules", "kmm203", cwd=tmp_path).stdout
    assert page.startswith("KMM203 (error; Module, ManagedClusterModule)\n\nThe regexp of a kernel mapping")
    missing = run("rules", "KMM230", cwd=tmp_path)
    assert (missing.returncode, "did you mean KMM" in missing.stderr) == (2, True)


def test_every_error_id_has_its_line_in_the_docs_and_the_other_way_round() -> None:
    sources = [
        path.read_text()
        for folder in ("policy", "renderer")
        for path in (REPOSITORY / folder).rglob("*.py")
        if path.name != "error_catalogue.py"
    ]
    ids = {match for text in sources for match in re.findall(r'"([A-Z]{3}[0-9]{3})"', text)} - RULES.keys()
    documented = re.findall(r"^\| ([A-Z]{3}[0-9]{3}) \|", (REPOSITORY / "docs/errors.md").read_text(), re.MULTILINE)
    assert ids == set(documented) - RULES.keys()
    assert {id for id in RULES if id.startswith("SCH")} < set(documented)


def test_the_composed_schemas_are_up_to_date() -> None:
    assert importlib.util.find_spec("tools.compose_schemas") is not None
    command = [sys.executable, "-m", "tools.compose_schemas", "--check"]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
