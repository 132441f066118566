"""Client certificates: asked for or not, verified, and matched by name."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from aiohttp import web

from kmodgate.webhook.certificates.client_certificates import ClientAuth, allowed_client
from kmodgate.webhook.certificates.issuing import make_authority
from kmodgate.webhook.certificates.key_pair import CertificateError, Pair
from kmodgate.webhook.certificates.served_certificate import Certificates, Material
from tests.webhook.issued_certificates import AUTHORITY, NOW, YEAR, client, leaf
from tests.webhook.serving import Serving, greeted, run, serving, trusting

CALLERS = make_authority(NOW, YEAR)
STRANGERS = make_authority(NOW, YEAR)

CLIENTS = [
    # mode, client certificate, whether the request is let in
    ("off", None, True),
    ("off", client("anyone", STRANGERS), True),
    ("request", None, True),
    ("request", client("kube-apiserver", CALLERS), True),
    ("request", client("somebody", CALLERS), False),
    ("request", client("kube-apiserver", STRANGERS), False),
    ("require", None, False),
    ("require", client("kube-apiserver", CALLERS), True),
    ("require", client("somebody", CALLERS), False),
    ("require", client("kube-apiserver", STRANGERS), False),
]


@pytest.mark.parametrize(("mode", "identity", "let_in"), CLIENTS)
def test_client_certificates_are_asked_for_and_matched_by_name(
    tmp_path: Path, mode: str, identity: Pair | None, let_in: bool
) -> None:
    clients = ClientAuth(mode, tmp_path / "ca.crt", frozenset({"kube-apiserver"}))  # type: ignore[arg-type]

    async def guarded(request: web.Request) -> web.Response:
        assert request.transport is not None
        admitted = clients.admits(request.transport.get_extra_info("peercert"))
        return web.Response(status=200 if admitted else 403)

    async def status(server: Serving) -> int:
        try:
            conversation = await server.connect(trusting(AUTHORITY, identity, tmp_path))
            return (await conversation.ask())[0]
        except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError):
            return 0

    async def scenario() -> None:
        certificates = Certificates(clients)
        certificates.take(Material(leaf(), CALLERS.certificate))
        async with serving(certificates, guarded) as server:
            assert (await status(server) == 200) is let_in

    run(scenario())


def test_a_client_ca_that_is_taken_away_is_trusted_no_more(tmp_path: Path) -> None:
    async def scenario() -> None:
        clients = ClientAuth("require", tmp_path / "ca.crt", frozenset({"kube-apiserver"}))
        pair, context = leaf(), trusting(AUTHORITY, client("kube-apiserver", CALLERS), tmp_path)
        certificates = Certificates(clients)
        certificates.take(Material(pair, CALLERS.certificate))
        async with serving(certificates) as server:
            await greeted(server, context)
            certificates.take(Material(pair, STRANGERS.certificate))
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await greeted(server, context)

    run(scenario())


def test_client_certificates_without_a_ca_or_names_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one allowed name"):
        ClientAuth("request", tmp_path / "ca.crt")
    with pytest.raises(ValueError, match="CA file"):
        ClientAuth("require", None, frozenset({"kube-apiserver"}))


def test_without_a_certificate_in_the_client_ca_nothing_is_served(tmp_path: Path) -> None:
    certificates = Certificates(ClientAuth("require", tmp_path / "ca.crt", frozenset({"kube-apiserver"})))
    with pytest.raises(CertificateError, match="to know callers by"):
        certificates.take(Material(leaf(), b""))


SUBJECT = ((("organizationName", "kubernetes"),), (("commonName", "kube-apiserver"),))


@pytest.mark.parametrize(
    ("peercert", "names", "allowed"),
    [
        ({"subject": SUBJECT}, {"kube-apiserver"}, True),
        ({"subject": SUBJECT}, {"kubernetes"}, False),
        ({"subject": SUBJECT}, {"kube"}, False),
        ({"subject": (), "subjectAltName": (("DNS", "api.example"),)}, {"api.example"}, True),
        ({"subject": (), "subjectAltName": (("URI", "spiffe://api"),)}, {"spiffe://api"}, True),
        ({"subject": (), "subjectAltName": (("DNS", "*.example"),)}, {"api.example"}, False),
        ({"subject": SUBJECT}, set(), False),
        ({}, {"kube-apiserver"}, False),
        (None, {"kube-apiserver"}, False),
    ],
)
def test_a_client_is_known_by_its_exact_names(
    peercert: dict[str, object] | None, names: set[str], allowed: bool
) -> None:
    assert allowed_client(peercert, names) is allowed
