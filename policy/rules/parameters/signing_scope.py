"""Which Modules must be signed: by the text of their selector, by their namespace, by the nodes of the cluster."""

from __future__ import annotations

from kmodgate.policy.findings import NOT_CHECKED, Problem
from kmodgate.policy.formats.certificates import fingerprint
from kmodgate.policy.review import Review
from kmodgate.policy.views.part import Part


def is_marked(review: Review) -> bool:
    """Return whether the Module itself says that it is for such nodes, or is of such a namespace."""
    parameters, module = review.parameters, review.module
    selector = module.spec.map("selector").value
    if any(selector.items() >= wanted.items() for wanted in parameters.signing_selectors):
        return True
    spec = Part(None, (), review.object).map("spec")
    namespace = spec.text("spokeNamespace") if module.is_hub else module.metadata.text("namespace")
    return namespace in parameters.signing_namespaces


def signing_nodes(review: Review) -> list[str]:
    """Return the names of the nodes that the Module selects and whose modules must be signed; none if not known."""
    return [
        node.name
        for node in review.placement.selected
        if any(node.labels.items() >= wanted.items() for wanted in review.parameters.signing_selectors)
    ]


def unknown_nodes(review: Review, what: str) -> Problem:
    """That something depends on the nodes, which are not known: it refuses where somebody asks."""
    if not review.user:
        message, fix = f"{NOT_CHECKED}: the nodes of the cluster", "give a dump of the cluster: --facts DIR"
    else:
        message = f"{what} is not known: the nodes of the cluster are not known at the moment"
        fix = "wait until the webhook sees the cluster again, and see its log"
    return review.module.spec.problem("selector", message, fix)


def listed_fingerprints(review: Review) -> set[str]:
    """Return the fingerprints of the certificates and keys that may sign; none where any may."""
    return {found for text in review.parameters.signing_fingerprints if (found := fingerprint(text))}
