"""Invariant I5: nothing is lost. Files that render owns, files that it leaves alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kmodgate.policy.findings import Finding
from kmodgate.renderer.manifests.manifest import Identity
from kmodgate.renderer.tree import compare
from kmodgate.renderer.tree.file_names import RenderedFile
from kmodgate.renderer.tree.texts import as_it_is
from tests.fleets import REPOSITORY, FleetFolder


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
    module.write_text(module.read_text().replace("moduleName: acme_dummy", "moduleName: edited"))
    fleet.write("rendered/paris/gpu/stray.yaml", "kind: Stray\n")
    before = fleet.files()
    result = fleet.run("render", "--check")
    assert result.returncode == 1
    assert "missing: rendered/paris/nic/module-nic.yaml" in result.stdout
    assert "changed: rendered/paris/gpu/module-gpu.yaml" in result.stdout
    assert "extra (not written by kmodgate; Argo CD would apply it): rendered/paris/gpu/stray.yaml" in result.stdout
    assert "-        moduleName: edited\n+        moduleName: acme_dummy\n" in result.stdout
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


def test_a_tree_with_the_line_ends_of_windows_loses_nothing(fleet: FleetFolder) -> None:
    fleet.render()
    before = fleet.files()
    for path in (fleet.root / "rendered").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    assert fleet.run("render", "--check").returncode == 1
    assert "GIT001" not in fleet.run("check").stdout
    fleet.render()
    assert fleet.files() == before


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


@pytest.mark.timing
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
            timeout=120,
            check=False,
        )
        assert result.returncode == 0
        assert path.is_file()


def test_a_file_that_vanishes_during_a_check_is_missing(fleet: FleetFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = fleet.root / "rendered/paris/nic/module-nic.yaml"
    content = RenderedFile(
        "nic/module-nic.yaml", as_it_is(gone.read_bytes()), Identity("kmm.sigs.x-k8s.io", "Module", "a", "nic")
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
