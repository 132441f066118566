"""What a DriverPolicy asks for of the modules that are loaded at boot: that they are signed (`requireSigning`)."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import Problem
from kmodgate.policy.kmm.kinds import BOOT_KINDS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.part import Part

_RUNNER = "workerImage"
"""The field whose image loads the modules of the others."""


@rule("SGN207", kinds=BOOT_KINDS, parameter="signing")
def signing_required_at_boot(review: Review) -> Iterator[Problem]:
    """A module is loaded at boot that nothing shows to be signed, where the policy wants all signed (`requireSigning`).

    Such an object has no `sign`, and names a pool of nodes instead of their labels: by `requireSigning.nodeSelectors`
    any pool may hold such a node. Its images count as signed where the policy lists all of them for
    `namespace/name` with the fingerprint of the certificate (`signedElsewhere`).

    Fix: list namespace, name and images under `parameters.signedElsewhere`, with a fingerprint.
    Source: the DriverPolicy of the cluster; BootModuleConfig of rh-ecosystem-edge/kernel-module-management.
    """
    parameters, metadata = review.parameters, Part(None, (), review.object).map("metadata")
    namespace = metadata.text("namespace")
    if not parameters.signing_selectors and namespace not in parameters.signing_namespaces:
        return
    driver, images = (
        f"{namespace}/{metadata.text('name')}",
        {image for path, image in review.other_images if path[-1] != _RUNNER},
    )
    listed = (item for item in parameters.signed_elsewhere if item.driver == driver and item.fingerprint)
    if not any(images <= set(item.images) for item in listed):
        message = "nothing shows that the module is signed, and the policy asks for it here"
        yield Problem(("spec",), message, f"list {driver} and its images under parameters.signedElsewhere")
