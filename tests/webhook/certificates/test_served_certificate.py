"""The served certificate: what is taken, what is refused, and that replacing it costs no handshake."""

from __future__ import annotations

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from kmodgate.webhook.certificates.client_certificates import ClientAuth
from kmodgate.webhook.certificates.issuing import make_authority
from kmodgate.webhook.certificates.key_pair import CertificateError, Pair
from kmodgate.webhook.certificates.served_certificate import Certificates, Material, MaterialFiles, follow
from tests.webhook.issued_certificates import (
    AUTHORITY,
    DAY,
    NOW,
    YEAR,
    SecretVolume,
    encrypted,
    leaf,
    nameless,
    rsa_pair,
    write,
)
from tests.webhook.serving import LOOPS, Serving, greeted, run, serving, trusting

ROTATIONS = 100


def serving_pair(pair: Pair) -> Certificates:
    certificates = Certificates()
    certificates.take(Material(pair))
    return certificates


@pytest.mark.timing
@pytest.mark.parametrize("loop", LOOPS)
def test_a_certificate_replaced_a_hundred_times_under_load_fails_no_handshake(tmp_path: Path, loop: str) -> None:
    async def scenario() -> None:
        volume = SecretVolume(tmp_path / "tls", leaf())
        certificates = Certificates()
        certificates.refresh(volume.files)
        shown: list[str] = []
        rotating = True

        async def load(server: Serving) -> None:
            while rotating:
                shown.append(await greeted(server))

        async with serving(certificates) as server, asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(load(server))
            for _ in range(ROTATIONS):
                volume.update(leaf())
                assert certificates.refresh(volume.files)
                assert await greeted(server) == certificates.fingerprint
            rotating = False
        assert server.connections.handshakes_failed == 0
        assert certificates.generation == ROTATIONS + 1
        assert len(shown) > ROTATIONS

    run(scenario(), loop)


def test_a_connection_that_is_open_lives_on_through_a_rotation() -> None:
    async def scenario() -> None:
        certificates = serving_pair(leaf())
        async with serving(certificates) as server:
            before = await server.connect()
            certificates.take(Material(leaf()))
            assert (await before.ask())[0] == 200
            assert before.fingerprint != certificates.fingerprint

    run(scenario())


def test_a_key_of_another_type_replaces_the_old_chain_instead_of_joining_it() -> None:
    async def scenario() -> None:
        certificates, other = serving_pair(leaf()), rsa_pair()
        certificates.take(Material(other))
        async with serving(certificates) as server:
            assert await greeted(server, trusting(other)) == other.fingerprint

    run(scenario())


