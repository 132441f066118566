"""A page of HTML in one file: its style, its script, what it is made of, and a policy that forbids everything else.

`Html` is text in which nothing that came from a spec is markup any more: `text`, `code`, `kernel` and `place` make it
of any string, and the rest puts it together. A page is complete without its script, which filters, sorts and unfolds.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Literal, NewType
from urllib.parse import quote

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding, Mode, Severity
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.wording import counted, listed, printable

Html = NewType("Html", str)

NOTHING = Html("")

Tone = Literal["good", "work", "warn", "bad", "plain"]
"""The colour of a word in a box; it never says more than the word."""

_KERNEL_BREAK = lazy_regex(r"(?<=-)|(?=\.el)|(?=\.x86)|(?=\.aarch64)|(?=\.ppc64le)|(?=\.s390x)")
TONES: dict[Severity, Tone] = {Severity.ERROR: "bad", Severity.WARNING: "warn", Severity.INFO: "plain"}


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that looks its own way (`kind` is a class of page.css), or is sorted by something else than its text."""

    body: Html
    kind: str = ""
    order: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table, named by its first cell; one that is a problem stays when a reader asks for problems only."""

    cells: tuple[Html | Cell, ...]
    problem: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page, which the table of contents names; `count` is how many things it lists."""

    id: str
    title: str
    body: Html
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """A number to be seen at a glance: of how many things in the singular, and what more there is to say of them."""

    number: int
    noun: str
    more: str = ""
    tone: Tone = "plain"


def text(value: str) -> Html:
    """Any text as it stands; control characters, and those that turn the direction of writing, are spelled out."""
    return Html(escape(printable(value)))


def code(value: str) -> Html:
    """The same in the letters of code; nothing stays nothing."""
    return Html(f"<code>{text(value)}</code>") if value else NOTHING


def kernel(version: str) -> Html:
    """A kernel's version, which may be broken after its hyphens and before the distribution and the machine."""
    return Html(f"<code>{_KERNEL_BREAK.sub('<wbr>', text(version))}</code>")


def path(name: str) -> Html:
    """`namespace/name`, which may be broken after the slash."""
    return Html(text(name).replace("/", "/<wbr>"))


def place(base: str, file: str, line: int = 0) -> Html:
    """A link to a line of a spec, relative to the folder that `base` is relative to; without a file, nothing."""
    if not file:
        return NOTHING
    name = os.path.relpath(file) if os.path.isabs(file) else f"{base}{file}"
    target = quote(name, errors="replace")
    if target.startswith("//"):  # would name a host
        target = f"/{target.lstrip('/')}"
    fragment, ending = (f"#L{line}", f":{line}") if line else ("", "")
    return Html(f'<a href="{target}{fragment}">{path(name)}{ending}</a>')


def badge(word: str, tone: Tone) -> Html:
    """A word in a box."""
    return Html(f'<b class="{tone}">{text(word)}</b>')


def joined(*parts: Html, between: str = " ") -> Html:
    """The parts that are not empty."""
    return Html(between.join(part for part in parts if part))


def bullets(parts: Iterable[Html]) -> Html:
    items = "".join(f"<li>{part}</li>" for part in parts)
    return Html(f"<ul>{items}</ul>") if items else NOTHING


def note(words: str) -> Html:
    """What explains the thing before it."""
    return Html(f'<p class="note">{text(words)}</p>')


def folded(summary: Html, body: Html, tone: Tone | Literal[""] = "") -> Html:
    """What a reader unfolds; paper shows it unfolded."""
    kind = f' class="{tone}"' if tone else ""
    return Html(f"<details{kind}><summary>{summary}</summary>{body}</details>")


def table(caption: str, head: Sequence[Html], rows: Iterable[Row], kind: str = "list") -> Html:
    """A table that readers sort and filter; it scrolls by itself where it is wider than the window."""
    columns = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "\n".join(map(_row, rows))
    return Html(
        f'<div class="scroll {kind}" role="region" aria-label="{text(caption)}" tabindex="0">\n<table>\n'
        f"<caption>{text(caption)}</caption>\n<thead><tr>{columns}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>\n"
    )


def _row(row: Row) -> str:
    first, *rest = row.cells
    name = first.body if isinstance(first, Cell) else first
    mark = " data-problem" if row.problem else ""
    return f'<tr{mark}><th scope="row">{name}</th>{"".join(map(_cell, rest))}</tr>'


