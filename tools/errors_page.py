"""docs/errors.md, of the catalogue of errors."""

from __future__ import annotations

from kmodgate.renderer.error_catalogue.catalogue import SECTIONS

_ERRORS = """\
# Errors

Generated from `renderer/error_catalogue/` by `make docs`; do not edit.

Every error has an id that stays, a place and a fix. All errors of all files are reported in one run.
"""


def errors_page() -> str:
    """docs/errors.md: what is wrong with specs and files before a rule looks at an object."""
    parts = [_ERRORS]
    for title, entries in SECTIONS.items():
        rows = "".join(f"| {entry.id} | {entry.meaning} | {entry.remedy} |\n" for entry in entries)
        parts.append(f"## {title}\n\n| id | meaning | what to do |\n| --- | --- | --- |\n{rows}")
    return "\n".join(parts)
