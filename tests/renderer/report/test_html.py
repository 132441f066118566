"""Pages of HTML, as text and as a real browser shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodgate.renderer.report import html_page
from kmodgate.renderer.wording import printable
from tests.bench.generate import fleet as generated
from tests.conftest import ROOT, Kmodgate
from tests.fleets import FleetFolder, git
from tests.renderer.report.chromium import Chromium, Tab, needs_chromium

NEXT = "6.12.0-55.el10.x86_64"
HOSTILE = (
    """</title></style></script><script>alert(1)</script><img src="http://example.com/x" onerror='alert(1)'>"'&amp;"""
)
STEERING = "\x1b[31m\x00\u202egnp.exe\u2066\u2028"

Open = Callable[..., Tab]


class Outline(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def planned(folder: FleetFolder, *arguments: str) -> str:
    result = folder.run("plan", "--format", "html", *arguments)
    assert result.returncode in (0, 1), result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory, kmodgate: Kmodgate) -> Path:
    """The page of the edge fleet on a kernel for which it has no mapping."""
    path = tmp_path_factory.mktemp("edge") / "plan.html"
    kmodgate("plan", "examples/edge-fleet", "--kernel", NEXT, "--format", "html", "--output", path)
    return path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a fleet in which everything that may be any text is hostile, and every section has something."""
    folder = FleetFolder(tmp_path_factory.mktemp("hostile"))
    for name in ("paris", "lyon"):
        path = folder.cluster(name)
        text = path.read_text().replace("count: 3,", "count: 3, kernels: [5.14.0-1.el9.x86_64],")
        path.write_text(f"{text}  nextKernels: [{json.dumps('6.12<script>alert(5)</script>')}]\n")
    folder.cluster("nantes")
    for name in ("nic", "gpu"):
        path = folder.driver(name)
        mapping = {"name": HOSTILE + STEERING, "regexp": "^5[.]14[.].+$"}
        unused = {"name": "<script>alert(2)</script>", "regexp": "^4[.](?:<img src=x onerror=alert(3)>)?.+$"}
        text = path.read_text()
        text = text[: text.index("  kernelMappings")] + f"  kernelMappings: {json.dumps([mapping, unused])}\n"
        path.write_text(text)
        path.rename(path.with_name(f"{name}<img src=x onerror=alert(4)>#?%2e.yaml"))
    page = folder.root / "plan.html"
    page.write_text(planned(folder), encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as process:
        yield process


@pytest.fixture
def show(browser: Chromium) -> Iterator[Open]:
    """Opens a page in a tab."""
    tabs: list[Tab] = []

    def opened(path: Path, **settings: object) -> Tab:
        tabs.append(browser.open(path.as_uri(), **settings))
        return tabs[-1]

    yield opened
    for tab in tabs:
        tab.close()


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
    assert sections == ["lost", "coverage", "unused", "findings", "unknown"]
    assert [attributes["href"] for attributes in outline.all("a")][1:6] == [f"#{name}" for name in sections]


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
    assert "No node whose kernel is known would lose a driver; those of 1 cluster are not known." in page
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


# --- text of specs ---


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


# --- style ---


def luminance(color: str) -> float:
    """As the Web Content Accessibility Guidelines compute it, from `#rrggbb`."""
    parts = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


STYLE = (ROOT / "renderer/report/page.css").read_text(encoding="utf-8")
COLORS = {name: pair for name, *pair in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", STYLE)}
PAIRS = [
    *((text, back) for text in ("text", "soft", "link") for back in ("page", "card", "head")),
    *((tone, f"{tone}-back") for tone in ("good", "work", "warn", "bad")),
    ("text", "bad-back"), ("text", "warn-back"), ("text", "line"), ("card", "bad"), ("card", "warn"), ("page", "text"),
]  # fmt: skip


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "back"), PAIRS)
def test_text_stands_out_from_what_is_behind_it(text: str, back: str, mode: int) -> None:
    assert contrast(COLORS[text][mode], COLORS[back][mode]) >= 4.5


# --- in a browser ---

SHOWN = "[...document.querySelectorAll('tbody tr')].filter((row) => row.checkVisibility()).length"
NAMES = "[...document.querySelectorAll('#lost ~ .scroll tbody th')].map((cell) => cell.textContent)"


@needs_chromium
@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("name", ["edge", "hostile"])
def test_a_page_needs_nothing_and_breaks_no_rule_of_its_policy(
    name: str, scripts: bool, show: Open, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(name)
    page = show(path, scripts=scripts)
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith("data:")] == [path.as_uri()]


@needs_chromium
def test_the_policy_of_a_page_stops_what_would_get_through(edge: Path, tmp_path: Path, show: Open) -> None:
    broken = edge.read_text(encoding="utf-8").replace(
        "<h1>", "<script>document.title = 'taken'</script><img src='http://example.com/x'><h1 style='color: red'>"
    )
    (tmp_path / "broken.html").write_text(broken, encoding="utf-8")
    page = show(tmp_path / "broken.html")
    assert page.run("document.title").startswith("kmodgate plan")
    assert len([text for text in page.complaints() if "Content Security Policy" in text]) == 3


@needs_chromium
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_a_page_is_no_wider_than_the_window(edge: Path, show: Open, size: tuple[int, int]) -> None:
    page = show(edge, size=size)
    assert page.run("document.documentElement.scrollWidth") == size[0]


@needs_chromium
def test_a_slash_leads_to_the_filter_and_escape_empties_it(edge: Path, show: Open) -> None:
    page = show(edge)
    page.press("/")
    page.type("TIMECARD  6.12")
    assert page.run("document.activeElement.value") == "TIMECARD  6.12"
    assert page.run(SHOWN) == 2  # the loss, and the row of the matrix
    assert page.run("document.getElementById('shown').textContent") == "2 of 12 rows"
    assert page.run("document.querySelector('.empty:not([hidden])').textContent") == "No row matches the filter."
    page.press("Escape")
    assert page.run(SHOWN) == 12


@needs_chromium
def test_a_driver_is_found_by_its_clusters(edge: Path, show: Open) -> None:
    page = show(edge)
    page.press("/")
    page.type("bordeaux")
    assert page.run("[...document.querySelectorAll('.matrix tbody tr:not([hidden])')].length") == 3


@needs_chromium
def test_a_slash_in_the_filter_is_a_slash(edge: Path, show: Open) -> None:
    page = show(edge)
    page.press("/")
    page.press("/")
    assert page.run("document.getElementById('filter').value") == "/"


@needs_chromium
def test_only_problems_leaves_rows_with_problems(edge: Path, show: Open) -> None:
    page = show(edge)
    page.run("document.getElementById('problems').focus()")
    page.press(" ")
    assert page.run(SHOWN) == 10
    assert page.run("document.getElementById('unused').parentElement.querySelector('table').checkVisibility()") is False


@needs_chromium
def test_the_head_of_a_column_sorts_a_table(edge: Path, show: Open) -> None:
    page = show(edge)
    names = page.run(NAMES)
    head = "document.querySelector('#lost ~ .scroll thead th:nth-child(4)')"
    page.run(f"{head}.querySelector('button').focus()")
    page.press("Enter")
    assert page.run(f"{head}.getAttribute('aria-sort')") == "ascending"
    by_nodes = page.run(NAMES)
    assert by_nodes[0] == "radio-drivers/acme-fpga"  # 6 nodes come before 103
    assert sorted(by_nodes) == sorted(names)
    page.press("Enter")
    assert page.run(f"{head}.getAttribute('aria-sort')") == "descending"
    assert page.run(NAMES) == by_nodes[::-1]
    assert page.run("document.querySelectorAll('#lost ~ .scroll [aria-sort]').length") == 1


@needs_chromium
def test_a_kernel_sorts_the_matrix_problems_first_and_dashes_last(hostile: Path, edge: Path, show: Open) -> None:
    page = show(edge)
    page.run("document.querySelector('.matrix thead th:nth-child(2) button').click()")
    column = (
        "[...document.querySelectorAll('.matrix tbody td:nth-child(2)')].map((cell) => cell.textContent.split(' ')[0])"
    )
    assert page.run(column) == ["el9", "el9", "el9_2", "\u2013", "\u2013"]
    page = show(hostile)
    page.run("document.querySelector('.matrix thead th:last-child button').click()")
    assert page.run("document.querySelector('.matrix tbody td:last-child').textContent").startswith("lost ")


@needs_chromium
def test_everything_that_reacts_is_reached_with_the_tab_key(edge: Path, show: Open) -> None:
    page = show(edge)
    page.run("window.reached = new Set(); addEventListener('focusin', (event) => reached.add(event.target))")
    expected = "[...document.querySelectorAll('a, input, button, summary, .scroll')]"
    for _ in range(page.run(f"{expected}.length")):
        page.press("Tab")
    assert page.run(f"{expected}.filter((item) => !reached.has(item)).map((item) => item.outerHTML)") == []


@needs_chromium
def test_what_reacts_has_a_name_and_shows_its_focus(edge: Path, show: Open) -> None:
    page = show(edge)
    page.send("Accessibility.enable")
    roles = {
        "button",
        "link",
        "textbox",
        "searchbox",
        "checkbox",
        "region",
        "table",
        "navigation",
        "DisclosureTriangle",
    }
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    found = [node for node in nodes if node.get("role", {}).get("value") in roles]
    assert len(found) > 40
    assert [node["role"]["value"] for node in found if not node.get("name", {}).get("value")] == []
    page.press("/")
    assert page.run("getComputedStyle(document.activeElement).outlineWidth") == "3px"


@needs_chromium
def test_without_scripts_everything_is_there_and_no_control(edge: Path, show: Open) -> None:
    with_scripts, without = show(edge), show(edge, scripts=False)
    assert without.run("document.getElementById('controls').checkVisibility()") is False
    assert without.run("document.querySelectorAll('main button').length") == 0
    assert without.run(SHOWN) == with_scripts.run(SHOWN) == 12
    text = "document.querySelector('main').textContent.replaceAll(/\\s+|No row matches the filter\\./g, '')"
    assert without.run(text) == with_scripts.run(text)


@needs_chromium
def test_dark_mode_follows_the_system_and_the_button(edge: Path, show: Open) -> None:
    color = "getComputedStyle(document.body).backgroundColor"
    light, dark = (f"rgb({', '.join(str(int(value[i : i + 2], 16)) for i in (1, 3, 5))})" for value in COLORS["page"])
    page = show(edge, dark=True)
    assert page.run(color) == dark
    assert page.run("document.getElementById('theme').ariaPressed") == "true"
    page.media(dark=False)
    assert page.run(color) == light
    page.run("document.getElementById('theme').click()")
    assert page.run(color) == dark
    page.media("print", dark=True)
    assert page.run("getComputedStyle(document.documentElement).colorScheme") == "light"


@needs_chromium
def test_paper_has_every_row_and_every_detail_but_no_control(edge: Path, show: Open) -> None:
    page = show(edge, scripts=False)
    items = "[...document.querySelectorAll('details li')]"
    details = f"document.body.offsetHeight, {items}.filter((item) => item.checkVisibility()).length"  # lays out first
    assert page.run(details) == 0
    page.media("print")
    assert page.run(details) == page.run(f"{items}.length") > 20
    assert page.run("document.getElementById('controls').checkVisibility()") is False
    page = show(edge)
    page.run("document.getElementById('filter').value = 'timecard'; document.getElementById('problems').click()")
    assert page.run(SHOWN) == 2
    page.media("print")
    assert page.run(SHOWN) == 12
    assert (
        page.run("[...document.querySelectorAll('form, nav, .empty')].some((item) => item.checkVisibility())") is False
    )


# -- the page of a diff -----------------------------------------------------------------------------


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


@needs_chromium
@pytest.mark.parametrize("scripts", [True, False])
def test_a_browser_shows_a_diff_without_a_complaint(changed: Path, show: Open, scripts: bool) -> None:
    page = show(changed, scripts=scripts)
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith("data:")] == [changed.as_uri()]


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
