"""`kmodgate resolve`: what KMM would do with a Module on a kernel."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from typing import Any

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.yaml_documents import MAX_BYTES, Json
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.kmm.kinds import MODULE_KINDS
from kmodgate.renderer.check.inputs.object_inputs import read_objects
from kmodgate.renderer.console import Console
from kmodgate.renderer.deliveries.daemonset.module_view import module_of
from kmodgate.renderer.deliveries.delivery import driver_label
from kmodgate.renderer.errors import ExitCode, Unusable, refuse_enforced
from kmodgate.renderer.fleet.clusters.nodes import nodes_in
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.local_files.reading import read_given
from kmodgate.renderer.manifests.emit_yaml import emit
from kmodgate.renderer.plan.resolutions import (
    answer_line,
    answers,
    node_json,
    node_lines,
    on_nodes,
    on_spokes,
    table,
    why_unusable,
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="file with Modules as YAML or JSON; - is stdin")
    parser.add_argument("--kernel", action="append", default=[], metavar="K", help="kernel version; may be repeated")
    parser.add_argument("--kernels-from", metavar="FILE", help="file with one kernel version a line")
    parser.add_argument("--nodes", metavar="FILE", help="nodes, as kubectl get nodes -o json or -o yaml writes them")
    parser.add_argument("--format", choices=("table", "json", "yaml"), default="table", help="form of the answers")
    parser.add_argument("--jsonl", action="store_true", help="answer lines of {id, module, kernel} from stdin")


def run(args: Namespace, console: Console) -> ExitCode:
    if args.jsonl:
        for line in sys.stdin:
            if line.strip():
                console.show(answer_line(line) + "\n")
                console.finish()  # whoever asks may wait for each answer
        return ExitCode.OK
    kernels = [*args.kernel, *_kernels(args.kernels_from)]
    if not args.modules or bool(kernels) is (args.nodes is not None):
        fix = "give files, and either --kernel and --kernels-from, or --nodes; or --jsonl alone"
        raise Unusable("resolve needs Modules, and either kernels or nodes", fix)
    wrong: list[str] = []
    modules = [module for name in args.modules for module in _modules(name, wrong)]
    if not modules and not wrong:
        console.say("0 Modules")
    if modules or not wrong:
        _answer(modules, kernels, args, console)
    if wrong:
        raise Unusable("; ".join(wrong), "correct the Module; the others are answered")
    return ExitCode.OK


def _answer(modules: list[dict[str, Any]], kernels: list[str], args: Namespace, console: Console) -> None:
    if args.nodes is not None:
        verdicts = list(on_nodes(modules, nodes_in(args.nodes)))
        rows: list[Json] = [node_json(*item) for item in verdicts]
        text = node_lines(verdicts)
    else:
        found = list(answers(modules, kernels))
        rows, text = [item.as_json() for item in found], table(found)
    if args.format == "table":
        console.show(text)
    elif args.format == "json":
        console.show(json.dumps(rows, indent=2) + "\n")
    else:
        console.data(emit(rows))


def _modules(name: str, wrong: list[str]) -> list[dict[str, Any]]:
    """The Modules of a file with the CRD's defaults; other kinds are passed over.

    What makes a Module unusable goes to `wrong`. Raises Unusable for a file without Modules that is no empty List.
    """
    findings: list[Finding] = []
    lists: list[str] = []
    sources = list(read_objects(name, findings, lists))
    modules = [source.value for source in sources if source.value["kind"] in MODULE_KINDS]
    by_daemon_sets = _by_daemon_sets(source.value for source in sources)
    refuse_enforced(findings, outcome="nothing was resolved")
    if not (modules or by_daemon_sets) and (sources or not lists):
        raise Unusable(f"{name}: no Module in it", "give a rendered Module, or what kubectl get modules -o yaml writes")
    reasons = [why_unusable(module) for module in modules]
    wrong += (f"{name}: {reason}" for reason in reasons if reason)
    usable = [on_spokes(defaulted(module)) for module, reason in zip(modules, reasons, strict=True) if not reason]
    return [*usable, *by_daemon_sets]


def _by_daemon_sets(values: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The drivers that rendered DaemonSets load, each as the Module that loads the same."""
    found: dict[tuple[str, str], list[JsonMap]] = {}
    for value in values:
        if value["kind"] == "DaemonSet" and (driver := driver_label(value)):
            found.setdefault((str(metadata_of(value).get("namespace", "")), driver), []).append(value)
    return [module_of(items) for items in found.values()]


def _kernels(name: str | None) -> list[str]:
    if name is None:
        return []
    try:
        lines = [line.partition("#")[0].strip() for line in read_given(name, MAX_BYTES).decode().splitlines()]
        return [line for line in lines if line]
    except (OSError, ValueError) as error:
        raise Unusable(f"{name}: cannot be read: {error}", "give a text file, one kernel version a line") from None
