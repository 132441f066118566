"""`kmodgate policy approve`: what a DriverPolicy has to approve so that what runs in a cluster goes on."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.config import PLATFORMS
from kmodgate.policy.findings import Finding
from kmodgate.renderer.check.approvals import approvals, as_yaml, holds_workloads
from kmodgate.renderer.check.inputs.object_inputs import files_below, read_objects
from kmodgate.renderer.compile.cluster_policies import add_policy_arguments, read_choice
from kmodgate.renderer.compile.policy_config_map import NAMESPACE
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode, Unusable, refuse_enforced
from kmodgate.renderer.wording import counted

_KINDS = "daemonsets,deployments,statefulsets,replicasets,replicationcontrollers,jobs,cronjobs,pods,runtimeclasses"
_DUMP = f"kubectl get {_KINDS}"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=("approve",), help="print the approvals that a cluster needs")
    parser.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="DUMP",
        help=f"dump of the cluster, - is stdin: {_DUMP} -A -o yaml",
    )
    add_policy_arguments(parser)
    parser.add_argument(
        "--platform", choices=sorted(PLATFORMS), default="kubernetes",
        help="openshift: its own namespaces and accounts are left to it (default: kubernetes)",
    )  # fmt: skip


def run(args: Namespace, console: Console) -> ExitCode:
    choice = read_choice(args.policy, args.profile)
    findings: list[Finding] = []
    lists: list[str] = []
    dump = Dump()
    for name in files_below(args.source):
        dump.add(read_objects(name, findings, lists), lists)
    refuse_enforced(findings, outcome="nothing was printed")
    if not holds_workloads(dump):
        raise Unusable(f"--from {args.source}: holds no workloads", f"dump them: {_DUMP} -A -o yaml")
    found = approvals(dump, choice.fallback, args.platform, NAMESPACE)
    console.data(as_yaml(found, args.source))
    workloads = counted(sum(len(item.workloads) for item in found), "workload")
    console.say(f"{counted(len(found), 'ServiceAccount')} for {workloads}; nothing was written")
    return ExitCode.OK
