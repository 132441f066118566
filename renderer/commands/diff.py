"""`kmodgate diff`: what a change of the specs does to objects, and to nodes."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path

from kmodgate.policy.findings import Finding, Mode
from kmodgate.renderer import git
from kmodgate.renderer.compile.cluster_policies import Choice, Policies
from kmodgate.renderer.compile.compiler import CompiledFleet, compile_fleet
from kmodgate.renderer.compile.git_revision import compile_revision
from kmodgate.renderer.console import Console
from kmodgate.renderer.diff.compare_fleets import compare_fleets
from kmodgate.renderer.diff.effects.affected import Refusals
from kmodgate.renderer.diff.exit_conditions import condition
from kmodgate.renderer.errors import ExitCode, Unusable, refuse_enforced
from kmodgate.renderer.fleet.clusters.cluster_selectors import check_names
from kmodgate.renderer.fleet.files import OUTPUT
from kmodgate.renderer.fleet.root import as_typed, find_root, prefix
from kmodgate.renderer.judge.fleet_judge import FleetJudge
from kmodgate.renderer.report import diff_writer
from kmodgate.renderer.report.diff.text import text
from kmodgate.renderer.tree.stray_specs import load_with_output
from kmodgate.renderer.wording import counted

FORMATS = ("text", "markdown", "json", "html")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "fleet", nargs="?", default=".", metavar="FLEET", help="folder of the fleet, or one below it (default: here)"
    )
    parser.add_argument(
        "--against", metavar="REV", help="git revision to compare with: a branch, a tag, a commit (default: HEAD)"
    )
    parser.add_argument(
        "--cluster", action="append", default=[], metavar="NAME", help="only this cluster; may be given several times"
    )
    parser.add_argument(
        "--fail-on", action="append", default=[], metavar="unload|reload|build|nodes=N",
        help="exit 1 if the change does that, or something on N nodes or more; may be given several times",
    )  # fmt: skip
    parser.add_argument("--format", choices=FORMATS, default="text", help="form of the report (default: text)")
    parser.add_argument("--output", metavar="FILE", help="write the report there (default: stdout)")


def run(args: Namespace, console: Console) -> ExitCode:
    conditions = [condition(text) for text in args.fail_on]
    root = find_root(Path(args.fleet))
    console.base = prefix(as_typed(root))
    revision = git.revision(str(root), args.against)
    if revision is None:
        fix = "put the fleet under git, commit it, and change it then"
        raise Unusable(f"{root}: there is no commit to compare with", fix)
    findings: list[Finding] = []
    fleet = load_with_output(root, root / OUTPUT, findings, console.progress)
    policies = Policies(fleet, Choice(), findings)
    now = compile_fleet(fleet, findings, policies)
    refuse_enforced(findings, outcome="nothing was compared")
    were: list[Finding] = []
    before = compile_revision(root, revision, were)
    if errors := [finding for finding in were if finding.mode is Mode.ENFORCE]:
        console.say(
            f"note: the specs at {revision.name} have {counted(len(errors), 'error')}: what they spoil is missing"
        )
    if before is None:
        console.say(f"note: at {revision.name} there is no fleet in this folder: everything is new")
    sides = [side.fleet for side in (before, now) if side]
    check_names({cluster.name for side in sides for cluster in side.clusters}, args.cluster)
    found = compare_fleets(before, now, _refusals(before, policies), args.cluster)
    report = text(found, console) if args.format == "text" else diff_writer(args.format)(found, console.base)
    console.deliver(report, args.output)
    console.say(f"against {revision.name}: {found.summary}")
    met = [(item.name, reason) for item in conditions for reason in item.met_by(found.consequences)]
    for name, reason in met:
        console.say(f"--fail-on {name}: {reason}")
    return ExitCode.FINDINGS if met else ExitCode.OK


def _refusals(before: CompiledFleet | None, policies: Policies) -> Refusals:
    """Whether Secure Boot counts against Modules without `sign`, by the policies of both sides."""
    now = datetime.now(UTC)
    after = FleetJudge(policies, "check", now).refuses_unsigned
    if before is None:
        return Refusals(after=after)
    return Refusals(FleetJudge(Policies(before.fleet, Choice(), []), "check", now).refuses_unsigned, after)
