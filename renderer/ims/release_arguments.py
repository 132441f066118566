"""The release of the Image Management Service (IMS) that a person names: `--ims-version` or `--csm`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from kmodgate.policy.ims.versions import ImsRelease, UnknownReleaseError, csm_release, ims_release
from kmodgate.renderer.errors import Unusable


def add_release_arguments(parser: ArgumentParser, use: str) -> None:
    """Add both options, of which one may be given; `use` says what the release is for."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--ims-version", metavar="V", help=f"release of IMS (chart cray-ims), {use}")
    group.add_argument("--csm", metavar="V", help="release of CSM, in place of that of IMS")


def read_release(args: Namespace) -> ImsRelease | None:
    """Return the release that is named, None if none is. Raises Unusable for an unknown one, with the known ones."""
    try:
        if args.csm is not None:
            return csm_release(args.csm)
        return None if args.ims_version is None else ims_release(args.ims_version)
    except UnknownReleaseError as error:
        option = "--ims-version" if args.csm is None else "--csm"
        raise Unusable(f"{option}: {error}", "give one of the known releases") from error
