"""Revisions and reports of `kmodgate diff`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.command import run
from tests.fleets import FleetFolder, git
from tests.renderer.diff.three_sites import edit, sentences
from tests.renderer.plan.test_plan import SCENARIO, SUFFIXES, without_style


def test_a_revision_without_the_fleet_is_said_to_have_none(sites: Path) -> None:
    git(sites, "mv", "drivers/nic.yaml", "drivers/n.yaml")
    (sites / "inner").mkdir()
    for name in ("kmodgate.yaml", "clusters", "drivers"):
        git(sites, "mv", name, "inner")
    result = run("diff", "inner", cwd=sites)
    assert "note: at HEAD there is no fleet in this folder: everything is new" in result.stderr


def test_any_revision_can_be_compared_with(sites: Path) -> None:
    FleetFolder(sites).driver("extra", clusters="{names: [oslo]}")
    git(sites, "add", "-A")
    git(sites, "commit", "-m", "second")
    assert sentences(sites) == []
    assert sentences(sites, "--against", "HEAD~1") == ["loads extra on 4 nodes in 1 cluster"]
    assert sentences(sites, "--against", "HEAD~1", "--cluster", "rome") == []
    missing = run("diff", "--against", "nowhere", cwd=sites)
    assert (missing.returncode, "no such revision" in missing.stderr) == (2, True)


def test_outside_of_git_there_is_nothing_to_compare_with(sites: Path) -> None:
    shutil.rmtree(sites / ".git")
    result = run("diff", cwd=sites)
    assert (result.returncode, "there is no commit to compare with" in result.stderr) == (2, True)


def test_a_revision_that_cannot_be_rendered_is_said_to_be_so(sites: Path) -> None:
    good = (sites / "drivers/gpu.yaml").read_text()
    (sites / "drivers/gpu.yaml").write_text(good.replace("regexp", "regex"))
    git(sites, "commit", "-am", "broken")
    (sites / "drivers/gpu.yaml").write_text(good)
    result = run("diff", cwd=sites)
    assert result.returncode == 0
    assert "note: the specs at HEAD have" in result.stderr


def change_much(sites: Path) -> None:
    edit(sites / "drivers/nic.yaml", ("registry.example.com/nic:1.0", "registry.example.com/nic:1.1"))
    edit(sites / "drivers/gpu.yaml", ("gpu-plugin:3.0", "gpu-plugin:3.1"), ("[nouveau]", "[]"))
    (sites / "drivers/gpu.Dockerfile").write_text(
        (sites / "drivers/gpu.Dockerfile").read_text() + "RUN `true | false`\n"
    )
    (sites / "drivers/probe.yaml").unlink()
    FleetFolder(sites).driver("extra", clusters="{names: [oslo]}")


@pytest.mark.parametrize("format", SUFFIXES)
def test_a_diff_is_its_golden_text(format: str, sites: Path, update_golden: bool) -> None:
    change_much(sites)
    result = run("diff", "--format", format, cwd=sites)
    assert result.returncode == 0, result.stderr
    text = without_style(result.stdout)
    golden = SCENARIO / "golden" / f"diff.{SUFFIXES[format]}"
    if update_golden:
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_a_long_diff_fits_into_a_comment(tmp_path: Path) -> None:
    from tests.bench.generate import fleet

    root = fleet(tmp_path / "large", 60, 40, varied=True)
    git(root, "init")
    git(root, "add", "-A")
    git(root, "commit", "-m", "first")
    for path in (root / "drivers").glob("*.yaml"):
        path.write_text(path.read_text().replace(":1.2.0-", ":1.2.1-"))
    result = run("diff", "--format", "markdown", cwd=root)
    assert len(result.stdout) <= 65_536
    assert "more parts, which do not fit" in result.stdout
    assert result.stdout.count("<details>") == result.stdout.count("</details>")
