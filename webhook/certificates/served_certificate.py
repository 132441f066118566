"""The certificate that is served: loaded, checked and replaced while the server runs.

OpenSSL changes a context in place, and a load that fails half-way (a key of another certificate) leaves it unable to
shake hands at all. So no context that serves is ever changed: each generation gets a context of its own, made and
checked on the side, and only then do new connections use it. That also forgets what a context can only gather: the
chain of another key type, a client CA that was taken away.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kmodgate.webhook.certificates.client_certificates import ClientAuth
from kmodgate.webhook.certificates.key_pair import CertificateError, Leaf, Pair, Part, inspect, read_certificates
from kmodgate.webhook.telemetry.metrics import Metrics

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and AEAD only. TLS 1.3 has nothing else."""

ATTEMPTS = 3
"""To read one generation while kubelet removes it."""

_FLAGS: Mapping[Part, str] = {"certificate": "--tls-cert", "key": "--tls-key", "client_ca": "--client-ca"}

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Material:
    """What one generation is served with: the pair, and the CAs of clients (PEM) where those are asked for theirs.

    `places` tells where its parts were given, where they were: `--tls-key /tls/tls.key`.
    """

    pair: Pair
    client_ca: bytes = b""
    places: Mapping[Part, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class MaterialFiles:
    """Where the material lies. Files of one Secret volume are read from one generation of it."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def read(self) -> Material:
        """What the files hold now. Raises CertificateError where one cannot be read."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._read_once()
            except CertificateError:
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError

    def _read_once(self) -> Material:
        generations: dict[Path, Path] = {}
        found = {part: read_file(path, part, generations) for part, path in self._paths()}
        places = {part: _place(part, path) for part, path in self._paths()}
        return Material(Pair(found["certificate"], found["key"]), found.get("client_ca", b""), places)

    def _paths(self) -> Iterator[tuple[Part, Path]]:
        yield "certificate", self.certificate
        yield "key", self.key
        if self.client_ca:
            yield "client_ca", self.client_ca


def read_file(path: Path, part: Part, generations: dict[Path, Path] | None = None) -> bytes:
    """Raises CertificateError, which names file and flag, where it cannot be read."""
    try:
        return _in_generation(path, {} if generations is None else generations).read_bytes()
    except OSError as error:
        raise CertificateError(f"{_place(part, path)}: cannot be read: {error.strerror}", part) from None


def _place(part: Part, path: Path) -> str:
    return f"{_FLAGS[part]} {path}"


class Certificates:
    """The certificate in use. `context` is handed to the server once and stays the same object for good.

    `material` is what is served, and `generation` counts how often that changed; `last_error` is why the newest is not
    served, empty if it is.
    """

    def __init__(self, clients: ClientAuth | None = None, *, now: Clock = wall_clock) -> None:
        self.clients = clients or ClientAuth()
        self.context = _ServedContext(ssl.PROTOCOL_TLS_SERVER)
        self.material: Material | None = None
        self.generation = 0
        self.last_error = ""
        self._now = now
        self._leaf: Leaf | None = None

    def expose(self, metrics: Metrics) -> None:
        """Show the generation and the rest of its time as metrics."""
        metrics.certificates_taken.read(lambda: self.generation)
        metrics.certificate_expiry.read(self._seconds_left)

    def _seconds_left(self) -> float:
        return (self._leaf.not_after - self._now()).total_seconds() if self._leaf else 0.0

    def take(self, material: Material) -> bool:
        """Serve new connections with `material`; False where it is in use already.

        Raises CertificateError where it cannot be served; what was in use stays in use.
        """
        if material == self.material:
            self.last_error = ""
            return False
        try:
            leaf = inspect(material.pair, self._now())
            context = _context(material, self.clients)
        except CertificateError as error:
            place = material.places.get(error.part)
            self.last_error = f"{place}: {error}" if place else str(error)
            raise CertificateError(self.last_error, error.part) from None
        self.context.current = context
        self.material, self._leaf, self.last_error = material, leaf, ""
        self.generation += 1
        return True

    def refresh(self, files: MaterialFiles) -> bool:
        """Serve what the files hold, if it differs and can be served. Otherwise `last_error` says what is wrong."""
        try:
            return self.take(files.read())
        except CertificateError as error:
            self.last_error = str(error)
            return False

    @property
    def not_after(self) -> datetime | None:
        """The end of the certificate in use; None before the first."""
        return self._leaf.not_after if self._leaf else None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the chain in use, hex; empty before the first."""
        return self.material.pair.fingerprint if self.material else ""

    def lack(self, span: timedelta) -> str:
        """Why a certificate is not valid `span` from now, in words; empty if it is."""
        if self._leaf is None:
            return "there is none yet"
        return "" if self.valid_for(span) else f"the one in use ends at {self._leaf.not_after.isoformat()}"

    def valid_for(self, span: timedelta) -> bool:
        """Whether the certificate in use is still valid `span` from now, by the wall clock."""
        return self._leaf is not None and self._leaf.not_after > self._now() + span


async def follow(certificates: Certificates, files: MaterialFiles, *, interval: float = 1.0) -> None:
    """Read the files every `interval` seconds for ever: by content, because not every volume sends events."""
    while True:
        await asyncio.sleep(interval)
        certificates.refresh(files)


class _ServedContext(ssl.SSLContext):
    """A context that lends its name to the newest one: each connection is made from that and keeps it."""

    current: ssl.SSLContext | None = None

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return self._newest().wrap_bio(*args, **kwargs)

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        return self._newest().wrap_socket(*args, **kwargs)

    def _newest(self) -> ssl.SSLContext:
        if self.current is None:
            raise ssl.SSLError("no certificate has been loaded yet")
        return self.current


def _context(material: Material, clients: ClientAuth) -> ssl.SSLContext:
    """A context for one generation. Raises CertificateError where OpenSSL refuses what it shall serve."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    # A resumed session skips the client's certificate, and the API server resumes none.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        with _as_file(material.pair.certificate) as certificate, _as_file(material.pair.key) as key:
            context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError) as error:
        raise CertificateError(f"the certificate cannot be served: {_reason(error)}") from None
    _trust_clients(context, material.client_ca, clients)
    return context


