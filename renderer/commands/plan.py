"""`kmodgate plan`: what every node would load on the next kernel, and what is to be done beforehand."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from kmodgate.policy.findings import Finding, Mode
from kmodgate.renderer import git
from kmodgate.renderer.compile.cluster_policies import Choice, Policies, add_policy_arguments, read_choice
from kmodgate.renderer.compile.compiler import CompiledFleet, compile_fleet, compile_parts
from kmodgate.renderer.compile.git_revision import fleet_at
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode, Unusable, refuse_enforced
from kmodgate.renderer.fleet.clusters.cluster_selectors import check_names
from kmodgate.renderer.fleet.clusters.nodes import in_groups, nodes_in
from kmodgate.renderer.fleet.files import OUTPUT
from kmodgate.renderer.fleet.fleet import Fleet, names_of
from kmodgate.renderer.fleet.root import as_typed, find_root, prefix
from kmodgate.renderer.judge.fleet_judge import FleetJudge
from kmodgate.renderer.plan import preflight_validations
from kmodgate.renderer.plan.coverage import Cell
from kmodgate.renderer.plan.exit_conditions import CONDITIONS, fails, mark_old_losses
from kmodgate.renderer.plan.kernels_asked import add_kernel_arguments, kernels_asked, refuse_unfit
from kmodgate.renderer.plan.kmm_upgrade import upgraded
from kmodgate.renderer.plan.plan import RULES, Plan, cells_in, plan_fleet
from kmodgate.renderer.removals.driver_losses import LossesSince
from kmodgate.renderer.report import plan_writer
from kmodgate.renderer.report.plan.text import text
from kmodgate.renderer.report.plan.verdict import summary
from kmodgate.renderer.tree.stray_specs import load_with_output
from kmodgate.renderer.wording import counted

FORMATS = ("text", "markdown", "json", "html")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "fleet", nargs="?", default=".", metavar="FLEET", help="folder of the fleet, or one below it (default: here)"
    )
    add_kernel_arguments(parser)
    parser.add_argument(
        "--nodes", metavar="FILE", help="nodes of the cluster, as kubectl get nodes -o json or -o yaml writes them"
    )
    parser.add_argument(
        "--cluster", action="append", default=[], metavar="NAME", help="only this cluster; may be given several times"
    )
    add_policy_arguments(parser)
    parser.add_argument(
        "--against", metavar="REV", help="git revision whose losses are old ones, which only --fail-on loss counts"
    )
    parser.add_argument(
        "--fail-on", action="append", choices=CONDITIONS, default=[],
        help="exit 1 on a loss, on a new loss (the default with --against), or where kernels are not known; "
        "may be given several times",
    )  # fmt: skip
    parser.add_argument("--kmm", metavar="VERSION", help="also tell what this newer KMM would refuse or do otherwise")
    parser.add_argument(
        "--preflight", metavar="DIR", help="write PreflightValidation objects for the next kernels into DIR/CLUSTER/"
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="form of the plan (default: text)")
    parser.add_argument("--output", metavar="FILE", help="write the plan there (default: stdout)")


def run(args: Namespace, console: Console) -> ExitCode:
    root = find_root(Path(args.fleet))
    console.base = prefix(as_typed(root))
    findings: list[Finding] = []
    fleet = load_with_output(root, root / OUTPUT, findings, console.progress)
    check_names(names_of(fleet), args.cluster)
    if args.preflight == "":
        raise Unusable("--preflight is empty", "give a folder")
    if args.nodes is not None:
        _take_nodes(fleet, args.nodes, args.cluster)
    revision = _revision(root, args, console)
    asked = kernels_asked(args.kernel, args.dtk)
    policies = Policies(fleet, read_choice(args.policy, args.profile), findings)
    compiled = compile_fleet(fleet, findings)
    refuse_enforced(findings, outcome="nothing was planned")
    refuse_unfit([cluster for cluster in fleet.clusters if cluster.name in (args.cluster or names_of(fleet))], asked)
    now = datetime.now(UTC)
    plan = plan_fleet(compiled, FleetJudge(policies, "check", now, RULES), asked, args.cluster)
    if revision is not None:
        _compare(plan, compiled, revision, asked, args, console)
    if args.kmm is not None:
        plan.upgrade = upgraded(compiled, findings, FleetJudge(policies, "check", now), args.kmm, args.cluster)
    del compiled, policies  # a report of a large fleet takes as much memory as its objects
    report = text(plan, console) if args.format == "text" else plan_writer(args.format)(plan, console.base)
    console.deliver(report, args.output)
    if args.preflight is not None:
        written = preflight_validations.write(plan, Path(args.preflight))
        console.say(f"{args.preflight}: {counted(written, 'PreflightValidation')} written")
    console.say(summary(plan))
    return ExitCode.FINDINGS if fails(plan, args.fail_on) else ExitCode.OK


def _revision(root: Path, args: Namespace, console: Console) -> git.Revision | None:
    """The revision to compare with: HEAD where none is named and the fleet has changed since."""
    if args.against is None and "new-loss" in args.fail_on:
        raise Unusable("--fail-on new-loss compares with a revision", "say which: --against REV")
    if args.against is not None:
        return git.revision(str(root), args.against)
    try:
        revision = git.revision(str(root), None)
        return revision if revision is not None and revision.changed(str(root)) else None
    except git.GitFailed as error:
        console.say(f"note: {error}; drivers that leave clusters are not looked for")
        return None


def _compare(
    plan: Plan, now: CompiledFleet, revision: git.Revision, asked: list[str], args: Namespace, console: Console
) -> None:
    """Mark the losses that the revision has as well, and add the drivers that leave clusters.

    The fleet of the revision is compiled in parts, none of which is kept.
    """
    plan.against = args.against or ""
    since, findings = LossesSince(now, plan, revision), list[Finding]()
    with fleet_at(now.fleet.files.root, revision, findings) as before:
        if before is not None:
            cells_of = _planner(before, asked, args)
            for part in compile_parts(before, findings, Policies(before, Choice(), findings)):
                since.add(part, cells_of)
    if plan.against:
        _say_errors(revision, findings, console, is_there=before is not None)
        mark_old_losses(plan, since.places)
    order = {} if before is None else {name: place for place, name in enumerate(names_of(before))}
    plan.lost += sorted(since.leaving, key=lambda loss: order[loss.before.group.cluster.name])


def _say_errors(revision: git.Revision, findings: list[Finding], console: Console, *, is_there: bool) -> None:
    """Say what the losses of a revision leave out."""
    if not is_there:
        console.say(f"note: at {revision.name} there is no fleet in this folder: every loss is new")
    elif refused := [finding for finding in findings if finding.mode is Mode.ENFORCE]:
        errors = counted(len(refused), "error")
        console.say(f"note: the specs at {revision.name} have {errors}; losses of objects they affect count as new")


def _planner(before: Fleet, asked: list[str], args: Namespace) -> Callable[[CompiledFleet], list[Cell]]:
    """Return what plans a part of the fleet of a revision, for the same clusters, kernels and nodes."""
    known = [name for name in args.cluster if name in names_of(before)]
    policies = Policies(before, read_choice(args.policy, args.profile), [])
    judge, wanted = FleetJudge(policies, "check", datetime.now(UTC), RULES), known or names_of(before)

    def cells_of(part: CompiledFleet) -> list[Cell]:
        if args.nodes is not None and len(wanted) == 1 and wanted[0] in names_of(part.fleet):
            _take_nodes(part.fleet, args.nodes, wanted)
        return cells_in(part, judge, asked, known) if known or not args.cluster else []

    return cells_of


def _take_nodes(fleet: Fleet, file: str, clusters: list[str]) -> None:
    """The nodes of a file in place of those that the spec of the one cluster names."""
    wanted = clusters or [cluster.name for cluster in fleet.clusters]
    if len(wanted) != 1:
        raise Unusable("--nodes is of one cluster, and the fleet has several", "say which: --cluster NAME")
    nodes = nodes_in(file)
    for index, cluster in enumerate(fleet.clusters):
        if cluster.name == wanted[0]:
            settled = in_groups(nodes, cluster.groups, cluster.next_kernels)
            fleet.clusters[index] = replace(cluster, nodes=settled, has_inventory=True, rendered_nodes=cluster.nodes)
