"""Pages of HTML as tests read them."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

from tests.fleets import FleetFolder
from tests.renderer.report.chromium import Tab

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
