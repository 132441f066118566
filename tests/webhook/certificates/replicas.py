"""Replicas that keep certificates together, each of them stopped and gone on with at will."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from kmodgate.webhook.certificates.issuing import service_names
from kmodgate.webhook.certificates.key_pair import CertificateError, Pair
from kmodgate.webhook.certificates.self_managed import ApiError, SelfManaged
from kmodgate.webhook.certificates.served_certificate import Certificates
from tests.webhook.certificates.certificate_store import Cluster, FakeConfigurations, FakeSecrets

NAMES = service_names("kmodgate-webhook", "kmodgate")


def verified(leaf: Pair, bundle: bytes, now: datetime) -> bool:
    """Whether a caller that trusts `bundle` accepts the leaf for the name that the API server asks for."""
    certificates = x509.load_pem_x509_certificates(bundle) if bundle else []
    if not certificates:
        return False
    policy = PolicyBuilder().store(Store(certificates)).time(now.replace(tzinfo=None))
    try:
        policy.build_server_verifier(x509.DNSName(NAMES[0])).verify(
            x509.load_pem_x509_certificate(leaf.certificate), []
        )
    except VerificationError:
        return False
    return True


class Replica:
    """One process: its certificate, and the turn that it is in the middle of."""

    def __init__(self, cluster: Cluster, clock: list[datetime], client_ca: Path | None = None) -> None:
        self.certificates = Certificates(now=lambda: clock[0])
        self.managed = SelfManaged(
            FakeSecrets(cluster),
            FakeConfigurations(cluster),
            self.certificates,
            names=NAMES,
            client_ca=client_ca,
            now=lambda: clock[0],
        )
        self._turn: Coroutine[Any, Any, None] | None = None

    def go(self) -> bool:
        """Go on to the next stop; False at the end of a turn."""
        self._turn = self._turn or self.managed.turn()
        try:
            self._turn.send(None)
        except (StopIteration, ApiError, CertificateError):
            self._turn = None
            return False
        return True

    def crash(self) -> None:
        if self._turn:
            self._turn.close()
            self._turn = None

    @property
    def leaf(self) -> Pair | None:
        material = self.certificates.material
        return material.pair if material else None


def turn(replica: Replica) -> None:
    while replica.go():
        pass


def finish(managed: SelfManaged) -> None:
    """A whole turn, what it raises included."""
    coroutine = managed.turn()
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        pass
