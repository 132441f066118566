"""Whose signature the policy accepts: the certificates of `requireSigning.fingerprints`."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster.facts import UNKNOWN
from kmodgate.policy.findings import Problem
from kmodgate.policy.formats.certificates import read_certificate
from kmodgate.policy.kmm.kinds import CLUSTER_MODULE
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.parameters.signing_scope import (
    is_marked,
    listed_fingerprints,
    signing_nodes,
    unknown_nodes,
)


@rule("SGN206", kinds=CLUSTER_MODULE, facts=True, parameter="signing_fingerprints")
def signed_by_another(review: Review) -> Iterator[Problem]:
    """A Module signs with a certificate that the policy does not list (`requireSigning.fingerprints`).

    The certificate is that of the Secret in `certSecret`; a fingerprint is the SHA-256 of the certificate in DER, or of
    its public key. A Secret that cannot be read, or holds no certificate, does not count as a listed one. What was
    signed elsewhere goes by the fingerprint in `signedElsewhere`, which is that of the public key.

    Fix: sign with a listed certificate, or have the fingerprint of this one listed.
    Source: the DriverPolicy of the cluster; RFC 5280 §4.1.
    """
    if review.is_upkeep or not review.module.mappings:
        return
    if not is_marked(review):
        if not review.parameters.signing_selectors:
            return
        if review.placement.nodes is None:
            yield unknown_nodes(review, "whether it selects a node whose modules must be signed")
            return
        if not signing_nodes(review):
            return
    yield from _unlisted(review)


def _unlisted(review: Review) -> Iterator[Problem]:
    wanted = listed_fingerprints(review)
    common = review.module.container.map("sign").map("certSecret").text("name")
    told: set[str] = set()
    for sign in review.module.signs:
        part = sign.map("certSecret")
        name = part.text("name")
        if not name and not common:
            yield sign.problem(
                "certSecret", "missing: the policy lists the certificates that may sign", "name its Secret"
            )
        elif name and name not in told and (message := _objection(review, name, wanted)):
            told.add(name)
            yield part.problem("name", message, "sign with a listed certificate, or list the fingerprint of this one")
    entry = review.signed_elsewhere
    if entry is not None and entry.fingerprint and entry.fingerprint not in wanted:
        message = f"signed elsewhere with the key {entry.fingerprint}, which requireSigning.fingerprints does not list"
        yield review.module.container.problem("containerImage", message, f"list sha256:{entry.fingerprint}")


def _objection(review: Review, name: str, wanted: set[str]) -> str:
    """What keeps the certificate of a Secret from being a listed one; empty where it is listed."""
    secret = review.referred.found["Secret", name]
    if secret is UNKNOWN:
        return f"Secret {name} is not known, and neither is whether requireSigning.fingerprints lists its certificate"
    if secret is None:
        return f"there is no Secret {name}, and so no certificate that requireSigning.fingerprints lists"
    certificate = read_certificate(review.referred.certificates.get(name, b""))
    if certificate is None:
        return f"Secret {name} holds no certificate under the key cert, and the policy lists those that may sign"
    if wanted & {certificate.fingerprint, certificate.key_fingerprint}:
        return ""
    return f"Secret {name} holds the certificate sha256:{certificate.fingerprint}, which the policy does not list"
