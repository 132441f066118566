"""Image references, taken apart the way container registries define them.

Source: github.com/distribution/reference, reference.go and regexp.go.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.memo import kept

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = lazy_regex(
    rf"(?:(?P<domain>{_DOMAIN})/)?(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)
_LONGEST = 4096
_LONGEST_TAG = 128
_MOST = 255
"""Characters of a path, the namespace that Docker Hub puts before a lone name included."""

_DOCKER_HUB = ("", "docker.io", "index.docker.io")
_ID = lazy_regex(r"[0-9a-f]{64}")
"""What runtimes take for the id of a local image."""

_DIGESTS = {"sha256": 64, "sha384": 96, "sha512": 128}
"""The algorithms that registries know, and the hexadecimal digits of each."""

_VARIABLE = lazy_regex(r"\$\{[^}]{0,256}\}|\$[A-Za-z0-9_]+")


class Image(NamedTuple):
    """The parts of a reference; empty where it has none. The registry is empty for Docker Hub."""

    registry: str
    path: str
    tag: str
    digest: str


@kept
def parse_image(text: str) -> Image | None:
    """The parts of a reference, whose variables count as letters; None if it is none."""
    plain = _VARIABLE.sub("v", text) if "$" in text else text
    match = _REFERENCE.fullmatch(plain) if len(text) <= _LONGEST else None
    if match is None:
        return None
    domain, path, tag, digest = match.group("domain", "path", "tag", "digest")
    domain, tag, digest = domain or "", tag or "", digest or ""
    if domain and not ("." in domain or ":" in domain or domain == "localhost" or domain != domain.lower()):
        domain, path = "", f"{domain}/{path}"
    if not domain and "." in path.partition("/")[0] and "/" in path:
        return None  # a registry by its dot, whose name is none
    if (digest and not _is_digest(digest)) or _is_too_long(domain, path) or _ID.fullmatch(text):
        return None
    return Image(domain, path, tag, digest)


def _is_too_long(registry: str, path: str) -> bool:
    is_lone = registry in _DOCKER_HUB and "/" not in path
    return len(path) > _MOST - (len("library/") if is_lone else 0)


def _is_digest(text: str) -> bool:
    algorithm, _, value = text.partition(":")
    return len(value) == _DIGESTS.get(algorithm) and value == value.lower()


def oddity(text: str) -> str:
    """Return what keeps a text from being a reference, for a person; empty where nothing in particular does."""
    plain = _VARIABLE.sub("v", text)
    if _ID.fullmatch(text):
        return "64 digits are the id of a local image, and no name"
    name, at, digest = plain.partition("@")
    if at and not _is_digest(digest):
        return _odd_digest(digest)
    if odd := _ODD.search(name):
        return f"{odd[0]!r} is not allowed in it"
    head, slash, rest = name.partition("/")
    is_registry = slash and ("." in head or ":" in head or head == "localhost")
    path = rest if is_registry else name
    if is_registry and not re.fullmatch(_DOMAIN, head):
        return f"{head!r} is the name of no registry"
    if capital := re.search("[A-Z]", path.partition(":")[0]):
        return f"{capital[0]!r} is a capital, and the path has none"
    path, colon, tag = path.partition(":")
    if _is_too_long(head if is_registry else "", path):
        return f"its path has more than {_MOST} characters"
    return _odd_path(path) or (_odd_tag(tag) if colon else "")


def _odd_digest(digest: str) -> str:
    algorithm, colon, value = digest.partition(":")
    if not colon or algorithm not in _DIGESTS:
        return f"registries know no digest {digest[:20]!r}, but {', '.join(f'{item}:' for item in _DIGESTS)}"
    if len(value) != _DIGESTS[algorithm]:
        return f"its digest has {len(value)} digits, and {algorithm} has {_DIGESTS[algorithm]}"
    return "its digest has other characters than 0-9 and a-f"


def _odd_path(path: str) -> str:
    for part in path.split("/"):
        if not part:
            return "a part of its path is empty"
        if not re.fullmatch(_COMPONENT, part):
            return f"{part!r} has . _ or - at an end, or too many of them in a row"
    return ""


def _odd_tag(tag: str) -> str:
    if not tag:
        return "its tag is empty"
    if ":" in tag:
        return "it has two tags"
    if len(tag) > _LONGEST_TAG:
        return f"its tag has {len(tag)} characters, and may have {_LONGEST_TAG}"
    return f"its tag begins with {tag[0]!r}" if tag[0] in ".-" else ""


def corrected(text: str) -> str:
    """Return the name of an image that a text means: without a scheme and spaces around it, its path in small letters.

    A variable of make or of a container, `$(NAME)`, is one of KMM, and `$(uname -r)` the kernel. Empty where that is no
    name either.
    """
    bare = _UNAME.sub("${KERNEL_FULL_VERSION}", _SCHEME.sub("", text.strip()))
    bare = _SLASHES.sub("/", _PARENTHESES.sub(r"${\1}", bare))
    name, at, digest = bare.partition("@")
    head, slash, rest = name.rpartition("/")
    path, colon, tag = rest.partition(":")
    where = f"{head}{slash}{path}"
    found = (where if "$" in where else where.lower()) + colon + tag + at + digest.lower()
    return found if found != text and parse_image(found) is not None else ""


_SCHEME = lazy_regex(r"(?:docker|oci|https?)://", re.IGNORECASE)
_SLASHES = lazy_regex(r"//+")
_UNAME = lazy_regex(r"\$[({]\s*uname\s+-r\s*[)}]|`uname\s+-r`")
_PARENTHESES = lazy_regex(r"\$\(([A-Z][A-Z_]*)\)")
_ODD = lazy_regex(r"[^A-Za-z0-9._:/\-\[\]]")


def is_from(image: str, prefix: str) -> bool:
    """Whether an image comes from a registry, from a part of one up to a slash, or from one repository."""
    return image == prefix or image.startswith((f"{prefix.rstrip('/')}/", f"{prefix}:", f"{prefix}@"))
