"""`kmodgate ims decide`: where a job of IMS runs, and why; for one job, or for lines of JSON."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace

from kmodgate.policy.ims import settings
from kmodgate.policy.ims.questions.expressions import resolved
from kmodgate.policy.ims.questions.question import Question
from kmodgate.policy.ims.service.requests import JobType
from kmodgate.policy.ims.versions import ImsRelease
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode, Unusable
from kmodgate.renderer.ims import decision_lines, decision_text
from kmodgate.renderer.ims.config_files import GivenConfig, read_cfs, read_config
from kmodgate.renderer.ims.given_expressions import expression_note, refuse_undecided
from kmodgate.renderer.ims.release_arguments import add_release_arguments, read_release

_BOOLEANS = {"true": True, "false": False}


def add_arguments(parser: ArgumentParser) -> None:
    add_release_arguments(parser, "whose decision it is")
    what = "ims-config: a ConfigMap, a List or plain data; - is stdin (default: the values of the release's chart)"
    parser.add_argument("--config", metavar="FILE", help=what)
    parser.add_argument("--type", choices=("create", "customize"), help="type of the job")
    parser.add_argument("--arch", choices=("x86_64", "aarch64"), help="of the recipe or image (default: x86_64)")
    parser.add_argument("--request-dkms", choices=_BOOLEANS, help="require_dkms in the request (default: not in it)")
    parser.add_argument("--recipe-dkms", choices=_BOOLEANS, help="require_dkms of the recipe (default: the release's)")
    parser.add_argument("--cfs", metavar="FILE", help="configuration of CFS whose session customizes the image")
    parser.add_argument("--remote", action="store_true", help="a remote build node can take the job")
    parser.add_argument("--jsonl", action="store_true", help="answer lines of JSON on stdin instead, one line each")
    parser.add_argument("--format", choices=("text", "json"), help="form of the answer (default: text)")


def run(args: Namespace, console: Console) -> ExitCode:
    if args.jsonl:
        _refuse_options_with_lines(args)
        return _lines(console)
    question, given = _question(args)
    decision = question.answer()
    if args.format == "json":
        console.show(json.dumps({"id": None, **decision.as_line()}, indent=2) + "\n")
    else:
        console.show(decision_text.text(question, decision, given))
    return ExitCode.OK if decision.risk in ("vm", "remote") else ExitCode.FINDINGS


def _lines(console: Console) -> ExitCode:
    code, count = ExitCode.OK, 0
    for answer, is_answered in decision_lines.answers(sys.stdin.buffer):
        console.show(json.dumps(answer) + "\n")
        count += 1
        if not is_answered:
            code = ExitCode.INPUT
    if not count:
        raise Unusable("stdin has no line", "give lines of JSON, each with an id and inputs")
    return code


def _refuse_options_with_lines(args: Namespace) -> None:
    names = ("csm", "ims_version", "config", "type", "arch", "request_dkms", "recipe_dkms", "cfs", "remote", "format")
    for name in names:
        if getattr(args, name):
            raise Unusable(f"--jsonl and --{name.replace('_', '-')} exclude each other", "say it in each line")


def _question(args: Namespace) -> tuple[Question, list[str]]:
    """Return what is asked, and in words where its ims-config comes from."""
    release = read_release(args)
    if release is None:
        raise Unusable("the release is missing", "add --csm 1.6.0, or --ims-version 3.20.0")
    _refuse_contradictions(args, release)
    job_type: JobType = "customize" if args.cfs and not args.type else args.type
    if not job_type:
        raise Unusable("the type of the job is missing", "add --type create or --type customize")
    request = _BOOLEANS.get(args.request_dkms)
    if args.cfs:
        configurations = read_cfs(args.cfs)
        if len(configurations) != 1:
            fix = "give the one that is meant: cray cfs configurations describe NAME --format json"
            raise Unusable(f"{args.cfs}: holds {len(configurations)} configurations", fix)
        # CFS of releases without the field sends none.
        request = None if release.only_ims_config_decides else configurations[0].request
    chart = settings.chart_values(release)
    config = read_config(args.config) if args.config else GivenConfig(chart)
    question = Question(
        release,
        resolved(config.texts, config.unknown, release),
        job_type,
        args.arch or "x86_64",
        request,
        _BOOLEANS.get(args.recipe_dkms),
        is_remote=args.remote,
    )
    refuse_undecided([question], config.unknown, args.config)
    place = args.config or f"none was given: values of the chart of {release}"
    given = [place, config.note, expression_note(config.unknown)]
    return question, [line for line in given if line]


def _refuse_contradictions(args: Namespace, release: ImsRelease) -> None:
    if args.cfs and args.type == "create":
        raise Unusable("--cfs is for customize jobs: CFS starts no other", "leave --type create out, or --cfs")
    if args.cfs and args.request_dkms:
        raise Unusable("--cfs and --request-dkms exclude each other", "give one: the configuration makes the request")
    if args.recipe_dkms and (args.cfs or args.type == "customize"):
        raise Unusable("--recipe-dkms is for create jobs: a customize job has an image", "leave it out")
    if release.only_ims_config_decides and args.recipe_dkms:
        raise Unusable(f"--recipe-dkms: recipes of {release} have no require_dkms", "leave it out")
    if release.only_ims_config_decides and args.arch == "aarch64":
        raise Unusable(f"--arch: {release} knows x86_64 alone", "leave it out")
    if args.remote and not release.has_remote_nodes:
        raise Unusable(f"--remote: {release} has no remote build nodes", "leave it out")
