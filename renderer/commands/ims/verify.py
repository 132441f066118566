"""`kmodgate ims verify`: whether the running pod of `cray-ims` has its settings, and which Jobs get no pod."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.object_files import decoded
from kmodgate.renderer.check.inputs.object_inputs import read_bytes
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode, Unusable, refuse_enforced
from kmodgate.renderer.ims.rollout.expected_service import read_expected
from kmodgate.renderer.ims.rollout.given_state import read_state
from kmodgate.renderer.ims.rollout.refused_jobs import find_refused
from kmodgate.renderer.ims.rollout.rollout_answer import Answer
from kmodgate.renderer.ims.rollout.verify import verify


def add_arguments(parser: ArgumentParser) -> None:
    what = "dump of the service's namespace: pods and ConfigMaps; a file, a folder, or - for stdin"
    parser.add_argument("paths", nargs="*", metavar="FILE", help=what)
    parser.add_argument(
        "--expected", action="append", default=[], metavar="PATH",
        help="what is expected: handover/CLUSTER/cray-ims, or a file with ims-config; may be given several times",
    )  # fmt: skip
    parser.add_argument("--log", metavar="FILE", help="log of the container cray-ims")
    parser.add_argument(
        "--jobs", action="append", default=[], metavar="FILE",
        help="dump of the jobs' namespace: Jobs, pods and Events; may be given several times",
    )  # fmt: skip
    parser.add_argument("--format", choices=("text", "json"), default="text", help="form of the answer")


def run(args: Namespace, console: Console) -> ExitCode:
    if not args.paths and not args.jobs:
        fix = "kubectl -n services get pods,configmaps -o yaml > services.yaml, and give services.yaml"
        raise Unusable("verify needs a dump, or --jobs", fix)
    if not args.paths and (args.expected or args.log):
        raise Unusable("--expected and --log have no dump to compare with", "give a dump of the service's namespace")
    answer = Answer()
    if args.paths:
        expected = read_expected(args.expected) if args.expected else None
        answer = verify(read_state(args.paths), expected, _log(args.log))
    if args.jobs:
        find_refused(read_state(args.jobs), answer)
    verdict = "DIFFERS" if answer.problems else "AS EXPECTED" if answer.facts else "NOTHING COMPARED"
    console.show(answer.as_json(verdict) if args.format == "json" else answer.text(verdict))
    return ExitCode.OK if answer.facts and not answer.problems else ExitCode.FINDINGS


def _log(name: str | None) -> str | None:
    findings: list[Finding] = []
    data = None if name is None else read_bytes(name, findings)
    text = None if name is None or data is None else decoded(data, name, findings)
    refuse_enforced(findings, outcome="nothing was compared")
    return text
