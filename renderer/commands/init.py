"""`kmodgate init`: a fleet that renders as it stands, or one more driver, cluster or image service."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from kmodgate.policy.formats.kubernetes_names import is_dns1123_subdomain
from kmodgate.policy.ims.versions import known_csm_releases, known_ims_versions
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode, Unusable
from kmodgate.renderer.fleet.files import MARKER
from kmodgate.renderer.fleet.root import find_root, root_above
from kmodgate.renderer.scaffold import (
    NewDriver,
    cluster_spec,
    driver_files,
    image_service_spec,
    is_version,
    write_attributes,
    write_new,
    write_schemas,
)
from kmodgate.renderer.wording import listed

_EXAMPLE_CLUSTER = "example-1"
_EXAMPLE_DRIVER = "simple-kmod"
OWNERS = ("loftsman", "argocd")
DELIVERIES = ("kmm", "daemonset", "hub")
_NO_VERSION = "not a version that a node can be labelled with"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", choices=("fleet", "driver", "cluster", "image-service"), help="what to create")
    parser.add_argument("name", metavar="NAME", help="folder of the fleet, or name of the spec")
    ordered = parser.add_mutually_exclusive_group()
    ordered.add_argument("--driver-version", metavar="VERSION", help="driver: upgrade node by node, from VERSION on")
    ordered.add_argument(
        "--no-driver-version", action="store_true", help="driver: upgrade all nodes at once; do not ask"
    )
    parser.add_argument("--delivery", choices=DELIVERIES, help="driver: how it reaches the nodes (default: kmm)")
    parser.add_argument(
        "--boot", metavar="POOL", help="driver: load it at boot, too, on the nodes of a pool (OpenShift)"
    )
    parser.add_argument("--release", metavar="VERSION", help="image-service: release of CSM or IMS (chart cray-ims)")
    parser.add_argument("--owner", choices=OWNERS, help="image-service: who applies ims-config (default: loftsman)")


def run(args: Namespace, console: Console) -> ExitCode:
    if args.what != "driver":
        for option in ("delivery", "boot"):
            if getattr(args, option) is not None:
                raise Unusable(f"--{option}: it is for a driver", "kmodgate init driver NAME takes it")
    if args.what == "fleet":
        return _fleet(Path(args.name), args, console)
    root = Path(os.path.relpath(find_root(Path())))
    if args.what == "driver":
        files = driver_files(_driver(args, console))
    elif args.what == "image-service":
        release, owner = _release(args, console), _owner(args, console)
        files = {f"services/{args.name}.yaml": image_service_spec(args.name, release, owner)}
    else:
        files = {f"clusters/{args.name}.yaml": cluster_spec(args.name)}
    _write(root, files, console)
    if args.what == "image-service":
        write_attributes(root)
    console.say(f"next: edit {root / next(iter(files))}, then run: kmodgate render")
    return ExitCode.OK


def _fleet(root: Path, args: Namespace, console: Console) -> ExitCode:
    if not str(args.name).strip():
        raise Unusable("the name of the fleet is empty", "name its folder; . is this one")
    if (root / MARKER).exists():
        raise Unusable(f"{root} is a fleet already", "add to it: kmodgate init driver NAME, kmodgate init cluster NAME")
    if root.exists() and not root.is_dir():
        raise Unusable(f"{root} is a file", "name a folder")
    if outer := root_above(root):
        raise Unusable(f"{root} lies inside the fleet {outer}", "name a folder outside of it")
    files = {
        MARKER: "",
        f"clusters/{_EXAMPLE_CLUSTER}.yaml": cluster_spec(_EXAMPLE_CLUSTER),
        **driver_files(NewDriver(_EXAMPLE_DRIVER, args.driver_version or "")),
    }
    _write(root, files, console)
    write_attributes(root)
    console.say(f"next: kmodgate render {shlex.quote(str(root))}")
    return ExitCode.OK


def _write(root: Path, files: dict[str, str], console: Console) -> None:
    write_new(root, files)
    write_schemas(root)
    for name in files:
        console.say(f"created {root / name}")


def _driver(args: Namespace, console: Console) -> NewDriver:
    delivery, pool = args.delivery or DELIVERIES[0], args.boot or ""
    if delivery == "daemonset" and args.driver_version:
        raise Unusable("--driver-version: DaemonSets have no ordered upgrade", "leave it out, or --delivery daemonset")
    if args.boot is not None and not (is_dns1123_subdomain(pool) and "." not in pool):
        raise Unusable(f"--boot {args.boot!r}: not the name of a MachineConfigPool", "write it like worker or master")
    version = "" if delivery == "daemonset" else _version(args, console)
    return NewDriver(args.name, version, delivery, pool)


def _version(args: Namespace, console: Console) -> str:
    """The first version of a driver that is upgraded node by node; asked for on a terminal."""
    if args.driver_version or args.no_driver_version or not _is_terminal():
        if args.driver_version and not is_version(args.driver_version):
            raise Unusable(f"--driver-version {args.driver_version}: {_NO_VERSION}", "write it like 1.0.0")
        return args.driver_version or ""
    console.say(
        "With a version, KMM upgrades the driver node by node, as you change a label of each node, and loads it\n"
        "nowhere before the nodes have that label. It cannot be added to or taken from a Module that exists."
    )
    question = "First version, or nothing to upgrade all nodes at once: "
    while True:
        line = _answer(question, "--driver-version or --no-driver-version")
        if not line or is_version(line):
            return line
        console.say(f"{_NO_VERSION}: write it like 1.0.0")


def _release(args: Namespace, console: Console) -> str:
    """The release of CSM or of IMS; asked for on a terminal, since none is a good guess."""
    csm, ims = known_csm_releases(), known_ims_versions()
    known = f"releases of CSM: {listed(csm, len(csm))}; of IMS: {ims[0]} to {ims[-1]}"
    if args.release is not None or not _is_terminal():
        if args.release in (*csm, *ims):
            return str(args.release)
        what = "is missing" if args.release is None else f"{args.release}: not a release that kmodgate knows"
        raise Unusable(f"--release {what}", known)
    while True:
        line = _answer("Release of CSM, or of IMS (chart cray-ims): ", "--release")
        if line in (*csm, *ims):
            return line
        console.say(f"not a release that kmodgate knows; {known}")


def _owner(args: Namespace, console: Console) -> str:
    """Who applies ims-config; asked for on a terminal, and otherwise whom CSM ships."""
    if args.owner or not _is_terminal():
        return args.owner or OWNERS[0]
    console.say(
        "With loftsman, kmodgate writes what you merge into customizations.yaml. With argocd, it renders ims-config,\n"
        "and Argo CD applies it: CSM ships none."
    )
    while True:
        line = _answer("Who applies ims-config: loftsman or argocd? [loftsman] ", "--owner") or OWNERS[0]
        if line in OWNERS:
            return line


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _answer(question: str, option: str) -> str:
    """Ask on the terminal. Raises Unusable where nobody answers."""
    sys.stderr.write(question)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise Unusable("no answer", f"answer, or give {option}")
    return line.strip()
