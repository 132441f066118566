"""The HTML page of a plan, as text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodgate.renderer.report import html_page
from kmodgate.renderer.wording import printable
from tests.bench.generate import fleet as generated
from tests.conftest import ROOT, Kmodgate
from tests.fleets import FleetFolder
from tests.renderer.report.pages import HOSTILE, NEXT, Outline, planned


def test_the_same_plan_gives_the_same_bytes(edge: Path, kmodgate: Kmodgate) -> None:
    again = kmodgate("plan", "examples/edge-fleet", "--kernel", NEXT, "--format", "html").stdout
    assert edge.read_text(encoding="utf-8") == again


@pytest.mark.parametrize("varied", [False, True])
def test_a_page_of_many_clusters_and_drivers_is_small(tmp_path: Path, varied: bool) -> None:
    root = generated(tmp_path / "fleet", drivers=50, clusters=20, varied=varied)
    kernels = [f"5.14.0-{570 + number}.12.1.el9_6.x86_64" for number in range(5)] + [NEXT]
    for path in (root / "clusters").iterdir():
        path.write_text(f"{path.read_text()}  nextKernels: [{', '.join(kernels)}]\n")
    page = planned(FleetFolder(root))
    matrix = page[page.index('<section aria-labelledby="coverage"') :]
    assert matrix[: matrix.index("</section>")].count("<td") == 50 * 8
    assert len(page.encode()) < 500 * 1024
    shortened = re.findall(r"and \d+ more|Long lists end after \d+", page)
    assert (len(set(shortened)) > 1) == varied  # every cluster has images of its own


def test_every_part_of_a_plan_is_on_its_page(hostile: Path) -> None:
    outline = Outline(hostile.read_text(encoding="utf-8"))
    sections = [attributes["aria-labelledby"] for attributes in outline.all("section")]
    assert sections == ["lost", "coverage", "unused", "findings", "unknown", "no-next"]
    assert [attributes["href"] for attributes in outline.all("a")][1:7] == [f"#{name}" for name in sections]


def test_a_gap_is_said_in_words(edge: Path) -> None:
    text = Outline(edge.read_text(encoding="utf-8")).text
    assert f"103 nodes would lose a driver: 5 drivers on {NEXT}." in text
    assert text.count("lost no mapping for this kernel") == 10  # five drivers, in the list and in the matrix


def test_the_verdict_is_careful_where_kernels_are_not_known(tmp_path: Path) -> None:
    folder = FleetFolder(tmp_path)
    folder.cluster("paris")
    folder.driver("nic")
    assert 'class="verdict plain">No next kernel is known' in planned(folder)
    known = folder.cluster("lyon")
    known.write_text(known.read_text().replace("count: 3,", "count: 3, kernels: [5.14.0-1.x86_64],"))
    page = planned(folder, "--kernel", "5.14.0-2.x86_64")
    assert "No node whose kernels are known would lose a driver; the kernels of paris are not known." in page
    page = planned(folder, "--kernel", "5.14.0-2.x86_64", "--cluster", "lyon")
    assert 'class="verdict good">No node would lose a driver.<' in page


def test_nodes_that_load_nothing_today_lose_nothing(tmp_path: Path) -> None:
    folder = FleetFolder(tmp_path)
    for name, kernel in (("paris", "5.14.0-1.x86_64"), ("lyon", "4.18.0-1.x86_64")):
        path = folder.cluster(name)
        path.write_text(path.read_text().replace("count: 3,", f"count: 3, kernels: [{kernel}],"))
    folder.driver("nic")
    page = planned(folder, "--kernel", NEXT)
    matrix = Outline(page[page.index('<section aria-labelledby="coverage"') :]).text
    assert "lost no mapping for this kernel 3 nodeson paris" in matrix
    assert "not loaded no mapping for this kernel 3 nodeson lyon" in matrix


def test_links_lead_to_the_line_of_a_spec(edge: Path) -> None:
    links = [attributes["href"] for attributes in Outline(edge.read_text(encoding="utf-8")).all("a")]
    assert "examples/edge-fleet/drivers/acme-gpu.yaml#L40" in links
    line = (ROOT / "examples/edge-fleet/drivers/acme-gpu.yaml").read_text().split("\n")[39]
    assert "name: el9_7" in line


@given(st.text())
def test_any_text_stays_text(value: str) -> None:
    for made in (
        html_page.text(value),
        html_page.code(value),
        html_page.kernel(value),
        html_page.path(value),
        html_page.badge(value, "bad"),
    ):
        outline = Outline(made)
        assert {tag for tag, _ in outline.elements} <= {"code", "wbr", "b"}
        assert outline.text == printable(value)
        assert printable(made) == made


@given(st.text(), st.text())
def test_any_file_can_be_linked_to(base: str, file: str) -> None:
    (link,) = Outline(html_page.place(base, f"a{file}", 7)).all("a")
    target = link["href"] or ""
    assert list(link) == ["href"]
    assert re.fullmatch(r"[\w./~%-]+#L7", target, re.ASCII)
    assert not target.startswith("//")


def test_what_specs_say_is_no_markup(hostile: Path) -> None:
    page = hostile.read_text(encoding="utf-8")
    outline = Outline(page)
    assert not outline.all("img")
    assert len(outline.all("script")) == len(outline.all("style")) == 1
    assert not [
        name for _, attributes in outline.elements for name in attributes if name.startswith("on") or name == "style"
    ]
    assert [char for char in page if not char.isprintable() and char != "\n"] == []
    assert HOSTILE in outline.text
    assert r"\x1b[31m\x00\u202egnp.exe" in outline.text
