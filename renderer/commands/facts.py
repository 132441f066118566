"""`kmodgate facts redact`: a dump of a cluster without what is secret in it."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from policy.dump import redacted
from policy.findings import Finding
from renderer.console import Console
from renderer.errors import ExitCode, refuse_enforced
from renderer.objects import files_below, read_objects
from renderer.wording import counted


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=("redact",), help="what to do with the dump")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="file or folder of a dump; - is stdin")


def run(args: Namespace, console: Console) -> ExitCode:
    findings: list[Finding] = []
    items = [
        redacted(source.value)
        for path in args.paths
        for name in files_below(path)
        for source in read_objects(name, findings)
    ]
    refuse_enforced(findings, outcome="nothing was redacted")
    console.data(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=1) + "\n")
    secrets = sum(item.get("kind") == "Secret" for item in items)
    console.say(f"{counted(len(items), 'object')}, {counted(secrets, 'Secret')} redacted")
    return ExitCode.OK
