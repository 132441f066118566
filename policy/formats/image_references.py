"""Image references, taken apart the way container registries define them.

Source: github.com/distribution/reference, reference.go and regexp.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kmodgate.policy.memo import kept

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<domain>{_DOMAIN})/)?(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)
_LONGEST = 4096
_MOST = 255
"""Characters of registry and path together, which is what runtimes and registries take."""

_DIGESTS = {"sha256": 64, "sha384": 96, "sha512": 128}
"""The algorithms that registries know, and the hexadecimal digits of each."""

_VARIABLE = re.compile(r"\$\{[^}]{0,256}\}|\$[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Image:
    """The parts of a reference; empty where it has none. The registry is empty for Docker Hub."""

    registry: str
    path: str
    tag: str
    digest: str


@kept
def parse_image(text: str) -> Image | None:
    """The parts of a reference, whose variables count as letters; None if it is none."""
    match = _REFERENCE.fullmatch(_VARIABLE.sub("v", text)) if len(text) <= _LONGEST else None
    if match is None:
        return None
    domain, path, digest = match["domain"] or "", match["path"], match["digest"] or ""
    if digest and not _is_digest(digest):
        return None
    if len(f"{domain}/{path}" if domain else path) > _MOST:
        return None
    if domain and not ("." in domain or ":" in domain or domain == "localhost" or domain != domain.lower()):
        domain, path = "", f"{domain}/{path}"
    return Image(domain, path, match["tag"] or "", digest)


def _is_digest(text: str) -> bool:
    algorithm, _, value = text.partition(":")
    return len(value) == _DIGESTS.get(algorithm) and value == value.lower()


def oddity(text: str) -> str:
    """Return what keeps a text from being a reference, for a person; empty where nothing in particular does."""
    plain = _VARIABLE.sub("v", text)
    name, at, digest = plain.partition("@")
    if at and not _is_digest(digest):
        algorithm, colon, value = digest.partition(":")
        if not colon or algorithm not in _DIGESTS:
            return f"registries know no digest {digest[:20]!r}, but {', '.join(f'{item}:' for item in _DIGESTS)}"
        if len(value) != _DIGESTS[algorithm]:
            return f"its digest has {len(value)} digits, and {algorithm} has {_DIGESTS[algorithm]}"
        return "its digest has other characters than 0-9 and a-f"
    if odd := _ODD.search(name):
        return f"{odd[0]!r} is not allowed in it"
    head, slash, rest = name.partition("/")
    is_registry = slash and ("." in head or ":" in head or head == "localhost")
    path = rest if is_registry else name
    if capital := re.search("[A-Z]", path.partition(":")[0]):
        return f"{capital[0]!r} is a capital, and the path has none"
    return f"it has more than {_MOST} characters" if len(name) > _MOST else ""


_ODD = re.compile(r"[^A-Za-z0-9._:/\-\[\]]")


def is_from(image: str, prefix: str) -> bool:
    """Whether an image comes from a registry, from a part of one up to a slash, or from one repository."""
    return image == prefix or image.startswith((f"{prefix.rstrip('/')}/", f"{prefix}:", f"{prefix}@"))
