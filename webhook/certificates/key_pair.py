"""A certificate with its private key, and what must be true of the two before anything is served with them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)


Part = Literal["certificate", "key", "client_ca"]
"""What of the material is meant: the chain that is served, its key, or the CAs of callers."""


class CertificateError(Exception):
    """A pair that cannot be served, or cannot be read; the text says why and holds nothing of the key.

    `part` is what is wrong, for whoever knows where that came from.
    """

    def __init__(self, text: str, part: Part = "certificate") -> None:
        super().__init__(text)
        self.part = part


@dataclass(frozen=True, slots=True)
class Pair:
    """A chain of certificates in PEM, the leaf first, and the leaf's private key in PEM without a password."""

    certificate: bytes
    key: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the chain as it is written, in hex: renewed with the same key it is another one."""
        return hashlib.sha256(self.certificate).hexdigest()


@dataclass(frozen=True, slots=True)
class Leaf:
    """What the served certificate says of itself; times are aware, in UTC."""

    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime


def read_certificates(pem: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM file, in order, text between them left out.

    Raises CertificateError where one cannot be read.
    """
    try:
        return [x509.load_pem_x509_certificate(block) for block in _CERTIFICATE.findall(pem)]
    except ValueError as error:
        raise CertificateError(f"a certificate cannot be read: {error}") from None


def inspect(pair: Pair, now: datetime) -> Leaf:
    """What `pair` holds, once it is known that a caller that trusts its CA would accept it at `now`.

    Raises CertificateError: not PEM, the key belongs to another certificate or is encrypted, the leaf is expired or not
    valid yet, or it has no subject alternative name (Go has ignored the common name since 1.15).
    """
    chain = read_certificates(pair.certificate)
    if not chain:
        raise CertificateError("no PEM certificate was found")
    leaf = chain[0]
    if not key_matches(pair):
        raise CertificateError("the private key belongs to another certificate", "key")
    if leaf.not_valid_after_utc <= now:
        raise CertificateError(f"the certificate expired at {leaf.not_valid_after_utc.isoformat()}")
    if leaf.not_valid_before_utc > now:
        raise CertificateError(f"the certificate is not valid before {leaf.not_valid_before_utc.isoformat()}")
    names = alternative_names(leaf)
    if not names:
        raise CertificateError("the certificate names no host: it has no subject alternative name")
    return Leaf(names, leaf.not_valid_before_utc, leaf.not_valid_after_utc)


def key_matches(pair: Pair) -> bool:
    """Whether the key is that of the first certificate. Raises CertificateError where one of them cannot be read."""
    chain = read_certificates(pair.certificate)
    if not chain:
        return False
    public = chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _public_key(pair.key) == public


def alternative_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """DNS names and IP addresses of a certificate, as text; empty where the extension is absent."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = (str(address) for address in found.get_values_for_type(x509.IPAddress))
    return (*found.get_values_for_type(x509.DNSName), *addresses)


def _public_key(key: bytes) -> bytes:
    """DER of the public half. The parser's reasons are left out: they may quote what they could not read."""
    try:
        private = load_pem_private_key(key, password=None)
    except TypeError:
        raise CertificateError("the private key is encrypted; give one without a password", "key") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError("no PEM private key was found that can be read", "key") from None
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
