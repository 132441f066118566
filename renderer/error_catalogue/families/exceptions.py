"""Errors about the exceptions of a policy."""

from __future__ import annotations

from kmodgate.renderer.error_catalogue.families.entry import Entry

TITLE = "POL: exceptions of a policy"

ENTRIES = (
    Entry(
        "POL101",
        "an exception ends within 14 days (a warning)",
        "mend what it bears, or agree on another day",
    ),
    Entry(
        "POL102",
        "an exception has ended; the rule holds again",
        "mend what it bears, or agree on another day",
    ),
    Entry(
        "POL103",
        "an exception that matches nothing in a fleet that was judged as a whole (a note)",
        "correct its object, or remove it if nothing in a cluster needs it either",
    ),
)
