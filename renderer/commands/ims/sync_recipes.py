"""`kmodgate ims sync-recipes`: keep `require_dkms` of the recipes of IMS in step with a spec or a file of flags."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from kmodgate.policy.findings import Finding
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode, Unusable, refuse_enforced
from kmodgate.renderer.fleet.clusters.cluster_selectors import check_names
from kmodgate.renderer.fleet.files import OUTPUT
from kmodgate.renderer.fleet.fleet import names_of
from kmodgate.renderer.fleet.image_services.service_targets import service_targets
from kmodgate.renderer.fleet.root import as_typed, find_root, prefix
from kmodgate.renderer.ims import recipe_sync
from kmodgate.renderer.tree.stray_specs import load_with_output


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "fleet", nargs="?", metavar="FLEET", help="folder of the fleet, or one below it; needs --cluster"
    )
    parser.add_argument(
        "--cluster", metavar="NAME", help="the cluster whose ImageService has the flags, as spec.recipes"
    )
    parser.add_argument("--flags", metavar="FILE", help="JSON file with the flags, instead of a fleet")
    recipe_sync.add_arguments(parser)


def run(args: Namespace, console: Console) -> ExitCode:
    if (args.flags is None) is (args.cluster is None) or (args.flags is not None and args.fleet is not None):
        raise Unusable("the flags come from one place", "give FLEET --cluster NAME, or --flags FILE")
    try:
        if args.flags is None:
            flags = _of_spec(args.fleet or ".", args.cluster, console)
        else:
            flags = recipe_sync.parse_flags(recipe_sync.read_text(args.flags), args.flags)
        code, report, notes = recipe_sync.run(flags, args)
    except recipe_sync.Failed as error:
        raise Unusable(error.message, error.fix, ExitCode(error.code)) from None
    for note in notes:
        console.say(note)
    console.show(report)
    return ExitCode(code)


def _of_spec(folder: str, cluster: str, console: Console) -> list[recipe_sync.Flag]:
    """Return the flags of a cluster's ImageService. Raises Refused for specs that cannot be used."""
    root = find_root(Path(folder))
    console.base = prefix(as_typed(root))
    findings: list[Finding] = []
    fleet = load_with_output(root, root / OUTPUT, findings, console.progress)
    targets = service_targets(fleet, findings)
    refuse_enforced(findings, outcome="nothing was asked")
    check_names(names_of(fleet), [cluster])
    if cluster not in targets:
        raise Unusable(f"--cluster {cluster}: no ImageService is for it", "name it in spec.clusters of one")
    target = targets[cluster]
    if "recipes" not in target.spec:
        file = target.service.document.file
        raise Unusable(f"{file}: spec.recipes is not there on {cluster}", "add flags, or a default, to spec.recipes")
    source = recipe_sync.FlagsFile(f"{target.service.document.file}: spec.recipes")
    return recipe_sync.flags_of(target.spec["recipes"], source)
