"""`kmodgate explain`: which line of a spec decides a field of a rendered object, and what a node loads and why."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kmodgate.policy.findings import Finding, format_path
from kmodgate.policy.formats.yaml_documents import MAX_BYTES, parse
from kmodgate.policy.kmm.nodes.node_selection import Node, why_not_selected
from kmodgate.policy.kmm.versions import Release
from kmodgate.policy.views.boot_config import boot_config
from kmodgate.renderer.compile.cluster_policies import Choice, Policies
from kmodgate.renderer.compile.compiler import CompiledFleet, compile_fleet
from kmodgate.renderer.console import Console
from kmodgate.renderer.deliveries.boot.objects import cluster_of
from kmodgate.renderer.deliveries.delivery import driver_of, loads_something
from kmodgate.renderer.errors import ExitCode, Unusable, refuse_enforced
from kmodgate.renderer.explain.absent_drivers import Absence, not_selected_by
from kmodgate.renderer.explain.field_origins import (
    Answer,
    Missing,
    Subject,
    absent,
    explain_all,
    nodes_named,
    subjects,
)
from kmodgate.renderer.explain.same_names import say_what_else
from kmodgate.renderer.fleet.clusters.cluster_selectors import check_names
from kmodgate.renderer.fleet.clusters.pools import is_in_pool
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.files import OUTPUT
from kmodgate.renderer.fleet.fleet import names_of
from kmodgate.renderer.fleet.root import as_typed, find_root, prefix
from kmodgate.renderer.fleet.specs import Cluster, NodeGroup
from kmodgate.renderer.judge.fleet_judge import FleetJudge
from kmodgate.renderer.local_files.reading import read_regular
from kmodgate.renderer.plan.coverage import Cell, Group, Module, Resolver, cells_of, groups_of, modules_of
from kmodgate.renderer.plan.failures import with_failures
from kmodgate.renderer.report.explain_text import absence_text, node_text, object_text
from kmodgate.renderer.tree.stray_specs import load_with_output
from kmodgate.renderer.wording import counted


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "object", metavar="OBJECT",
        help="KIND/NAME, KIND/NAMESPACE/NAME, the name of a driver for its Module, a rendered file, "
        "or with --cluster the name of a node or node group",
    )  # fmt: skip
    parser.add_argument(
        "field", nargs="?", default="", metavar="FIELD", help="field, as spec.items[0].name (default: all)"
    )
    parser.add_argument(
        "--fleet", default=".", metavar="DIR", help="folder of the fleet, or one below it (default: here)"
    )
    parser.add_argument("--cluster", metavar="NAME", help="only on this cluster")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="form of the answer (default: text)")


def run(args: Namespace, console: Console) -> ExitCode:
    is_file = args.object.endswith((".yaml", ".yml"))
    if is_file and not Path(args.object).is_file():
        raise Unusable(f"{args.object}: there is no such file", "render first, or give KIND/NAME")
    root = find_root(Path(args.object).parent if is_file else Path(args.fleet))
    console.base = prefix(as_typed(root))
    findings: list[Finding] = []
    fleet = load_with_output(root, root / OUTPUT, findings, console.progress)
    found = compile_fleet(fleet, findings, Policies(fleet, Choice(), findings))
    refuse_enforced(findings, outcome="nothing was explained")
    name, cluster = _of_file(root, Path(args.object)) if is_file else (args.object, args.cluster)
    check_names(names_of(fleet), [cluster] if cluster else [])
    if _is_node(found, name, cluster, args.field):
        say_what_else(found, name, cluster, console.say, is_node=True)
        console.show(_node(found, str(cluster), name.removeprefix("node/"), args.format, console))
        return ExitCode.OK
    answers = explain_all(subjects(found, name, cluster), args.field)
    absences = absent(found, name, cluster)
    say_what_else(found, name, cluster, console.say, is_node=False)
    if args.format == "json":
        rows = [_json(*answer, console.base) for answer in answers]
        rows += [_absence_json(item, console.base) for item in absences]
        console.show(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    else:
        texts = [object_text(*answer, console) for answer in answers]
        console.show("\n".join([*texts, *(absence_text(item, console) for item in absences)]))
    return ExitCode.OK


def _is_node(found: CompiledFleet, name: str, cluster: str | None, field: str) -> bool:
    """Whether the question is about nodes and not about an object: a field is always an object's."""
    is_named = name.startswith("node/")
    if is_named and (field or not cluster):
        fix = "leave the field out" if field else "say on which cluster: --cluster NAME"
        raise Unusable(f"{name}: nodes are explained as a whole, on one cluster", fix)
    return bool(cluster and not field and any(nodes_named(found, cluster, name.removeprefix("node/"))))


def _of_file(root: Path, path: Path) -> tuple[str, str]:
    """The object in a rendered file, and its cluster."""
    try:
        below = path.resolve().relative_to(root.resolve()).parts
        documents, _ = parse(read_regular(path, MAX_BYTES).decode(), str(path))
        value: Any = documents[0].value
        metadata = value["metadata"]
        names = [str(value["kind"]), *([str(metadata["namespace"])] if "namespace" in metadata else [])]
        name = "/".join([*names, str(metadata["name"])])
    except (OSError, ValueError, LookupError, TypeError):
        raise Unusable(f"{path}: holds no rendered object", "give a file below rendered/, or KIND/NAME") from None
    if len(below) < 3 or below[0] != OUTPUT:
        raise Unusable(f"{path}: is not below {OUTPUT}/", "give a rendered file, or KIND/NAME")
    return name, below[1]


