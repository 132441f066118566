"""Renders that are killed, that race, and that may not write."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.fleets import REPOSITORY, FleetFolder
from tests.renderer.tree.changes import relabel
from tests.renderer.tree.killed_render import interrupt


def is_temporary(path: str) -> bool:
    """Whether a file is what a killed run had not yet put in its place."""
    return path.startswith(".kmodgate-tmp-")


@pytest.mark.timing
def test_a_render_killed_at_any_point_is_finished_by_the_next(tmp_path: Path) -> None:
    template = FleetFolder(tmp_path / "template")
    template.cluster("paris")
    template.cluster("old")
    for name in ("nic", "gpu"):
        template.driver(name)
    template.render()
    relabel(template)
    template.driver("gpu", "removal: auto")
    template.driver("fpga")
    (template.root / "clusters/old.yaml").unlink()
    goal = FleetFolder(tmp_path / "goal")
    shutil.copytree(template.root, goal.root, dirs_exist_ok=True)
    goal.render("--allow-removal", "old/*")
    wanted, start = goal.files(), template.files()
    point, interrupted = 2, 0
    while True:
        victim = FleetFolder(tmp_path / f"victim-{point}")
        shutil.copytree(template.root, victim.root, dirs_exist_ok=True)
        if interrupt(victim, point, "--allow-removal", "old/*") == 99:
            break
        if (victim.root / "rendered/.journal").exists():
            interrupted += 1
            check = victim.run("render", "--check")
            assert check.returncode == 1
            assert "an earlier render was interrupted; run render again to finish it: rendered/.journal" in check.stdout
        else:
            found = {path: content for path, content in victim.files().items() if not is_temporary(path)}
            assert found in (start, wanted)
        victim.render(*([] if (victim.root / "rendered/.journal").exists() else ["--allow-removal", "old/*"]))
        assert victim.files() == wanted, f"killed at point {point}"
        assert victim.run("render", "--check").returncode == 0
        shutil.rmtree(victim.root)
        point += 1
    assert interrupted > 5


@pytest.mark.timing
def test_an_interrupted_render_of_one_cluster_is_still_known_after_another(fleet: FleetFolder) -> None:
    fleet.driver("nic", "removal: auto")
    for point in range(2, 40):
        if interrupt(fleet, point) == 99 or (fleet.root / "rendered/.journal").exists():
            break
    fleet.render("--cluster", "paris")
    assert (fleet.root / "rendered/.journal").exists()
    fleet.render()
    assert not (fleet.root / "rendered/.journal").exists()
    assert fleet.run("render", "--check").returncode == 0


@pytest.mark.timing
def test_two_renders_at_once_do_not_mix(fleet: FleetFolder) -> None:
    fleet.driver("nic", "removal: auto")
    descriptor = os.open(fleet.root / "rendered", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    command = [sys.executable, "-m", "kmodgate.renderer.start", "render"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    waiting = subprocess.Popen(command, cwd=fleet.root, env=environment, stderr=subprocess.PIPE, text=True)
    assert waiting.stderr is not None
    assert "waiting for another render of rendered to end" in waiting.stderr.readline()
    assert fleet.run("render", "--check").returncode == 1  # reads without the lock
    assert waiting.poll() is None
    os.close(descriptor)
    waiting.communicate(timeout=120)
    assert waiting.returncode == 0
    assert fleet.run("render", "--check").returncode == 0


@pytest.mark.timing
def test_renders_that_race_end_in_the_right_tree(fleet: FleetFolder) -> None:
    shutil.rmtree(fleet.root / "rendered")
    command = [sys.executable, "-m", "kmodgate.renderer.start", "render"]
    runs = [
        subprocess.Popen(command, cwd=fleet.root, env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")})
        for _ in range(4)
    ]
    assert [process.wait(timeout=120) for process in runs] == [0, 0, 0, 0]
    assert fleet.run("render", "--check").returncode == 0


@pytest.fixture
def unprivileged() -> list[str]:
    """A command prefix that drops root, for whom no folder is read-only."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("needs setpriv (util-linux) to test as another user than root")
    return [setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups"]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others may enter; those of pytest are closed again whenever another run of pytest begins."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_check_works_on_a_read_only_tree_and_render_says_what_is_wrong(
    fleet: FleetFolder, unprivileged: list[str], open_folder: Path
) -> None:
    fleet.driver("nic", "removal: auto")
    root = Path(shutil.copytree(fleet.root, open_folder / "fleet"))
    for path in [root, *root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*unprivileged, sys.executable, "-m", "kmodgate.renderer.start", "render"]
    probe = subprocess.run([*command, "--help"], cwd="/", env=environment, capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("the interpreter or the checkout is not readable by other users than root")
    check = subprocess.run(
        [*command, "--check", str(root)], env=environment, capture_output=True, text=True, check=False
    )
    assert (check.returncode, check.stderr.count("Traceback")) == (1, 0)
    render = subprocess.run([*command, str(root)], env=environment, capture_output=True, text=True, check=False)
    assert render.returncode == 3
    assert "Permission denied" in render.stderr
    assert "fix: " in render.stderr


def test_a_journal_that_somebody_wrote_deletes_nothing_outside(fleet: FleetFolder, tmp_path: Path) -> None:
    victim = tmp_path / "victim" / "precious"
    victim.parent.mkdir()
    victim.write_text("x")
    owned = {"../../victim": {"owned": "0 precious K - n\n", "removals": []}}
    (fleet.root / "rendered/.journal").write_text(json.dumps({"version": 1, "clusters": owned}))
    assert fleet.run("render").returncode == 2
    assert victim.read_text() == "x"


@pytest.mark.timing
def test_two_interruptions_with_other_specs_lose_no_ownership(tmp_path: Path) -> None:
    for first in range(6, 16):
        fleet = FleetFolder(tmp_path / f"fleet-{first}")
        fleet.cluster("paris")
        fleet.driver("nic")
        fleet.render()
        fleet.driver("gpu")
        interrupt(fleet, first)
        (fleet.root / "drivers/gpu.yaml").unlink()
        fleet.driver("nic", "removal: auto")
        interrupt(fleet, 7, "--allow-removal", "gpu")  # right after its journal
        result = fleet.render("--allow-removal", "gpu")
        assert "not written by kmodgate" not in result.stderr
        assert not [path for path in fleet.files() if "gpu" in path], first
        assert fleet.run("render", "--check").returncode == 0


@pytest.mark.timing
def test_a_render_that_waited_reads_the_specs_again(fleet: FleetFolder) -> None:
    descriptor = os.open(fleet.root / "rendered", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    command = [sys.executable, "-m", "kmodgate.renderer.start", "render"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    waiting = subprocess.Popen(command, cwd=fleet.root, env=environment, stderr=subprocess.PIPE, text=True)
    assert waiting.stderr is not None
    assert "waiting" in waiting.stderr.readline()
    fleet.driver("nic", "removal: auto")
    os.close(descriptor)
    waiting.communicate(timeout=120)
    assert fleet.run("render", "--check").returncode == 0


def test_a_removal_that_is_interrupted_keeps_its_permission(tmp_path: Path) -> None:
    template = FleetFolder(tmp_path / "template")
    template.cluster("paris")
    for name in ("nic", "gpu"):
        template.driver(name)
    template.render()
    (template.root / "drivers/gpu.yaml").unlink()
    point, allowed = 2, 0
    while True:
        victim = FleetFolder(tmp_path / f"victim-{point}")
        shutil.copytree(template.root, victim.root, dirs_exist_ok=True)
        if interrupt(victim, point, "--allow-removal", "gpu") == 99:
            break
        if (victim.root / "removals.yaml").exists():
            allowed += 1
            victim.render()  # the permission is in the fleet: nobody has to give it again
        else:
            assert {path for path in victim.files() if not is_temporary(path)} == template.files().keys()
            victim.render("--allow-removal", "gpu")
        assert "name: gpu" in (victim.root / "removals.yaml").read_text()
        assert victim.run("render", "--check").returncode == 0
        assert not [path.name for path in victim.root.iterdir() if "kmodgate-tmp" in path.name]
        point += 1
    assert allowed > 3


def test_a_render_that_may_not_write_the_permission_changes_no_tree(
    fleet: FleetFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fleet.files()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "removals.yaml")

    monkeypatch.setattr("kmodgate.renderer.removals.removals_file.put", full)
    relabel(fleet)
    result = fleet.run("render", "--allow-removal", "nic")
    assert result.returncode == 3
    assert "removals.yaml" in result.stderr
    assert fleet.files() == before


def test_the_folder_of_a_new_cluster_comes_as_a_whole(fleet: FleetFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.driver("nic")
    shutil.rmtree(fleet.root / "rendered", ignore_errors=True)
    seen: list[tuple[str, bool]] = []
    real = os.replace

    def replace(source: str, target: str, **folders: int) -> None:
        inside = os.path.isdir(f"/proc/self/fd/{folders['src_dir_fd']}/{source}")
        seen.append((target, inside))
        real(source, target, **folders)

    monkeypatch.setattr(os, "replace", replace)
    fleet.render()
    assert [target for target, is_folder in seen if is_folder] == ["lyon", "paris"]
    assert [target for target, is_folder in seen if not is_folder] == [".journal"]


def test_what_a_killed_run_has_left_of_a_new_cluster_goes(fleet: FleetFolder) -> None:
    fleet.driver("nic")
    left = fleet.root / "rendered/.kmodgate-tmp-0123456789abcdef/nic"
    left.mkdir(parents=True)
    (left / "module-nic.yaml").write_text("half")
    (fleet.root / "rendered/paris/.index").unlink(missing_ok=True)
    shutil.rmtree(fleet.root / "rendered/paris", ignore_errors=True)
    fleet.render()
    assert not left.parent.exists()
    assert fleet.run("render", "--check").returncode == 0
