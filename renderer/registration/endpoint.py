"""What the command line says of the webhook's place, read and checked."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import SplitResult, urlsplit

from kmodgate.policy.formats.yaml_documents import MAX_BYTES
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.compile.policy_config_map import NAMESPACE
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.local_files.reading import read_given
from kmodgate.renderer.registration.configurations import Endpoint, Service

DEFAULT_SERVICE = f"{NAMESPACE}/kmodgate-webhook:443"

_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_SERVICE = lazy_regex(rf"({_LABEL})/([a-z](?:[-a-z0-9]{{0,61}}[a-z0-9])?)(?::([0-9]{{1,5}}))?")  # a Service is DNS-1035
_HIGHEST_PORT = 65535
_CERTIFICATE = lazy_regex(rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)\s+-----END CERTIFICATE-----")


def read_endpoint(service: str | None, url: str | None, ca_bundle: str | None) -> tuple[Endpoint, str]:
    """Where the webhook is, and the namespace that is its own. Raises Unusable."""
    certificates = _certificates(ca_bundle) if ca_bundle is not None else b""
    if url is not None:
        return Endpoint(_url(url), certificates), NAMESPACE
    found = _service(service or DEFAULT_SERVICE)
    return Endpoint(found, certificates), found.namespace


def _service(text: str) -> Service:
    match = _SERVICE.fullmatch(text)
    port = int(match[3] or 443) if match else 0
    if match is None or not 0 < port <= _HIGHEST_PORT:
        raise Unusable(f"--service {text}: not NAMESPACE/NAME[:PORT]", f"write it like {DEFAULT_SERVICE}")
    return Service(match[1], match[2], port)


def _url(text: str) -> str:
    """The URL without a slash at its end. The API server takes https only, and neither user, query nor fragment."""
    try:
        parts = urlsplit(text)
        sound = _is_sound(parts) and parts.port != 0
    except ValueError:  # a port that is none, an address whose bracket is open
        sound = False
    if not sound:
        message = f"--url {text}: the API server calls https://HOST[:PORT] only, without user, query and fragment"
        raise Unusable(message, "write it like https://kmodgate.example.com:8443")
    return text.rstrip("/")


def _is_sound(parts: SplitResult) -> bool:
    return (
        parts.scheme == "https"
        and bool(parts.hostname)
        and parts.username is None
        and not (parts.query or parts.fragment)
        and not any(character.isspace() for character in parts.geturl())
    )


def _certificates(name: str) -> bytes:
    """The certificates of a file, and nothing else of it. Raises Unusable for a file without any, or with a key."""
    try:
        text = read_given(name, MAX_BYTES)
    except OSError as error:
        raise Unusable(f"--ca-bundle {name}: {error.strerror}", "give a file with PEM certificates") from None
    if b"PRIVATE KEY-----" in text:
        raise Unusable(f"--ca-bundle {name}: holds a private key", "give a file with the certificates alone")
    bodies = [b"".join(match[1].split()) for match in _CERTIFICATE.finditer(text)]
    if not bodies or not all(map(_is_base64, bodies)):
        raise Unusable(f"--ca-bundle {name}: no PEM certificate in it", "give a file with -----BEGIN CERTIFICATE-----")
    return b"".join(map(_pem, bodies))


def _is_base64(body: bytes) -> bool:
    try:
        return bool(base64.b64decode(body, validate=True))
    except binascii.Error:
        return False


def _pem(body: bytes) -> bytes:
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return b"\n".join([b"-----BEGIN CERTIFICATE-----", *lines, b"-----END CERTIFICATE-----", b""])
