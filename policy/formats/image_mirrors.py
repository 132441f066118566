"""Registry mirrors: the references of images → where a cluster pulls them from.

References are matched as container runtimes match them: the longest source wins, a source ends where a component of
the path ends, `*.example.com` stands for every host below the domain, and Docker Hub is `docker.io`.

Source: pkg/sysregistriesv2 of github.com/containers/image; ImageDigestMirrorSet and ImageTagMirrorSet of
github.com/openshift/api.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.image_references import parse_image

References = Literal["digest", "tag"]
"""Which references a mirror has: those with a digest, or those without one."""

_DOCKER_HUB = ("docker.io", "index.docker.io")
_ANY_HOST = "*."


@dataclass(frozen=True, slots=True)
class Mirror:
    """One mirror of a registry, of a part of one, or of a repository; `source_policy` is OpenShift's."""

    source: str
    mirror: str
    references: References
    source_policy: str = "AllowContactingSource"


@dataclass(frozen=True, slots=True)
class Pulled:
    """A reference as it is pulled from a mirror."""

    reference: str
    mirror: Mirror


def pulled(image: str, mirrors: Iterable[Mirror]) -> Pulled | None:
    """Return the reference by which an image is pulled from a mirror; None where no mirror has it.

    Variables of the reference stay as they are. What is no reference, or names its registry by a variable, is on none.
    """
    whole = whole_name(image)
    mirror = _longest(whole, (item for item in mirrors if item.references == references_of(image)))
    return None if mirror is None else Pulled(mirror.mirror + whole[_matched(whole, mirror.source) :], mirror)


def only_mirrored_otherwise(image: str, mirrors: Iterable[Mirror]) -> Mirror | None:
    """Return the mirror of an image's source that has references of the other type only; None where there is none."""
    mirrors = list(mirrors)
    if pulled(image, mirrors) is not None:
        return None
    return _longest(whole_name(image), mirrors)


def references_of(image: str) -> References:
    """Return whether a reference names a digest."""
    return "digest" if "@" in image else "tag"


def whole_name(image: str) -> str:
    """Return a reference with its registry, and with the namespace of a lone name of Docker Hub; empty for none."""
    parsed = parse_image(image)
    if parsed is None or image.startswith("$"):
        return ""
    if parsed.registry and parsed.registry not in _DOCKER_HUB:
        return image
    rest = image.partition("/")[2] if parsed.registry else image
    return f"docker.io/{rest}" if "/" in parsed.path else f"docker.io/library/{rest}"


def is_below(place: str, source: str) -> bool:
    """Whether a registry or repository is a source, or a part of it."""
    return _matched(place, source) > 0


def _longest(whole: str, mirrors: Iterable[Mirror]) -> Mirror | None:
    matching = (item for item in mirrors if _matched(whole, item.source) > 0)
    return max(matching, key=lambda item: len(item.source), default=None)


def _matched(whole: str, source: str) -> int:
    """The length of what a source matches at the start of a name; 0 where it does not match.

    A host without a port does not match one with a port.
    """
    if source.startswith(_ANY_HOST):
        host = whole.partition("/")[0]
        return len(host) if host.endswith(source[1:]) and len(host) >= len(source) else 0
    if not whole.startswith(source):
        return 0
    after = whole[len(source) : len(source) + 1]
    return len(source) if after in ("", "/") or (after in (":", "@") and "/" in source) else 0
