"""The HTML page of a plan, as a real browser shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.renderer.report.chromium import needs_chromium
from tests.renderer.report.pages import Open

pytestmark = pytest.mark.timing


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
