"""Errors of drivers that meet on the same nodes."""

from __future__ import annotations

from kmodgate.renderer.error_catalogue.families.entry import Entry

TITLE = "SEL: drivers on the same nodes"

ENTRIES = (
    Entry(
        "SEL401",
        "two drivers that load one kernel module on the same nodes, by whatever delivery, or one of them at boot: the"
        " one that is unloaded takes the module from the other. Counted are nodes whose kernel is known; elsewhere"
        " SEL204 warns",
        "make the selectors disjoint, or load it by one driver; a DriverPolicy may give it a mode like a rule",
    ),
)
