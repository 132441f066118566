"""All errors of specs, files, references and the tree, one file a family.

Rules of the check are not here but in `policy/rules/`, with their pages. docs/errors.md is made of this.
"""

from __future__ import annotations

from kmodgate.renderer.error_catalogue import (
    boot,
    exceptions,
    hubs,
    image_services,
    images,
    imports,
    kmm_operator,
    node_selection,
    references,
    structure,
    tree,
)

_FAMILIES = (
    structure,
    references,
    images,
    kmm_operator,
    hubs,
    boot,
    node_selection,
    tree,
    image_services,
    exceptions,
    imports,
)

SECTIONS = {family.TITLE: family.ENTRIES for family in _FAMILIES}
"""Title of a family → its errors, in the order of docs/errors.md."""

ERRORS = {entry.id: entry for entries in SECTIONS.values() for entry in entries}