def _trust_clients(context: ssl.SSLContext, client_ca: bytes, clients: ClientAuth) -> None:
    if clients.mode == "off":
        return
    try:
        if not read_certificates(client_ca):
            raise CertificateError("no PEM certificate was found to know callers by")
        context.load_verify_locations(cadata=client_ca.decode("ascii", "ignore"))
    except CertificateError as error:
        raise CertificateError(str(error), "client_ca") from None
    except ssl.SSLError as error:
        raise CertificateError(f"the CAs of callers cannot be used: {_reason(error)}", "client_ca") from None
    context.verify_mode = clients.verify_mode


def _reason(error: OSError) -> str:
    return getattr(error, "reason", None) or error.strerror or type(error).__name__


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path under which OpenSSL, which loads keys from files only, finds exactly the bytes that were checked.

    In memory on Linux: a key never reaches a disk, and a read-only root file system is enough.
    """
    if sys.platform == "linux":
        descriptor = os.memfd_create("kmodgate", os.MFD_CLOEXEC)
        with open(descriptor, "wb", buffering=0) as file:
            file.write(content)
            yield f"/proc/self/fd/{descriptor}"
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name


def _in_generation(path: Path, generations: dict[Path, Path]) -> Path:
    """`path` inside the generation that its volume shows now.

    Kubelet makes each a folder of its own and turns the link `..data` to it; the link is followed once a read, so that
    two files are of one generation.
    """
    for folder in path.absolute().parents:
        link = folder / "..data"
        if folder in generations or link.is_symlink():
            target = generations.setdefault(folder, link.resolve())
            return target / path.absolute().relative_to(folder)
    return path
