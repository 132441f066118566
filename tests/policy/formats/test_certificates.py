"""What rules read of a certificate is what a library for X.509 reads, and nothing makes the reading raise."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from kmodgate.policy.cluster.redaction import redacted
from kmodgate.policy.formats.certificates import fingerprint, read_certificate, read_der

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

KEYS: dict[str, Key] = {
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}
START = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = datetime(1970, 1, 2), datetime(9999, 12, 31)
HEAD, TAIL = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"


def certificate(key: Key, end: datetime, *, extended: bool = False, serial: int = 7) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Module signing")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(START)
        .not_valid_after(end)
    )
    if extended:
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256())


def key_of(key: Key) -> str:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(public).hexdigest()


PLAIN = certificate(KEYS["p256"], START + timedelta(days=36500)).public_bytes(Encoding.DER)


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
@pytest.mark.parametrize("kind", sorted(KEYS))
def test_the_end_and_the_key_of_a_certificate_are_those_that_cryptography_reads(
    kind: str, encoding: Encoding, extended: bool
) -> None:
    made = certificate(KEYS[kind], datetime(2036, 2, 29, 23, 59, 58, tzinfo=UTC), extended=extended)
    found = read_certificate(made.public_bytes(encoding))
    assert found is not None
    assert found.not_after == made.not_valid_after_utc
    assert found.key_fingerprint == key_of(KEYS[kind])


@given(st.datetimes(FIRST, LAST, timezones=st.just(UTC)), st.integers(1, 2**150))
def test_any_end_in_either_form_of_time_is_read(end: datetime, serial: int) -> None:
    made = certificate(KEYS["ed25519"], end, serial=serial)
    found = read_certificate(made.public_bytes(Encoding.DER))
    assert found is not None
    assert found.not_after == made.not_valid_after_utc


def test_the_first_certificate_of_a_text_is_taken_whatever_stands_before_it() -> None:
    first, second = (certificate(KEYS[kind], datetime(2040, 1, 1, tzinfo=UTC)) for kind in ("rsa", "p384"))
    text = b"0 s:CN=Module signing\r\n" + first.public_bytes(Encoding.PEM) + second.public_bytes(Encoding.PEM)
    found = read_certificate(text.replace(b"\n", b"\r\n"))
    assert found is not None
    assert found.key_fingerprint == key_of(KEYS["rsa"])


@given(st.binary(max_size=600))
def test_nothing_that_is_no_certificate_is_read_as_one(data: bytes) -> None:
    assert read_certificate(data) is None
    assert read_certificate(HEAD + data + TAIL) is None
    assert read_certificate(HEAD + base64.b64encode(data) + TAIL) is None


@given(st.integers(0, len(PLAIN) - 1), st.integers(0, 255), st.integers(0, len(PLAIN)))
def test_a_certificate_with_a_wrong_byte_or_without_its_end_never_raises(place: int, byte: int, length: int) -> None:
    read_der(PLAIN[:place] + bytes([byte]) + PLAIN[place + 1 :])
    assert read_der(PLAIN[:length]) is None or length == len(PLAIN)
    assert read_der(PLAIN + bytes([byte])) is None


@pytest.mark.parametrize("length", [b"\x80", b"\x84\xff\xff\xff\xff", b"\x85\x00\x00\x00\x00\x01", b"\xff", b""])
def test_lengths_that_der_does_not_have_are_refused(length: bytes) -> None:
    assert read_der(b"\x30" + length + b"\x00" * 64) is None


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("ab" * 32, True), ("SHA256:" + "AB" * 32, True), (":".join(["ab"] * 32), True), ("ab" * 20, False), ("", False)],
)
def test_a_fingerprint_is_read_as_tools_write_it(text: str, is_one: bool) -> None:
    assert fingerprint(text) == ("ab" * 32 if is_one else None)


def kept(value: bytes) -> bytes:
    secret = {"kind": "Secret", "metadata": {}, "data": {"cert": base64.b64encode(value).decode()}}
    return base64.b64decode(redacted(secret)["data"]["cert"])


@pytest.mark.parametrize("kind", sorted(KEYS))
def test_a_redacted_secret_keeps_certificates_and_never_a_key(kind: str) -> None:
    made = certificate(KEYS[kind], datetime(2040, 1, 1, tzinfo=UTC))
    der, pem = made.public_bytes(Encoding.DER), made.public_bytes(Encoding.PEM)
    assert kept(der) == der
    assert kept(pem) == pem
    for encoding, part in ((Encoding.DER, der), (Encoding.PEM, pem)):
        private = KEYS[kind].private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())
        assert kept(private) == b""
        assert private not in kept(part + private)
        assert private not in kept(private + part)
    private = KEYS[kind].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert kept(HEAD + private + pem) == pem
