"""What a DriverPolicy asks for of the modules that are loaded at boot: that they are signed (`requireSigning`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kmodgate.policy.findings import Problem
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.kmm.kinds import BOOT_KINDS, MACHINE_CONFIG
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.parameters.signing_scope import listed_fingerprints
from kmodgate.policy.views.boot_config import BootConfig, boot_config
from kmodgate.policy.views.module import ModuleView

_RUNNER = "workerImage"
"""The field whose image loads the modules of the others."""

_FIX = "sign the image in a Module that loads it, or list it under parameters.signedElsewhere with a fingerprint"


@rule("SGN207", kinds=(*BOOT_KINDS, MACHINE_CONFIG), facts=True, guards=True, parameter="signing")
def signing_required_at_boot(review: Review) -> Iterator[Problem]:
    """A module is loaded at boot that nothing shows to be signed, where the policy wants all signed (`requireSigning`).

    Such an object has no `sign`, and names a pool of nodes instead of their labels: by `requireSigning.nodeSelectors`
    any pool may hold such a node. By `requireSigning.namespaces` a MachineConfig, which has none, is in those of the
    Modules that load the same kernel module; where there is none, it must be signed. The image counts as signed where
    a Module signs it, or where the policy lists it with the fingerprint of the certificate (`signedElsewhere`, which
    render writes for `sign.prebuilt`); of a BootModuleConfig or InitramfsModule under its own namespace and name.

    Fix: sign the image in the Module that loads it, or list it under `parameters.signedElsewhere`, with a fingerprint.
    Source: the DriverPolicy of the cluster; BootModuleConfig of rh-ecosystem-edge/kernel-module-management.
    """
    config = boot_config(review.object)
    modules = [] if config is None else review.known.neighbours().loading(in_kernel_form(config.module))
    if (review.kind == MACHINE_CONFIG and config is None) or not _is_required(review, modules):
        return
    if _is_listed(review, config) or (config is not None and any(_is_signed_by(module, config) for module in modules)):
        return
    what = "the module" if config is None else f"{config.module} of {config.image}"
    message = f"nothing shows that {what} is signed, and the policy asks for it here"
    yield Problem(("spec",) if config is None else config.path, message, _FIX)


def _is_required(review: Review, modules: Sequence[ModuleView]) -> bool:
    """Whether the policy wants it signed."""
    namespaces = {module.metadata.text("namespace") for module in modules}
    if review.kind != MACHINE_CONFIG:
        namespaces = {review.module.metadata.text("namespace")}
    named = review.parameters.signing_namespaces
    return bool(review.parameters.signing_selectors) or not namespaces.isdisjoint(named) or not namespaces


def _is_listed(review: Review, config: BootConfig | None) -> bool:
    """Whether the policy lists the image as signed elsewhere, by a certificate that it accepts."""
    wanted, metadata = listed_fingerprints(review), review.module.metadata
    own = "" if review.kind == MACHINE_CONFIG else f"{metadata.text('namespace')}/{metadata.text('name')}"
    images = {image for path, image in review.other_images if path[-1] != _RUNNER}
    return any(
        (images <= set(item.images) if config is None else any(map(config.is_pulled_by, item.images)))
        for item in review.parameters.signed_elsewhere
        if own in ("", item.driver) and item.fingerprint and (not wanted or item.fingerprint in wanted)
    )


def _is_signed_by(module: ModuleView, config: BootConfig) -> bool:
    """Whether a Module signs the image on all kernels for which it loads it."""
    loading = [mapping for mapping in module.mappings if config.is_pulled_by(mapping.image, mapping.literal)]
    signs_all = module.container.optional("sign") is not None
    return bool(loading) and all(signs_all or mapping.part.optional("sign") is not None for mapping in loading)