def _json(subject: Subject, found: Answer, base: str) -> dict[str, Any]:
    head: dict[str, Any] = {"object": str(subject.manifest.identity), "clusters": list(subject.clusters)}
    if isinstance(found, Missing):
        taken = found.taken_by
        place = taken and _place(taken, base)
        return {**head, "fields": [], "missing": format_path(found.path), "takenAwayBy": place}
    fields = [
        {
            "field": format_path(item.path),
            "value": item.value,
            "source": item.origin.source,
            "why": item.why,
            "file": f"{base}{item.origin.file}",
            "line": item.origin.line,
            "column": item.origin.column,
            "specField": format_path(item.origin.path),
            **({"mirror": _place(item.mirror, base)} if item.mirror else {}),
        }
        for item in found
    ]
    return {**head, "fields": fields}


def _absence_json(absence: Absence, base: str) -> dict[str, Any]:
    head: dict[str, Any] = {"object": absence.title, "clusters": list(absence.clusters)}
    return {**head, "fields": [], "absentBy": _place(absence.origin, base)}


def _place(origin: Origin, base: str) -> dict[str, Any]:
    return {"file": f"{base}{origin.file}", "line": origin.line, "specField": format_path(origin.path)}


def _node(found: CompiledFleet, cluster: str, name: str, form: str, console: Console) -> str:
    [(place, modules)] = modules_of(found, [cluster])
    nodes = next(item for item in place.nodes if item.name == name)
    [group] = groups_of(replace(place, nodes=(nodes,)), modules)
    cells = _cells(found, place, group, modules)
    shown = {cell.module for cell in cells}
    others = [*_others(found, cluster, group.node, [module for module in modules if module not in shown])]
    booted = [*_at_boot(found, place, nodes)]
    if form == "json":
        rows: list[dict[str, Any]] = [
            {"module": cell.module.name, "kernel": cell.kernel, "phase": cell.phase, "loads": cell.loads,
             "mapping": cell.mapping, "image": cell.resolution.image if cell.resolution else "", "reason": cell.reason,
             "waitsFor": cell.waits_for}
            for cell in cells
        ]  # fmt: skip
        rows += ({"object": title, "atBoot": True, "loads": True, "image": image} for title, image in booted)
        rest = [{"module": title, "loads": False, "reason": why} for title, why in others]
        return json.dumps([*rows, *rest], indent=1, ensure_ascii=False) + "\n"
    title = f"{name} of {cluster}: {counted(nodes.count, 'node')}"
    return node_text(title, cells, booted, others, console)


def _cells(found: CompiledFleet, cluster: Cluster, group: Group, modules: Iterable[Module]) -> list[Cell]:
    """What some nodes load; KMM may fail at a Module for the kernel of other nodes of the cluster."""
    others = tuple(item for item in cluster.nodes if item.name not in group.names)
    groups = [group, *groups_of(replace(cluster, nodes=others), modules)]
    judge = FleetJudge(Policies(found.fleet, Choice(), []), "check", datetime.now(UTC))
    resolver = Resolver()
    cells = [
        cell
        for module in modules
        for item in groups
        for cell in cells_of(module, item, (), resolver, judge.refuses_unsigned)
    ]
    return [cell for cell in with_failures(cells, cluster.release or Release()) if cell.group is group]


def _at_boot(found: CompiledFleet, cluster: Cluster, nodes: NodeGroup) -> Iterator[tuple[str, str]]:
    """The objects by which nodes load something at boot, each with the image for the first of their kernels."""
    kernel = nodes.kernels[0] if nodes.kernels else "<kernel>"
    for name, placed in found.placed.items():
        for _, manifest in placed:
            config = boot_config(manifest.value)
            is_there = (cluster_of(manifest.value) or name) == cluster.name
            if config is not None and is_there and is_in_pool(cluster, nodes, config.pool):
                yield f"{config.module}, by {manifest.identity}", config.for_kernel(kernel)


def _others(found: CompiledFleet, cluster: str, node: Node, modules: Iterable[Module]) -> Iterator[tuple[str, str]]:
    """Modules of the cluster that do not select the nodes, and drivers that do not go to the cluster."""
    for module in modules:
        yield module.name, why_not_selected(module.value, node) or "no kernel of the nodes is known"
    for identity, manifest in found.objects(cluster).items():
        if driver_of(manifest.value) and not (loads_something(manifest) or boot_config(manifest.value)):
            yield (
                f"{identity.namespace}/{identity.name}",
                "it has no moduleLoader: its plugin runs, and nothing is loaded",
            )
    here = {target.variant.driver.name: target for target in found.targets if target.cluster.name == cluster}
    for driver in found.fleet.drivers:
        if path := not_selected_by(found, driver.name, cluster):
            yield f"driver {driver.name}", f"its {format_path(path)} does not select this cluster"
        elif driver.name in here and here[driver.name].is_absent:
            yield f"driver {driver.name}", "its spec says state: absent"
