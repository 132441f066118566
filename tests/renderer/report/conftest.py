"""Pages of plans, and a browser that opens them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Kmodgate
from tests.fleets import FleetFolder
from tests.renderer.report.chromium import Chromium, Tab
from tests.renderer.report.pages import HOSTILE, NEXT, STEERING, Open, planned


@pytest.fixture(scope="session")
def edge(tmp_path_factory: pytest.TempPathFactory, kmodgate: Kmodgate) -> Path:
    """The page of the edge fleet on a kernel for which it has no mapping."""
    path = tmp_path_factory.mktemp("edge") / "plan.html"
    kmodgate("plan", "examples/edge-fleet", "--kernel", NEXT, "--format", "html", "--output", path)
    return path


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
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
