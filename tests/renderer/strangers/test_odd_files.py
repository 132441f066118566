"""Pipes, sockets, devices, folders and huge files in the place of those that are read: no run waits for them or fills up."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.command import Finished, forked
from tests.fleets import FleetFolder, git

pytestmark = pytest.mark.timing


def pipe(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def bound_socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket may have a hundred characters
    try:
        with socket.socket(socket.AF_UNIX) as item:
            item.bind(path.name)
    finally:
        os.chdir(here)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


KINDS = (pipe, folder, bound_socket, device, huge)

PLACES = (
    "drivers/more.yaml",
    "clusters/paris.yaml",
    "drivers/nic.Dockerfile",
    "drivers/attached.yaml",
    "clusters/nodes.json",
    "removals.yaml",
    "rendered/paris/.index",
    "rendered/.journal",
    "rendered/paris/nic/module-nic.yaml",
    "rendered/paris/nic/more.yaml",
    "rendered/more.yaml",
)

COMMANDS = (
    "render", "render --check", "check", "check drivers", "check rendered", "plan", "diff", "explain nic",
    "webhook-config --only rights", "images", "import rendered --cluster a --dry-run",
)  # fmt: skip


def answer(folder: Path, *arguments: str) -> Finished:
    """Run the command in a process of its own, with little memory, which ends it where it reads without a bound."""
    return forked(*arguments, cwd=folder, memory=2 << 30)


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> FleetFolder:
    """A rendered and committed fleet whose specs name files."""
    fleet = FleetFolder(tmp_path_factory.mktemp("committed") / "fleet")
    path = fleet.cluster("paris")
    path.write_text(path.read_text().split("  nodeGroups")[0] + "  inventory: ./nodes.json\n")
    fleet.write("clusters/nodes.json", '{"kind": "List", "items": []}')
    fleet.write("drivers/nic.Dockerfile", "FROM scratch\n")
    fleet.write("drivers/attached.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    fleet.driver("nic", "build: {dockerfile: ./nic.Dockerfile}\nattach: [./attached.yaml]")
    fleet.render()
    git(fleet.root, "init", "-q")
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-qm", "first")
    return fleet


@pytest.fixture
def referring(committed: FleetFolder, tmp_path: Path) -> FleetFolder:
    """A copy of the committed fleet."""
    return FleetFolder(shutil.copytree(committed.root, tmp_path / "fleet"))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_command_waits_for_an_odd_file(referring: FleetFolder, kind: Callable[[Path], None], place: str) -> None:
    path = referring.root / place
    path.unlink(missing_ok=True)
    kind(path)
    for command in COMMANDS[(PLACES.index(place) + KINDS.index(kind)) % 4 :: 4]:  # each somewhere with each kind
        result = answer(referring.root, *command.split())
        assert result.returncode in (0, 1, 2), (command, result.stderr)
        assert "Traceback" not in result.stderr


GIVEN = (
    "check FILE", "check --facts FILE", "check --policy FILE", "plan --nodes FILE", "plan --dtk FILE", "import FILE --cluster a",
    "resolve FILE --kernel 5.14.0-1", "resolve rendered/paris/nic/module-nic.yaml --kernels-from FILE", "facts redact FILE",
    "ims decide --csm 1.6.0 --type create --config FILE", "ims decide --csm 1.6.0 --cfs FILE",
    "ims compare --from 1.5.2 --to 1.6.0 --config FILE --recipes FILE --cfs FILE",
    "explain FILE", "webhook-config --url https://a.example --ca-bundle FILE", "images --dtk FILE", "policy approve --from FILE",
    "ims template FILE", "ims verify FILE --expected FILE --log FILE --jobs FILE",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_no_command_waits_for_an_odd_file_that_it_is_given(
    referring: FleetFolder, tmp_path: Path, kind: Callable[[Path], None]
) -> None:
    path = tmp_path / "odd.yaml"
    kind(path)
    for command in GIVEN:
        result = answer(referring.root, *(str(path) if word == "FILE" else word for word in command.split()))
        assert result.returncode in (0, 1, 2), (command, result.stderr)
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_init_waits_for_no_odd_file(tmp_path: Path, kind: Callable[[Path], None]) -> None:
    kind(tmp_path / ".gitattributes")
    result = answer(tmp_path, "init", "fleet", ".")
    assert result.returncode == 2, result.stderr
    assert ".gitattributes" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_a_shell_hands_over_is_read(referring: FleetFolder) -> None:
    command = f"{sys.executable} -m kmodgate.renderer.start check <(cat rendered/paris/nic/module-nic.yaml)"
    result = subprocess.run(["bash", "-c", command], cwd=referring.root, capture_output=True, text=True, check=False)
    assert (result.returncode, "1 object checked" in result.stderr) == (0, True), result.stderr


@pytest.fixture
def nested(referring: FleetFolder, request: pytest.FixtureRequest) -> Iterator[FleetFolder]:
    """A fleet with a folder that holds 1,500 others, one in another: more than Python itself can remove afterwards."""
    path = "/".join([request.param, *["a"] * 1500])
    subprocess.run(["mkdir", "-p", path], cwd=referring.root, check=True)
    yield referring
    subprocess.run(["rm", "-rf", f"{request.param}/a"], cwd=referring.root, check=True)


@pytest.mark.parametrize(
    ("nested", "place"),
    [(place, place) for place in ("drivers", "rendered/paris", "rendered/evil")],
    indirect=["nested"],
)
def test_folders_that_are_nested_too_deep_are_refused(nested: FleetFolder, place: str) -> None:
    for command in ("render", "render --check", "check", "check rendered", "plan", "import . --cluster a --dry-run"):
        result = answer(nested.root, *command.split())
        if command == "check rendered" and place == "drivers":
            continue
        assert (result.returncode, "nested deeper than" in result.stderr) == (2, True), (command, result.stderr[-300:])
