"""The release of the Image Management Service (IMS) that a person names: `--ims-version` or `--csm`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from kmodgate.policy.ims.versions import NEWEST, ImsRelease, UnknownReleaseError, csm_release, ims_release
from kmodgate.renderer.errors import Unusable


def add_release_arguments(parser: ArgumentParser, use: str) -> None:
    """Add both options, of which one may be given; `use` says what the release is for."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--ims-version", metavar="V", help=f"release of IMS (chart cray-ims), {use}")
    group.add_argument("--csm", metavar="V", help="release of CSM, in place of that of IMS")


def read_release(args: Namespace) -> ImsRelease | None:
    """Return the release that is named, None if none is. Raises Unusable for an unknown one, with the known ones."""
    if args.csm is not None:
        return _release("--csm", args.csm, csm_release)
    return None if args.ims_version is None else _release("--ims-version", args.ims_version, ims_release)


def read_either_release(option: str, text: str) -> ImsRelease:
    """Return the release that an option names by CSM or by IMS, whose versions differ. Raises Unusable as above."""
    return _release(option, text, ims_release if _major(text) == _major(NEWEST) else csm_release)


def _major(version: str) -> str:
    return version.strip().removeprefix("v").partition(".")[0]


def _release(option: str, text: str, find: Callable[[str], ImsRelease]) -> ImsRelease:
    try:
        return find(text)
    except UnknownReleaseError as error:
        raise Unusable(f"{option}: {error}", "give one of the known releases") from error
