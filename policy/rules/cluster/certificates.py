"""SGN: what certificates of signing say of themselves, where facts have the Secret. No private key is ever read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kmodgate.policy.cluster.dump import KEY_FINGERPRINT
from kmodgate.policy.cluster.facts import Object, as_map, metadata_of
from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.formats.certificates import Certificate, fingerprint, read_certificate
from kmodgate.policy.kmm.kinds import CLUSTER_MODULE
from kmodgate.policy.present import SIGNS
from kmodgate.policy.review import NO_CLOCK, Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.part import Part

_SOON = timedelta(days=30)


@rule("SGN302", kinds=CLUSTER_MODULE, facts=True, severity=Severity.WARNING, needs=SIGNS)
def certificate_that_ends(review: Review) -> Iterator[Problem]:
    """The certificate of a signing has expired, or ends within 30 days.

    Linux looks at no date when it loads a module, so that nothing stops on that day. But then a new pair is due, and
    its certificate must be on every node, which mostly takes a reboot, before a module is signed with the new key.

    Fix: make a new pair, enrol its certificate on the nodes, and then replace both Secrets and change the image's tag.
    Source: RFC 5280 §4.1.2.5; crypto/asymmetric_keys of Linux; secure_boot.md of Kernel Module Management.
    """
    if review.now == NO_CLOCK:
        return
    for sign, _, certificate in _certificates(review):
        left = certificate.not_after - review.time()
        if left < _SOON:
            day = certificate.not_after.date().isoformat()
            message = f"its certificate {'expired' if left < timedelta() else 'ends'} on {day}"
            yield sign.map("certSecret").problem(
                "name", message, "enrol a new certificate on the nodes, then sign with its key"
            )


@rule("SGN303", kinds=CLUSTER_MODULE, facts=True, needs=SIGNS)
def key_of_another_certificate(review: Review) -> Iterator[Problem]:
    """Key and certificate do not belong together: the annotation of a Secret names another key than the certificate's.

    `kmodgate.io/key-fingerprint` is the SHA-256 of the key's SubjectPublicKeyInfo in DER, in hex, on the Secret of the
    certificate, or on that of the key, which itself is never read. Signing fails with another's certificate, or nodes
    with Secure Boot refuse the module. A Secret without the annotation is not judged.

    Fix: put both halves of one pair into the Secrets. The fingerprint of a private key is
    `openssl pkey -in KEY -pubout -outform DER | sha256sum`, that of a certificate
    `openssl x509 -in CERT -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum`.
    Source: scripts/sign-file.c of Linux; this project's docs/check.md.
    """
    found = review.referred.found
    for sign, secret, certificate in _certificates(review):
        key = sign.map("keySecret")
        other = found.get(("Secret", key.text("name")))
        for holder, item in ((sign.map("certSecret"), secret), (key, other)):
            told = as_map(metadata_of(item).get("annotations")).get(KEY_FINGERPRINT)
            if isinstance(told, str) and fingerprint(told) != certificate.key_fingerprint:
                what = "is no SHA-256 in hex" if fingerprint(told) is None else "is that of another key"
                message = f"the annotation {KEY_FINGERPRINT} of Secret {holder.text('name')} {what}"
                fix = f"use a key and a certificate that are a pair; the certificate's is {certificate.key_fingerprint}"
                yield holder.problem("name", message, fix)


def _certificates(review: Review) -> Iterator[tuple[Part, Object, Certificate]]:
    """The signings whose certificate can be read, each with the Secret of it."""
    found = review.referred.found
    known = {name: read_certificate(value) for name, value in review.referred.certificates.items()}
    for sign in review.module.signs:
        name = sign.map("certSecret").text("name")
        if (certificate := known.get(name)) is not None:
            yield sign, as_map(found["Secret", name]), certificate
