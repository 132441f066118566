"""Modules that have no `sign` and whose images a policy lists as signed (`signedElsewhere`)."""

from __future__ import annotations

from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.kmm.resolution.resolve import Unresolved, filled_image
from kmodgate.policy.parameters import SignedElsewhere
from kmodgate.policy.views.kernel_mapping import KernelMapping
from kmodgate.policy.views.module import ModuleView


def is_entry_of(entry: SignedElsewhere, module: ModuleView, writer: str) -> bool:
    """Return whether an entry lists a Module with all images that it does not sign itself.

    `writer` is who creates the Module or changes its spec; empty where nobody does. A Module that loads more than a hub
    has signed is not listed.
    """
    metadata = module.metadata
    if entry.driver != f"{metadata.text('namespace')}/{metadata.text('name')}":
        return False
    if entry.writer and writer and writer != entry.writer:
        return False
    if entry.modules and not module.loaded <= {in_kernel_form(name) for name in entry.modules}:
        return False
    unsigned = [mapping for mapping in module.mappings if "sign" not in mapping.part.value]
    return bool(unsigned) and all(_is_listed(entry, mapping, module) for mapping in unsigned)


def _is_listed(entry: SignedElsewhere, mapping: KernelMapping, module: ModuleView) -> bool:
    """Whether the image of a mapping is listed, as it stands or as KMM fills it in for the kernel of a literal."""
    if mapping.image in entry.images:
        return True
    templates = (image for image in entry.images if "$" in image)
    return bool(mapping.literal) and any(_filled(item, mapping.literal, module) == mapping.image for item in templates)


def _filled(template: str, kernel: str, module: ModuleView) -> str | None:
    try:
        return filled_image(template, kernel, module.metadata.value)
    except Unresolved:  # a literal that no kernel has
        return None
