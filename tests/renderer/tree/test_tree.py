"""Invariant I5: nothing is lost. What render owns, what it leaves alone, and what it will not let go."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kmodgate.policy.findings import Finding
from kmodgate.renderer.compile.manifest import Identity
from kmodgate.renderer.tree import compare
from kmodgate.renderer.tree.file_names import RenderedFile
from tests.fleets import REPOSITORY, FleetFolder


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    folder = FleetFolder(tmp_path / "fleet")
    folder.cluster("paris", nodes=12)
    folder.cluster("lyon", nodes=30)
    for name in ("nic", "gpu"):
        folder.driver(name)
    folder.render()
    return folder


def test_a_second_render_changes_no_file(fleet: FleetFolder) -> None:
    before = {path: path.stat().st_mtime_ns for path in (fleet.root / "rendered").rglob("*")}
    result = fleet.render()
    assert "nothing to change" in result.stderr
    assert {path: path.stat().st_mtime_ns for path in (fleet.root / "rendered").rglob("*")} == before
    assert fleet.run("render", "--check").returncode == 0


def test_only_changed_files_are_written(fleet: FleetFolder) -> None:
    kept = fleet.root / "rendered/paris/gpu/module-gpu.yaml"
    before = kept.stat().st_mtime_ns
    fleet.driver("nic", "removal: auto")
    assert "2 files written" in fleet.render().stderr
    assert kept.stat().st_mtime_ns == before


def test_check_lists_missing_changed_and_extra_files_with_a_diff_and_writes_nothing(fleet: FleetFolder) -> None:
    rendered = fleet.root / "rendered/paris"
    (rendered / "nic/module-nic.yaml").unlink()
    module = rendered / "gpu/module-gpu.yaml"
    module.write_text(module.read_text().replace("moduleName: dummy", "moduleName: edited"))
    fleet.write("rendered/paris/gpu/stray.yaml", "kind: Stray\n")
    before = fleet.files()
    result = fleet.run("render", "--check")
    assert result.returncode == 1
    assert "missing: rendered/paris/nic/module-nic.yaml" in result.stdout
    assert "changed: rendered/paris/gpu/module-gpu.yaml" in result.stdout
    assert "extra (not written by kmodgate; Argo CD would apply it): rendered/paris/gpu/stray.yaml" in result.stdout
    assert "-        moduleName: edited\n+        moduleName: dummy\n" in result.stdout
    assert "3 files differ from the specs: 1 missing, 1 changed, 1 extra" in result.stderr
    assert fleet.files() == before


def test_an_index_alone_that_lags_is_drift_too(fleet: FleetFolder) -> None:
    (fleet.root / "rendered/paris/.index").unlink()
    result = fleet.run("render", "--check")
    assert result.returncode == 1
    assert result.stdout == "missing: rendered/paris/.index\n"


def test_dry_run_shows_the_same_and_succeeds(fleet: FleetFolder) -> None:
    fleet.driver("nic", "removal: auto")
    before = fleet.files()
    result = fleet.run("render", "--dry-run")
    assert result.returncode == 0
    assert "changed: rendered/paris/nic/module-nic.yaml" in result.stdout
    assert fleet.files() == before


def test_files_of_others_are_neither_deleted_nor_overwritten(fleet: FleetFolder) -> None:
    readme = fleet.write("rendered/paris/README.md", "ours\n")
    stray = fleet.write("rendered/paris/nic/stray.yaml", "kind: Stray\n")
    fleet.driver("nic", "state: absent")
    assert "Argo CD would apply it" in fleet.render().stderr
    assert readme.read_text() == "ours\n"
    assert stray.exists()
    assert not (fleet.root / "rendered/paris/nic/module-nic.yaml").exists()


def test_a_file_of_others_in_the_way_stops_the_run(fleet: FleetFolder) -> None:
    fleet.write("rendered/paris/fpga/module-fpga.yaml", "kind: Other\n")
    fleet.driver("fpga")
    before = fleet.files()
    result = fleet.run("render")
    assert result.returncode == 2
    assert "rendered/paris/fpga/module-fpga.yaml: error[GIT002] exists, and kmodgate did not write it" in result.stderr
    assert fleet.files() == before


def test_an_unowned_file_with_the_right_content_is_adopted(fleet: FleetFolder) -> None:
    (fleet.root / "rendered/paris/.index").unlink()
    fleet.render()
    assert fleet.run("render", "--check").returncode == 0


@pytest.mark.parametrize("place", ["rendered/paris/nic", "rendered/paris", "rendered/paris/nic/module-nic.yaml"])
def test_links_are_not_followed_out_of_the_tree(fleet: FleetFolder, place: str, tmp_path: Path) -> None:
    path = fleet.root / place
    outside = tmp_path / "outside"
    shutil.move(path, outside)
    path.symlink_to(outside)
    before = outside.read_bytes() if outside.is_file() else sorted(item.name for item in outside.rglob("*"))
    fleet.driver("nic", "removal: auto")
    result = fleet.run("render")
    after = outside.read_bytes() if outside.is_file() else sorted(item.name for item in outside.rglob("*"))
    assert after == before
    if outside.is_file():
        assert result.returncode == 0
        assert not path.is_symlink()
    else:
        assert "GIT002" in result.stderr


def test_a_folder_in_the_place_of_a_file_stops_the_run(fleet: FleetFolder) -> None:
    path = fleet.root / "rendered/paris/nic/module-nic.yaml"
    path.unlink()
    path.mkdir()
    result = fleet.run("render")
    assert result.returncode == 2
    assert "is a folder, and must be a file" in result.stderr


def test_an_index_that_somebody_edited_owns_nothing_outside_its_folder(fleet: FleetFolder, tmp_path: Path) -> None:
    victim = tmp_path / "victim.yaml"
    victim.write_text("kind: Precious\n")
    index = fleet.root / "rendered/paris/.index"
    index.write_text(index.read_text() + f"{'0' * 64} ../../../victim.yaml ConfigMap - victim\n")
    result = fleet.run("render")
    assert result.returncode == 2
    assert ".index:9: not a line of an index" in result.stderr
    assert victim.exists()


def test_after_a_merge_conflict_the_next_render_puts_the_index_right(fleet: FleetFolder) -> None:
    index = fleet.root / "rendered/paris/.index"
    wanted = index.read_bytes()
    lines = index.read_text().splitlines()
    lines[2:3] = ["<<<<<<< HEAD", lines[2], "=======", lines[2].replace(lines[2][:4], "0000"), ">>>>>>> branch"]
    index.write_text("\n".join(lines) + "\n")
    fleet.render()
    assert index.read_bytes() == wanted


def relabel(fleet: FleetFolder) -> None:
    fleet.driver("nic", clusters="{names: [paris]}")


def rename(fleet: FleetFolder) -> None:
    (fleet.root / "drivers/nic.yaml").unlink()


def move(fleet: FleetFolder) -> None:
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("kmm-tests", "elsewhere"))


def retire(fleet: FleetFolder) -> None:
    (fleet.root / "clusters/lyon.yaml").unlink()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (relabel, "Module kmm-tests/nic would leave the tree of 1 cluster (lyon), which takes it off 30 nodes"),
        (
            rename,
            "Module kmm-tests/nic would leave the tree of 2 clusters (lyon, paris), which takes it off 42 nodes",
        ),
        (move, "Module kmm-tests/nic would leave the tree of 2 clusters (lyon, paris), which takes it off 42 nodes"),
        (
            retire,
            "Module kmm-tests/gpu would leave the tree of 1 cluster (lyon), which takes it off an unknown number",
        ),
    ],
)
def test_a_module_does_not_leave_the_tree_unasked(
    fleet: FleetFolder, change: Callable[[FleetFolder], None], words: str
) -> None:
    change(fleet)
    before = fleet.files()
    result = fleet.run("render")
    assert result.returncode == 1
    assert words in result.stderr
    assert "error[GIT001]" in result.stderr
    assert fleet.files() == before


@pytest.mark.parametrize("allowed", ["nic", "lyon/nic"])
def test_a_named_module_may_leave(fleet: FleetFolder, allowed: str) -> None:
    relabel(fleet)
    fleet.render("--allow-removal", allowed)
    assert "paris/nic/module-nic.yaml" in fleet.files()
    assert "lyon/nic/module-nic.yaml" not in fleet.files()


def test_a_whole_cluster_may_leave_and_takes_its_folder_along(fleet: FleetFolder) -> None:
    retire(fleet)
    fleet.render("--allow-removal", "lyon/*")
    assert not (fleet.root / "rendered/lyon").exists()
    assert (fleet.root / "rendered/paris").exists()


def test_another_modules_permission_does_not_count(fleet: FleetFolder) -> None:
    relabel(fleet)
    assert fleet.run("render", "--allow-removal", "gpu").returncode == 1


def test_state_absent_lets_the_module_leave_where_it_says_so(fleet: FleetFolder) -> None:
    fleet.driver("nic", "overrides: [{clusters: {names: [lyon]}, patch: {state: absent}}]")
    fleet.render()
    assert "lyon/nic/module-nic.yaml" not in fleet.files()
    assert "paris/nic/module-nic.yaml" in fleet.files()


def test_one_cluster_is_rendered_without_touching_the_others(fleet: FleetFolder) -> None:
    fleet.driver("nic", "removal: auto")
    before = fleet.files()
    fleet.render("--cluster", "paris")
    changed = {path for path, content in fleet.files().items() if before[path] != content}
    assert changed == {"paris/.index", "paris/nic/module-nic.yaml"}


def test_the_tree_may_be_elsewhere(fleet: FleetFolder, tmp_path: Path) -> None:
    fleet.render("--output", str(tmp_path / "elsewhere"))
    assert fleet.files("../elsewhere") == fleet.files()


def test_a_spec_in_the_output_folder_is_an_error(fleet: FleetFolder) -> None:
    result = fleet.run("render", "--output", "drivers")
    assert result.returncode == 2
    assert "drivers/nic.yaml: error[GIT003] a spec in the output folder" in result.stderr
    fleet.write("rendered/paris/nic/more.yaml", (fleet.root / "clusters/paris.yaml").read_text())
    result = fleet.run("render", "--check")
    assert result.returncode == 2
    assert "rendered/paris/nic/more.yaml: error[GIT003]" in result.stderr


def test_specs_below_a_folder_rendered_count_when_the_tree_is_elsewhere(fleet: FleetFolder) -> None:
    shutil.rmtree(fleet.root / "rendered")
    (fleet.root / "drivers").rename(fleet.root / "rendered")
    fleet.render("--output", "tree")
    assert "paris/nic/module-nic.yaml" in fleet.files("tree")


def test_an_empty_output_is_refused(fleet: FleetFolder) -> None:
    result = fleet.run("render", "--output", "")
    assert result.returncode == 2
    assert "--output is empty" in result.stderr


def test_a_pipe_in_place_of_a_file_is_replaced(fleet: FleetFolder) -> None:
    for name in ("nic/module-nic.yaml", ".index"):
        path = fleet.root / "rendered/paris" / name
        path.unlink()
        os.mkfifo(path)
        fleet.driver("nic", "removal: auto")
        result = subprocess.run(
            [sys.executable, "-m", "kmodgate.renderer.start", "render"],
            cwd=fleet.root,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
            timeout=60,
            check=False,
        )
        assert result.returncode == 0
        assert path.is_file()


def test_a_file_that_vanishes_during_a_check_is_missing(fleet: FleetFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = fleet.root / "rendered/paris/nic/module-nic.yaml"
    content = RenderedFile(
        "nic/module-nic.yaml", gone.read_bytes(), Identity("kmm.sigs.x-k8s.io", "Module", "a", "nic")
    )
    listed = compare._walk

    def walk(folder: str, below: str, obstacles: list[Finding]) -> Iterator[str]:
        yield from list(listed(folder, below, obstacles))
        gone.unlink(missing_ok=True)

    monkeypatch.setattr(compare, "_walk", walk)
    change = compare.compare({"paris": {content.path: content}}, str(fleet.root / "rendered"), ["paris"])
    assert ("missing", "paris/nic/module-nic.yaml") in [(str(file.kind), file.path) for file in change.files]


@pytest.mark.parametrize("name", ["a\x1b[31mb.yaml", "a\rb.yaml"])
def test_a_file_name_does_not_steer_the_terminal(fleet: FleetFolder, name: str) -> None:
    fleet.write(f"rendered/paris/nic/{name}", "kind: \x1b[2J\n")
    for result in (fleet.run("render", "--check"), fleet.run("render")):
        assert "Argo CD would apply it" in result.stdout + result.stderr
        assert not set("\x1b\r") & set(result.stdout + result.stderr)


def test_a_permission_that_nothing_needs_is_noted(fleet: FleetFolder) -> None:
    result = fleet.render("--allow-removal", "nci")
    assert "--allow-removal nci: no Module of that name would leave the tree" in result.stderr


def test_a_single_node_cluster_without_node_groups_counts_as_one_node(fleet: FleetFolder) -> None:
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(path.read_text().split("  nodeGroups")[0] + "  topology: sno\n")
    fleet.driver("nic", clusters="{names: [lyon]}")
    assert "takes it off 1 node\n" in fleet.run("render").stderr


def interrupt(fleet: FleetFolder, point: int, *arguments: str) -> int:
    """A render that is killed at a point; returns its exit code, 99 if it came to its end."""
    return subprocess.run(
        [sys.executable, "-m", "tests.renderer.tree.killed_render", str(point), "render", *arguments],
        cwd=fleet.root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(REPOSITORY / "src"), str(REPOSITORY)))},
        capture_output=True,
        check=False,
    ).returncode


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
            found = {path: content for path, content in victim.files().items() if path != ".kmodgate-tmp"}
            assert found in (start, wanted)
        victim.render(*([] if (victim.root / "rendered/.journal").exists() else ["--allow-removal", "old/*"]))
        assert victim.files() == wanted, f"killed at point {point}"
        assert victim.run("render", "--check").returncode == 0
        shutil.rmtree(victim.root)
        point += 1
    assert interrupted > 5


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


def test_two_renders_at_once_do_not_mix(fleet: FleetFolder) -> None:
    fleet.driver("nic", "removal: auto")
    descriptor = os.open(fleet.root / "rendered", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    command = [sys.executable, "-m", "kmodgate.renderer.start", "render"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    waiting = subprocess.Popen(command, cwd=fleet.root, env=environment, stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    assert waiting.poll() is None
    assert fleet.run("render", "--check").returncode == 1  # reads without the lock
    os.close(descriptor)
    assert "waiting for another render of rendered to end" in waiting.communicate(timeout=30)[1]
    assert waiting.returncode == 0
    assert fleet.run("render", "--check").returncode == 0


def test_renders_that_race_end_in_the_right_tree(fleet: FleetFolder) -> None:
    shutil.rmtree(fleet.root / "rendered")
    command = [sys.executable, "-m", "kmodgate.renderer.start", "render"]
    runs = [
        subprocess.Popen(command, cwd=fleet.root, env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")})
        for _ in range(4)
    ]
    assert [process.wait(timeout=60) for process in runs] == [0, 0, 0, 0]
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


def test_check_works_on_a_read_only_tree_and_render_says_what_is_wrong(
    fleet: FleetFolder, unprivileged: list[str]
) -> None:
    fleet.driver("nic", "removal: auto")
    for path in [fleet.root, *fleet.root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in fleet.root.parents:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*unprivileged, sys.executable, "-m", "kmodgate.renderer.start", "render"]
    probe = subprocess.run([*command, "--help"], cwd="/", env=environment, capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("the interpreter or the checkout is not readable by other users than root")
    check = subprocess.run(
        [*command, "--check", str(fleet.root)], env=environment, capture_output=True, text=True, check=False
    )
    assert (check.returncode, check.stderr.count("Traceback")) == (1, 0)
    render = subprocess.run([*command, str(fleet.root)], env=environment, capture_output=True, text=True, check=False)
    assert render.returncode == 3
    assert "Permission denied" in render.stderr
    assert "fix: " in render.stderr
    for path in [fleet.root, *fleet.root.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_journal_that_somebody_wrote_deletes_nothing_outside(fleet: FleetFolder, tmp_path: Path) -> None:
    victim = tmp_path / "victim" / "precious"
    victim.parent.mkdir()
    victim.write_text("x")
    owned = {"../../victim": {"owned": "0 precious K - n\n", "removals": []}}
    (fleet.root / "rendered/.journal").write_text(json.dumps({"version": 1, "clusters": owned}))
    assert fleet.run("render").returncode == 2
    assert victim.read_text() == "x"


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
    waiting.communicate(timeout=30)
    assert fleet.run("render", "--check").returncode == 0
