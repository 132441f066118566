"""Client certificates of callers: asked for or not, by which CA, and under which names."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ClientMode = Literal["off", "request", "require"]
"""`request` verifies a certificate that is given and lets in who gives none; `require` lets in nobody without one."""


@dataclass(frozen=True, slots=True)
class ClientAuth:
    """How callers prove who they are.

    `ca` is the PEM file with the CAs of callers; `names` are the common names and subject alternative names let in. The
    list is mandatory: the CA that signs the API server's client certificate often signs those of many others.
    Raises ValueError for a mode without its CA or its names.
    """

    mode: ClientMode = "off"
    ca: Path | None = None
    names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.mode != "off" and not (self.ca and self.names):
            raise ValueError(f"client certificates ({self.mode}) need a CA file and at least one allowed name")

    @property
    def verify_mode(self) -> ssl.VerifyMode:
        return {"off": ssl.CERT_NONE, "request": ssl.CERT_OPTIONAL, "require": ssl.CERT_REQUIRED}[self.mode]

    def admits(self, peercert: Mapping[str, Any] | None) -> bool:
        """Whether a connection with this verified certificate (`SSLObject.getpeercert()`) may ask anything."""
        if self.mode == "off" or (self.mode == "request" and not peercert):
            return True
        return allowed_client(peercert, self.names)


def allowed_client(peercert: Mapping[str, Any] | None, names: Collection[str]) -> bool:
    """Whether the common name or a subject alternative name of a verified certificate is one of `names`, exactly.

    `peercert` is what `ssl` returns of `getpeercert()`; none, or one without names, is not allowed.
    """
    return bool(peercert) and any(name in names for name in _names(peercert or {}))


def _names(peercert: Mapping[str, Any]) -> Iterator[str]:
    for relative in peercert.get("subject", ()):
        for attribute, value in relative:
            if attribute == "commonName":
                yield value
    for _kind, value in peercert.get("subjectAltName", ()):
        if isinstance(value, str):
            yield value