def _cell(cell: Html | Cell) -> str:
    if not isinstance(cell, Cell):
        return f"<td>{cell}</td>"
    kind = f' class="{cell.kind}"' if cell.kind else ""
    order = f' data-order="{text(cell.order)}"' if cell.order else ""
    return f"<td{kind}{order}>{cell.body}</td>"


def findings_section(findings: Sequence[Finding], base: str, most: int = 40) -> Section:
    """What the rules say; `base` is put before the files of specs, and `most` clusters of a finding are named."""
    rows = (
        Row(
            (
                text(finding.rule),
                badge(finding.severity.value, TONES[finding.severity]),
                joined(code(finding.object), code(finding.spec_field or finding.field), between="<br>"),
                joined(text(finding.message), Html(f"<em>Fix:</em> {text(finding.fix)}"), between="<br>"),
                text(listed(finding.clusters, most)) if finding.clusters else NOTHING,
                place(base, finding.file, finding.line),
            ),
            problem=finding.mode in (Mode.ENFORCE, Mode.WARN),
        )
        for finding in findings
    )
    head = map(text, ("Rule", "Severity", "Object and field", "What is wrong", "Clusters", "Spec"))
    return Section("findings", "Findings", table("Findings", tuple(head), rows), len(findings))


LIMIT = 500 * 1024
"""How long a page may be, in bytes, before its lists are shortened."""

LENGTHS = (10_000, 40, 10, 5, 3)
"""How long lists may be, until the page fits; with the last it is as long as it is."""


def fitted(page_of: Callable[[int], str]) -> str:
    """The page with the longest lists that fit into the limit."""
    page = ""
    for most in LENGTHS:
        page = page_of(most)
        if len(page.encode()) <= LIMIT:
            break
    return page


def shortened(most: int) -> str:
    """The remark on a page whose lists are not whole."""
    return "" if most == LENGTHS[0] else f"Long lists end after {most}; --format json has all of them."


def page(
    title: str, verdict: str, tone: Tone, figures: Sequence[Figure], sections: Sequence[Section], remark: str = ""
) -> str:
    """A document: the verdict, the figures, a remark on all of it, a table of contents and the sections."""
    numbers = "".join(map(_figure, figures))
    contents = "".join(
        f'<li><a href="#{section.id}">{text(section.title)}</a>{_count(section.count)}</li>' for section in sections
    )
    return f"""\
<!DOCTYPE html>
<html lang="en">
{_head(title)}<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<h1>{text(title)}</h1>
<p class="verdict {tone}">{text(verdict)}</p>
<ul class="figures" aria-label="Figures">{numbers}</ul>
{note(remark) if remark else ""}
<nav aria-label="Contents"><ul>{contents}</ul></nav>
</header>
{_CONTROLS}<main id="main" tabindex="-1">
{"".join(map(_section, sections))}</main>
<script>{_part("page.js")}</script>
</body>
</html>
"""


_CONTROLS = """\
<form id="controls" role="search" hidden>
<label>Filter <input id="filter" type="search" autocomplete="off" spellcheck="false" aria-keyshortcuts="/">
<kbd aria-hidden="true">/</kbd></label>
<label><input id="problems" type="checkbox"> Only problems</label>
<button id="unfold" type="button" aria-pressed="false">Show details</button>
<button id="theme" type="button" aria-pressed="false">Dark</button>
<output id="shown" aria-live="polite"></output>
</form>
"""


def _head(title: str) -> str:
    """The head, by whose policy nothing but the two inline parts is run or loaded."""
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return f"""\
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{text(title)}</title>
<style>{style}</style>
</head>
"""


def _figure(figure: Figure) -> str:
    words = counted(figure.number, figure.noun).removeprefix(str(figure.number))
    return f'<li class="{figure.tone}"><strong>{figure.number}</strong>{text(words)} {text(figure.more)}</li>'


def _section(section: Section) -> str:
    return (
        f'<section aria-labelledby="{section.id}">\n<h2 id="{section.id}">{text(section.title)}{_count(section.count)}'
        f"</h2>\n{section.body}</section>\n"
    )


def _count(number: int | None) -> str:
    return "" if number is None else f' <span class="count">{number}</span>'


@cache
def _part(name: str) -> str:
    return files("kmodgate.renderer.report").joinpath(name).read_text(encoding="utf-8")


def _digest(part: str) -> str:
    """The source by which a Content-Security-Policy allows one inline part."""
    return f"sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}"
