"""Losses of an import: what of the objects no spec can say."""

from __future__ import annotations

from kmodgate.renderer.error_catalogue.families.entry import Entry

TITLE = "IMP: what an import does not carry over"

ENTRIES = (
    Entry(
        "IMP001",
        "an object that is not imported: no spec can say it, what it loads is not said, or another has its name",
        "correct the object, give the option that the message names, or write the spec by hand",
    ),
    Entry(
        "IMP002",
        "a field of a Module, or of an object that becomes one, that is not carried over",
        "compare what render writes, and mend the spec where it matters",
    ),
    Entry(
        "IMP003",
        "a label or annotation that is not carried over",
        "nothing, unless somebody selects by it",
    ),
    Entry(
        "IMP004",
        "another object, or a field of it, that is not carried over",
        "attach it by hand, or leave it to the cluster",
    ),
)
