"""Certificates of module signing, as far as rules look at them: when they end, and which key they are for.

A few fields of X.509 are read here, and everything else is passed over, since the plain install has no library for it.
What is not of the expected shape in every step is no certificate; nothing here raises, and no signature is verified.

Sources: RFC 5280 §4.1 (Certificate, Validity); X.690 (DER); RFC 7468 (PEM).
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from hashlib import sha256

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.lazy import lazy_regex

_INTEGER, _BITS, _SEQUENCE = 0x02, 0x03, 0x30
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_EXPLICIT_VERSION = 0xA0

_LONG_LENGTHS = (b"\x81", b"\x82", b"\x83", b"\x84")

_PEM = lazy_regex(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----\n?")
_HEX = lazy_regex(r"[0-9a-f]{64}")
_DIGITS = lazy_regex(rb"([0-9]{12,14})Z")


@dataclass(frozen=True, slots=True)
class Certificate:
    """The end of a certificate, in UTC, and the SHA-256 in DER of all of it, and of its SubjectPublicKeyInfo.

    Fingerprints are 64 hex digits.
    """

    not_after: datetime
    fingerprint: str
    key_fingerprint: str


class _NotDer(Exception):
    """Bytes of another shape than a certificate has."""


def read_certificate(data: bytes) -> Certificate | None:
    """The certificate that signing takes from a value: DER, or the first one of a PEM text. None if it is neither.

    The two are told apart by what scripts/sign-file.c of Linux looks at, the first two bytes.
    """
    if data[:1] == b"\x30" and data[1:2] in _LONG_LENGTHS:
        return read_der(data)
    found = _PEM.search(data)
    if found is None:
        return None
    try:
        return read_der(base64.b64decode(b"".join(found[1].split()), validate=True))
    except ValueError:
        return None


def certificates_in(data: bytes) -> bytes:
    """What of some bytes is certificates: all of them if they are one in DER, else every certificate in PEM."""
    if read_der(data) is not None:
        return data
    return b"".join(found[0] for found in _PEM.finditer(data))


def read_der(data: bytes) -> Certificate | None:
    """The certificate that the bytes are, from the first to the last. None for anything else."""
    try:
        return _certificate(data)
    except _NotDer:
        return None


def fingerprint(text: str) -> str | None:
    """A fingerprint as a person or `openssl` may write it, in 64 hex digits; None if it is no SHA-256."""
    plain = text.strip().lower().removeprefix("sha256:").replace(":", "")
    return plain if _HEX.fullmatch(plain) else None


def _certificate(data: bytes) -> Certificate:
    outer = _Reader(data).sole(_SEQUENCE)
    body = outer.take(_SEQUENCE)
    outer.take(_SEQUENCE)  # the algorithm of the signature
    outer.take(_BITS)
    outer.end()
    if body.next_tag == _EXPLICIT_VERSION:
        body.take(_EXPLICIT_VERSION)
    body.take(_INTEGER)  # the serial number
    for _ in ("signature", "issuer"):
        body.take(_SEQUENCE)
    validity = body.take(_SEQUENCE)
    body.take(_SEQUENCE)  # the subject
    start = body.place
    key = body.take(_SEQUENCE)
    key.take(_SEQUENCE)
    key.take(_BITS)
    key.end()
    validity.take(_UTC_TIME, _GENERALIZED_TIME)
    end = validity.take(_UTC_TIME, _GENERALIZED_TIME)
    validity.end()
    return Certificate(_time(end), sha256(data).hexdigest(), sha256(data[start : body.place]).hexdigest())


class _Reader:
    """Elements of DER one after the other, in a part of some bytes."""

    def __init__(self, data: bytes, start: int = 0, end: int | None = None, tag: int = 0) -> None:
        self._data = data
        self.place = start
        self._end = len(data) if end is None else end
        self.tag = tag

    @property
    def next_tag(self) -> int:
        return self._data[self.place] if self.place < self._end else -1

    @property
    def content(self) -> bytes:
        return self._data[self.place : self._end]

    def take(self, *tags: int) -> _Reader:
        """What the next element holds. Raises _NotDer if it has none of the tags."""
        tag, data = self.next_tag, self._data
        if tag not in tags or self.place + 2 > self._end:
            raise _NotDer
        first, start = data[self.place + 1], self.place + 2
        count = first & 0x7F if first & 0x80 else 0
        if count > 4 or first == 0x80 or start + count > self._end:
            raise _NotDer
        length = int.from_bytes(data[start : start + count], "big") if count else first
        start += count
        if start + length > self._end:
            raise _NotDer
        self.place = start + length
        return _Reader(data, start, self.place, tag)

    def sole(self, tag: int) -> _Reader:
        """What the only element holds."""
        found = self.take(tag)
        self.end()
        return found

    def end(self) -> None:
        """Raises _NotDer if anything is left."""
        if self.place != self._end:
            raise _NotDer


def _time(element: _Reader) -> datetime:
    """A time as certificates have it: in UTC, to the second; two digits of a year are those of 1950 to 2049."""
    found = _DIGITS.fullmatch(element.content)
    if found is None or len(found[1]) != (12 if element.tag == _UTC_TIME else 14):
        raise _NotDer
    digits = found[1].decode()
    if element.tag == _UTC_TIME:
        digits = ("19" if digits >= "50" else "20") + digits
    parts = [int(digits[:4]), *(int(digits[place : place + 2]) for place in range(4, 14, 2))]
    try:
        return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]
    except ValueError:
        raise _NotDer from None
