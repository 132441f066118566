"""`kmodgate facts redact`: a dump of a cluster without what is secret in it."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from kmodgate.policy.cluster.redaction import redacted
from kmodgate.policy.findings import Finding
from kmodgate.renderer.check.inputs.object_inputs import files_below, read_objects
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode, refuse_enforced
from kmodgate.renderer.wording import counted


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=("redact",), help="what to do with the dump")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="file or folder of a dump; - is stdin")


def run(args: Namespace, console: Console) -> ExitCode:
    findings: list[Finding] = []
    lists: list[str] = []
    items = [
        redacted(source.value)
        for path in args.paths
        for name in files_below(path)
        for source in read_objects(name, findings, lists)
    ]
    refuse_enforced(findings, outcome="nothing was redacted")
    empty = {kind for kind in lists if kind != "List"} - {f"{item['kind']}List" for item in items}
    items += [{"apiVersion": "v1", "kind": kind, "items": []} for kind in sorted(empty)]  # says that there are none
    console.data(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=1) + "\n")
    secrets = sum(item.get("kind") == "Secret" for item in items)
    console.say(f"{counted(len(items) - len(empty), 'object')}, {counted(secrets, 'Secret')} redacted")
    return ExitCode.OK
