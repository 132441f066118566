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
_VARIABLE = re.compile(r"\$\{[^}]*\}|\$[A-Za-z0-9_]+")


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
    domain, path = match["domain"] or "", match["path"]
    if domain and not ("." in domain or ":" in domain or domain == "localhost" or domain != domain.lower()):
        domain, path = "", f"{domain}/{path}"
    return Image(domain, path, match["tag"] or "", match["digest"] or "")


def is_from(image: str, prefix: str) -> bool:
    """Whether an image comes from a registry, from a part of one up to a slash, or from one repository."""
    return image == prefix or image.startswith((f"{prefix.rstrip('/')}/", f"{prefix}:", f"{prefix}@"))
