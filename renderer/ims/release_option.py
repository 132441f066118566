"""The release of IMS that an option names."""

from __future__ import annotations

from collections.abc import Callable

from kmodgate.policy.ims.versions import (
    IMS_VERSIONS,
    ImsRelease,
    UnknownReleaseError,
    csm_release,
    ims_release,
)
from kmodgate.renderer.errors import Unusable


def release_of(option: str, text: str, find: Callable[[str], ImsRelease]) -> ImsRelease:
    """Return the release.

    :param find: `csm_release`, `ims_release` or `any_release`
    :raises Unusable: it is not known
    """
    try:
        return find(text)
    except UnknownReleaseError as error:
        raise Unusable(f"{option}: {error}", "give one of these") from None


def any_release(text: str) -> ImsRelease:
    """Return a release by that of CSM, or by the version of IMS: no version is both."""
    return ims_release(text) if text in IMS_VERSIONS else csm_release(text)
