"""`kmodgate images`: the images that the clusters of a fleet need from elsewhere, for a site that mirrors them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from kmodgate.policy.findings import Finding
from kmodgate.renderer.compile.compiler import compile_fleet
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode, refuse_enforced
from kmodgate.renderer.fleet.clusters.cluster_selectors import check_names
from kmodgate.renderer.fleet.files import OUTPUT
from kmodgate.renderer.fleet.fleet import names_of
from kmodgate.renderer.fleet.root import as_typed, find_root, prefix
from kmodgate.renderer.images.needed_images import needed_images
from kmodgate.renderer.images.operator_catalogs import operator_packages
from kmodgate.renderer.plan.kernels_asked import add_kernel_arguments, kernels_asked, refuse_unfit
from kmodgate.renderer.report.image_list import FORMATS
from kmodgate.renderer.tree.stray_specs import load_with_output
from kmodgate.renderer.wording import counted, printable


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "fleet", nargs="?", default=".", metavar="FLEET", help="folder of the fleet, or one below it (default: here)"
    )
    parser.add_argument(
        "--cluster", action="append", default=[], metavar="NAME", help="only this cluster; may be given several times"
    )
    add_kernel_arguments(parser)
    parser.add_argument(
        "--format", choices=tuple(FORMATS), default="text",
        help="one reference a line, an ImageSetConfiguration for oc-mirror, or JSON (default: text)",
    )  # fmt: skip
    parser.add_argument("--output", metavar="FILE", help="write the list there (default: stdout)")


def run(args: Namespace, console: Console) -> ExitCode:
    root = find_root(Path(args.fleet))
    console.base = prefix(as_typed(root))
    findings: list[Finding] = []
    fleet = load_with_output(root, root / OUTPUT, findings, console.progress)
    check_names(names_of(fleet), args.cluster)
    asked = kernels_asked(args.kernel, args.dtk)
    compiled = compile_fleet(fleet, findings)
    refuse_enforced(findings, outcome="nothing was listed")
    clusters = [cluster for cluster in fleet.clusters if not args.cluster or cluster.name in args.cluster]
    refuse_unfit(clusters, asked)
    needed = needed_images(compiled, args.cluster, asked)
    packages = operator_packages(compiled, clusters, needed.unknown)
    images = [needed.images[name] for name in sorted(needed.images)]
    console.deliver(FORMATS[args.format](images, packages), args.output)
    for item in needed.unknown:
        console.say(f"note: not known: {printable(item)}")
    if packages and args.format == "text":
        names = ", ".join(dict.fromkeys(f"{item.name} of {item.catalog}" for item in packages))
        console.say(f"note: the operator's images come with its catalog ({names}): --format imageset")
    console.say(f"{counted(len(images), 'image')} for {counted(len(clusters), 'cluster')}")
    return ExitCode.OK
