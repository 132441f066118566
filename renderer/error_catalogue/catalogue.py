"""All errors of specs, files, references and the tree, one file a family.

Rules of the check are not here but in `policy/rules/`, with their pages. docs/errors.md is made of this.
"""

from __future__ import annotations

from kmodgate.renderer.error_catalogue.families import (
    boot,
    exceptions,
    hubs,
    image_services,
    imports,
    kmm_operator,
    shared_nodes,
    spec_images,
    spec_references,
    structure,
    tree,
)

_FAMILIES = (
    structure,
    spec_references,
    spec_images,
    kmm_operator,
    hubs,
    boot,
    shared_nodes,
    tree,
    image_services,
    exceptions,
    imports,
)

SECTIONS = {family.TITLE: family.ENTRIES for family in _FAMILIES}
"""Title of a family → its errors, in the order of docs/errors.md."""

ERRORS = {entry.id: entry for entries in SECTIONS.values() for entry in entries}
