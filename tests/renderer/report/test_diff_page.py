"""The HTML page of a diff."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fleets import FleetFolder, git
from tests.renderer.report.chromium import needs_chromium
from tests.renderer.report.pages import HOSTILE, Open, Outline


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a change that reloads a driver, with hostile texts in what changes."""
    folder = FleetFolder(tmp_path_factory.mktemp("changed"))
    path = folder.cluster("paris")
    path.write_text(path.read_text().replace("count: 3,", "count: 3, kernels: [5.14.0-1.el9.x86_64],"))
    folder.driver("nic", "build: {dockerfile: ./Dockerfile, buildArgs: {A: one}}")
    folder.driver("gone")
    folder.write("drivers/Dockerfile", "FROM a:1\n")
    for command in (["init"], ["add", "-A"], ["commit", "-m", "first"]):
        git(folder.root, *command)
    path = folder.driver("nic", f"build: {{dockerfile: ./Dockerfile, buildArgs: {{A: {json.dumps(HOSTILE)}}}}}")
    path.write_text(path.read_text().replace(":1.0-", ":1.1-"))
    folder.write("drivers/Dockerfile", f"FROM a:1\n# {HOSTILE}\n")
    (folder.root / "drivers/gone.yaml").unlink()
    page = folder.root / "diff.html"
    result = folder.run("diff", "--format", "html")
    assert result.returncode == 0, result.stderr
    page.write_text(result.stdout, encoding="utf-8")
    return page


def test_a_diff_names_what_happens_first_and_links_to_the_specs(changed: Path) -> None:
    outline = Outline(changed.read_text(encoding="utf-8"))
    assert "Unloads gone from 3 nodes in 1 cluster: the Module goes, once its removal is confirmed." in outline.text
    assert "unloads and reloads nic on 3 nodes in 1 cluster, all at once (not ordered)" in outline.text
    assert HOSTILE in outline.text
    assert {link["href"] for link in outline.all("a")} >= {"#consequences", "#objects", "drivers/nic.yaml#L12"}
    assert not outline.all("img")


@pytest.mark.timing
@needs_chromium
@pytest.mark.parametrize("scripts", [True, False])
def test_a_browser_shows_a_diff_without_a_complaint(changed: Path, show: Open, scripts: bool) -> None:
    page = show(changed, scripts=scripts)
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith("data:")] == [changed.as_uri()]


@pytest.mark.timing
@needs_chromium
def test_only_problems_of_a_diff_leaves_what_is_dangerous(changed: Path, show: Open) -> None:
    page = show(changed)
    page.run("document.querySelector('#problems').click()")
    shown = page.run(
        "[...document.querySelectorAll('[aria-labelledby=consequences] tbody tr')].filter(row => row.offsetHeight)"
        ".map(row => row.cells[1].textContent)"
    )
    assert shown
    assert set(shown) <= {"danger", "caution"}
