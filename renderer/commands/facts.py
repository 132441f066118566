"""`kmodgate facts redact`: a dump of a cluster without what is secret in it."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from dataclasses import replace

from kmodgate.policy.cluster.redaction import redacted
from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.object_files import Source
from kmodgate.renderer.check.inputs.object_inputs import WRITES_A_LIST, files_below, read_objects
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode, Unusable, refuse_enforced
from kmodgate.renderer.wording import counted


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=("redact",), help="what to do with the dump")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="file or folder of a dump; - is stdin")


def run(args: Namespace, console: Console) -> ExitCode:
    findings: list[Finding] = []
    lists: list[str] = []
    sources = [
        replace(source, value=redacted(source.value))
        for path in args.paths
        for name in files_below(path)
        for source in read_objects(name, findings, lists)
    ]
    refuse_enforced(findings, outcome="nothing was redacted")
    if not (sources or lists):
        raise Unusable(f"{', '.join(args.paths)}: holds no object", WRITES_A_LIST)
    console.data(_dump(sources, lists))
    secrets = sum(source.value["kind"] == "Secret" for source in sources)
    console.say(f"{counted(len(sources), 'object')}, {counted(secrets, 'Secret')} redacted")
    return ExitCode.OK


def _dump(sources: Iterable[Source], lists: Iterable[str]) -> str:
    """A List of what stood in Lists, by which others are known not to exist; then the objects outside of Lists."""
    listed = [source.value for source in sources if source.is_listed]
    empty = {kind for kind in lists if kind != "List"} - {f"{item['kind']}List" for item in listed}
    items = [*listed, *({"apiVersion": "v1", "kind": kind, "items": []} for kind in sorted(empty))]
    whole = [{"apiVersion": "v1", "kind": "List", "items": items}] if items or lists else []
    documents = [*whole, *(source.value for source in sources if not source.is_listed)]
    return "---\n".join(json.dumps(item, indent=1) + "\n" for item in documents)
