"""`kmodgate check`: what the rules say of specs, trees and Kubernetes objects."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime

from kmodgate.policy.findings import Mode
from kmodgate.renderer.check.checker import Checked, Checker
from kmodgate.renderer.check.cluster_state.cluster_dump import Scope, read_dumps, scope_of
from kmodgate.renderer.check.inputs.default_namespace import read_namespace
from kmodgate.renderer.compile.cluster_policies import add_policy_arguments, read_choice
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode
from kmodgate.renderer.ims.release_arguments import add_release_arguments, read_release
from kmodgate.renderer.report import FORMATS, writer
from kmodgate.renderer.report.findings.text import report as text_report
from kmodgate.renderer.wording import counted, listed, printable


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="*", default=["."], metavar="PATH",
        help="fleet, spec, rendered tree, or files with Kubernetes objects as YAML or JSON; - is stdin (default: here)",
    )  # fmt: skip
    add_policy_arguments(parser)
    parser.add_argument(
        "--fail-on",
        choices=("enforce", "warn"),
        default="enforce",
        help="lowest mode of a finding that fails the check",
    )
    parser.add_argument(
        "--against", metavar="REV", help="compare with this git revision (default: HEAD where a path is in git)"
    )
    parser.add_argument(
        "--ignore-other", action="store_true",
        help="pass over files without specs and without objects of a kind that has rules, as it is done below folders",
    )  # fmt: skip
    parser.add_argument(
        "--facts", metavar="[CLUSTER=]PATH", action="append", default=[],
        help="dump of a cluster, as kubectl get -A -o yaml writes it: Secrets, ConfigMaps, nodes, Modules and so on; "
        "may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--cluster", action="append", default=[], metavar="NAME", help="only this cluster; may be given several times"
    )
    parser.add_argument(
        "--namespace", "-n", metavar="NAME",
        help="namespace of objects outside fleets and trees that name none, as kubectl -n or Argo CD gives it to them",
    )  # fmt: skip
    add_release_arguments(parser, "where no Deployment cray-ims among the files tells it")
    parser.add_argument(
        "--format", choices=FORMATS, help="form of the report (default: text, or github where GITHUB_ACTIONS is set)"
    )
    parser.add_argument("--output", metavar="FILE", help="write the report there (default: stdout)")


def run(args: Namespace, console: Console) -> ExitCode:
    choice = read_choice(args.policy, args.profile)
    now = datetime.now(UTC)
    scope = scope_of(args.paths).only(args.cluster) if args.facts or args.cluster else Scope()
    dumps = read_dumps(args.facts, scope)
    only = scope.judged if args.cluster else None
    namespace = read_namespace(args.namespace)
    ims = read_release(args)
    checker = Checker(
        choice,
        now,
        args.against,
        dumps,
        only,
        ignore_other=args.ignore_other,
        namespace=namespace,
        ims_version=ims.version if ims else "",
    )
    checked = checker.check(args.paths)
    form = args.format or ("github" if os.environ.get("GITHUB_ACTIONS") == "true" else "text")
    write = writer(form) if form != "text" else lambda findings, _: text_report(findings, console)
    report = write(checked.findings, checked.policies)
    console.deliver(report, args.output, has_commands=form == "github")
    if checked.without_git:
        places = printable(listed(checked.without_git, 3))
        console.say(f"note: {places} lies in no git repository: nothing is compared with an earlier state")
    console.say(_summary(checked))
    if checked.useless:
        return ExitCode.INPUT
    failing = (Mode.ENFORCE, Mode.WARN) if args.fail_on == "warn" else (Mode.ENFORCE,)
    return ExitCode.FINDINGS if any(finding.mode in failing for finding in checked.findings) else ExitCode.OK


def _summary(checked: Checked) -> str:
    refused = sum(finding.mode is Mode.ENFORCE for finding in checked.findings)
    warned = sum(finding.mode is Mode.WARN for finding in checked.findings)
    parts = [counted(refused, "error"), counted(warned, "warning")]
    passed = f", {counted(len(checked.passed_over), 'file')} passed over" if checked.passed_over else ""
    other = f", {checked.without_rules} without rules" if checked.without_rules else ""
    return f"{counted(checked.objects, 'object')} checked{other}{passed}: {', '.join(parts)}"
