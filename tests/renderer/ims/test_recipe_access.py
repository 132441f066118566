"""How recipe flags get to the service: tokens, TLS and addresses."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kmodgate.renderer.ims.recipe_sync import Failed, Service, read_token
from tests.renderer.ims import fake_ims
from tests.renderer.ims.fake_ims import FakeIms
from tests.webhook.issued_certificates import AUTHORITY, leaf

pytestmark = pytest.mark.timing


def test_a_token_file_may_end_in_a_line_break(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("eyJh.b-c_d\n")
    assert read_token(str(file), "", 1) == "eyJh.b-c_d"


@pytest.mark.parametrize("text", ["", "\n", "two words", "two\nlines", "tökén"])
def test_a_file_without_a_token_is_an_error_that_does_not_repeat_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(Failed, match="no bearer token") as caught:
        read_token(str(file), "", 1)
    assert caught.value.code == 2
    assert not text.strip() or text not in caught.value.message


@pytest.fixture
def secret(ims: FakeIms, tmp_path: Path) -> Path:
    """The Secret admin-client-auth, as it is mounted."""
    for name, text in {"client-id": "admin-client", "client-secret": "hush", "endpoint": f"{ims.url}/token"}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_mounted_secret_gives_a_token(ims: FakeIms, secret: Path) -> None:
    assert read_token(str(secret), "", 1) == "t0ken"
    assert ims.seen == [("POST", "/token", "grant_type=client_credentials&client_id=admin-client&client_secret=hush")]


def test_a_wrong_client_is_told_without_its_secret(ims: FakeIms, secret: Path) -> None:
    (secret / "client-secret").write_text("wrong")
    with pytest.raises(Failed, match="POST: 401") as caught:
        read_token(str(secret), "", 1)
    assert "wrong" not in caught.value.message


def test_a_folder_that_is_no_such_secret_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="client-id: cannot be read") as caught:
        read_token(str(tmp_path), "", 1)
    assert caught.value.code == 2


def test_tls_needs_the_authority_of_the_site(tmp_path: Path) -> None:
    pair, authority = leaf("localhost"), tmp_path / "ca.pem"
    (tmp_path / "server.pem").write_bytes(pair.certificate + pair.key)
    authority.write_bytes(AUTHORITY.certificate)
    with fake_ims.running(tmp_path / "server.pem") as ims:
        ims.add("a-gpu-1", True)
        url = ims.url.replace("127.0.0.1", "localhost")
        assert len(Service(url, ca_file=str(authority)).recipes()) == 1
        with pytest.raises(Failed, match="CERTIFICATE_VERIFY_FAILED") as caught:
            Service(url).recipes()
        assert caught.value.code == 3
        with pytest.raises(Failed, match="CERTIFICATE_VERIFY_FAILED"):
            Service(ims.url, ca_file=str(authority)).recipes()


@pytest.mark.parametrize(
    "put", [Path.mkdir, os.mkfifo, lambda file: file.write_text("no certificate"), lambda file: None]
)
def test_a_file_without_certificates_is_an_error(tmp_path: Path, put: Callable[[Path], object]) -> None:
    file = tmp_path / "ca.pem"
    put(file)
    with pytest.raises(Failed, match="no CA certificates") as caught:
        Service("https://localhost", ca_file=str(file))
    assert caught.value.code == 2


@pytest.mark.parametrize("url", [
    "", "localhost", "ftp://a", "file:///etc/passwd", "http://", "http://a:0", "http://a:99999", "http://user:pw@a", "http://:pw@a",
    "http://a/?q=1", "http://a/#f", "http://a b", "http://a/\r\nX: y",
])  # fmt: skip
def test_an_address_that_is_none_is_an_error_that_repeats_no_password(url: str) -> None:
    with pytest.raises(Failed, match="not the address of a service") as caught:
        Service(url)
    assert (caught.value.code, "pw" in caught.value.message) == (2, False)


@pytest.mark.parametrize(
    ("url", "shown"), [("127.0.0.1:1", "127.0.0.1:1: not"), ("http://me:pw@a", "http://...@a: not")]
)
def test_an_address_that_is_none_is_repeated(url: str, shown: str) -> None:
    with pytest.raises(Failed) as caught:
        Service(url)
    assert caught.value.message.startswith(shown)