def half(pair: Pair) -> Pair:
    return Pair(pair.certificate[: len(pair.certificate) // 2], pair.key)


BROKEN = {
    "half-written certificate": (half(leaf()), "no PEM certificate"),
    "half-written key": (Pair(leaf().certificate, leaf().key[:90]), "no PEM private key"),
    "empty": (Pair(b"", b""), "no PEM certificate"),
    "not a certificate": (
        Pair(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", leaf().key),
        "a certificate cannot be read",
    ),
    "key of another certificate": (Pair(leaf().certificate, leaf().key), "belongs to another"),
    "encrypted key": (encrypted(leaf()), "encrypted"),
    "expired": (leaf(now=NOW - 2 * DAY, authority=make_authority(NOW - 3 * DAY, YEAR), lifetime=DAY), "expired"),
    "not valid yet": (leaf(now=NOW + 2 * DAY, authority=make_authority(NOW + 2 * DAY, YEAR)), "not valid before"),
    "without a name": (nameless(), "subject alternative name"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_pair_that_cannot_be_served_leaves_the_last_good_one_serving(tmp_path: Path, case: str) -> None:
    async def scenario() -> None:
        good = leaf()
        certificates = serving_pair(good)
        pair, reason = BROKEN[case]
        async with serving(certificates) as server:
            assert not certificates.refresh(write(tmp_path, pair))
            assert reason in certificates.last_error
            assert await greeted(server) == good.fingerprint == certificates.fingerprint
            assert certificates.refresh(write(tmp_path, leaf()))
            assert certificates.last_error == ""
            assert await greeted(server) == certificates.fingerprint

    run(scenario())


def test_a_pair_written_file_by_file_is_served_once_it_is_whole(tmp_path: Path) -> None:
    old, new = leaf(), leaf()
    certificates = Certificates()
    files = write(tmp_path, old)
    certificates.refresh(files)
    files.certificate.write_bytes(new.certificate)
    assert not certificates.refresh(files)
    assert certificates.fingerprint == old.fingerprint
    files.key.write_bytes(new.key)
    assert certificates.refresh(files)
    assert certificates.fingerprint == new.fingerprint


def test_files_are_read_from_one_generation_although_kubelet_turns_the_link_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = leaf(), leaf()
    volume = SecretVolume(tmp_path / "tls", old)
    read, turned = Path.read_bytes, []

    def turn_after_the_first(path: Path) -> bytes:
        content = read(path)
        if not turned:
            turned.append(path)
            volume.update(new)
        return content

    monkeypatch.setattr(Path, "read_bytes", turn_after_the_first)
    assert volume.files.read().pair == new
    assert turned[0].parent.name == "..generation-1"


def test_the_volume_may_hold_the_files_in_folders(tmp_path: Path) -> None:
    pair = leaf()
    write(tmp_path / "..generation-1" / "serving", pair)
    (tmp_path / "..data").symlink_to("..generation-1")
    (tmp_path / "serving").symlink_to("..data/serving")
    files = MaterialFiles(tmp_path / "serving" / "tls.crt", tmp_path / "serving" / "tls.key")
    assert files.read() == Material(pair)


def test_a_missing_file_is_named_in_the_error(tmp_path: Path) -> None:
    certificates = Certificates()
    assert not certificates.refresh(MaterialFiles(tmp_path / "tls.crt", tmp_path / "tls.key"))
    assert f"--tls-cert {tmp_path / 'tls.crt'}: cannot be read: No such file" in certificates.last_error


PARTS: dict[str, tuple[str, bytes, str]] = {
    "no certificate": ("tls.crt", b"", "--tls-cert {}: no PEM certificate was found"),
    "no key": ("tls.key", b"x", "--tls-key {}: no PEM private key was found that can be read"),
    "the key of another": ("tls.key", leaf().key, "--tls-key {}: the private key belongs to another certificate"),
    "no CA": ("ca.crt", b"x", "--client-ca {}: no PEM certificate was found to know callers by"),
}


@pytest.mark.parametrize(("name", "content", "message"), PARTS.values(), ids=PARTS.keys())
def test_what_cannot_be_served_is_told_with_its_flag_and_file(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    write(tmp_path, leaf())
    (tmp_path / "ca.crt").write_bytes(AUTHORITY.certificate)
    (tmp_path / name).write_bytes(content)
    certificates = Certificates(ClientAuth("require", tmp_path / "ca.crt", frozenset({"kube-apiserver"})))
    assert not certificates.refresh(MaterialFiles(tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "ca.crt"))
    assert certificates.last_error == message.format(tmp_path / name)


@pytest.mark.timing
def test_files_are_followed_by_content(tmp_path: Path) -> None:
    async def scenario() -> None:
        volume = SecretVolume(tmp_path / "tls", leaf())
        certificates, new = Certificates(), leaf()
        certificates.refresh(volume.files)
        following = asyncio.create_task(follow(certificates, volume.files, interval=0.01))
        volume.update(new)
        while certificates.fingerprint != new.fingerprint:
            await asyncio.sleep(0.01)
        following.cancel()
        assert certificates.generation == 2

    run(scenario())


def test_validity_is_measured_against_the_wall_clock() -> None:
    clock = [NOW]
    certificates = Certificates(now=lambda: clock[0])
    assert not certificates.valid_for(timedelta(hours=1))
    certificates.take(Material(leaf(lifetime=DAY)))
    assert certificates.not_after == (NOW + DAY).replace(microsecond=0)
    assert certificates.valid_for(timedelta(hours=1))
    clock[0] = NOW + DAY - timedelta(minutes=59)
    assert not certificates.valid_for(timedelta(hours=1))


def test_the_same_pair_is_not_a_new_generation() -> None:
    pair = leaf()
    certificates = serving_pair(pair)
    assert not certificates.take(Material(pair))
    assert certificates.generation == 1


def test_no_key_shows_in_texts() -> None:
    pair = leaf()
    secret = pair.key.splitlines()[1].decode()
    broken = Pair(leaf().certificate, pair.key)
    with pytest.raises(CertificateError) as caught:
        Certificates().take(Material(broken))
    assert secret not in repr(Material(pair)) + str(caught.value) + repr(caught.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the client's, of its own old version
@pytest.mark.parametrize(("version", "offered"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_protocols_from_tls_1_2_are_offered(version: str, offered: bool) -> None:
    async def scenario() -> None:
        context = trusting(AUTHORITY)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
        async with serving(serving_pair(leaf())) as server:
            if offered:
                await greeted(server, context)
            else:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await greeted(server, context)

    run(scenario())


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-SHA"])
def test_tls_1_2_without_forward_secrecy_or_aead_is_refused(cipher: str) -> None:
    async def scenario() -> None:
        context = trusting(AUTHORITY)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(cipher)
        async with serving(serving_pair(leaf())) as server:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await greeted(server, context)

    run(scenario())
