"""Modules and kernels → what KMM would do, as rows for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import format_path, title
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.kmm.kernel import trimmed
from kmodgate.policy.kmm.kinds import MODULE_KINDS, SERVED
from kmodgate.policy.kmm.nodes.labels import intermediate_image, labels
from kmodgate.policy.kmm.nodes.node_selection import Verdict, verdict
from kmodgate.policy.kmm.resolution.resolution_json import as_json
from kmodgate.policy.kmm.resolution.resolve import Resolution, Unresolved, resolve, why_not
from kmodgate.renderer.fleet.clusters.nodes import node_of_group
from kmodgate.renderer.fleet.specs import NodeGroup
from kmodgate.schemas.compiled import object_schema

_HUB_MODULE = "ManagedClusterModule"

_NO_MAPPING = "kernel mapping not found"
_NO_LOADER = "it has no moduleLoader and loads nothing"


@dataclass(frozen=True, slots=True)
class Answer:
    """One Module on one kernel: its resolution, or why there is none."""

    module: dict[str, Any]
    kernel: str
    resolution: Resolution | None
    failure: str

    @property
    def name(self) -> str:
        metadata = self.module["metadata"]
        return f"{metadata.get('namespace', '')}/{metadata['name']}"

    @property
    def lost(self) -> list[str]:
        """Why each mapping before the winning one does not match; all of them where none does."""
        if not _loads(self.module):
            return []
        mappings = self.module["spec"]["moduleLoader"]["container"]["kernelMappings"]
        end = len(mappings) if self.resolution is None else self.resolution.mapping
        reasons = ((index, why_not(mapping, self.kernel)) for index, mapping in enumerate(mappings[:end]))
        return [f"mapping {index}: {reason}" for index, reason in reasons if reason]

    def as_json(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"module": self.name, "kernel": self.kernel}
        if self.resolution is None:
            return {**answer, "failed": self.failure}
        metadata, found = self.module["metadata"], self.resolution
        identity = (metadata.get("namespace", ""), metadata["name"])
        answer |= {"mapping": found.mapping, "lost": self.lost, "labels": labels(*identity, found.version)}
        if self.intermediate:
            answer["intermediateImage"] = self.intermediate
        return {**answer, "resolved": as_json(found)}

    @property
    def intermediate(self) -> str:
        """The image between build and sign, which only KMM up to 2.6 pushes; empty where there is none."""
        found, metadata = self.resolution, self.module["metadata"]
        if found is None or found.build is None or found.sign is None:
            return ""
        return intermediate_image(found.image, metadata.get("namespace", ""), metadata["name"])


def on_spokes(value: dict[str, Any]) -> dict[str, Any]:
    """Return the Module that a hub makes of a ManagedClusterModule; any other object as it is.

    The hub picks the mapping of each kernel, builds and signs; the spoke gets what comes of it.
    """
    spec = value.get("spec")
    if value.get("kind") != _HUB_MODULE or not isinstance(spec, dict):
        return value
    metadata = {**metadata_of(value), "namespace": str(spec.get("spokeNamespace", ""))}
    return {"apiVersion": SERVED["Module"][0], "kind": "Module", "metadata": metadata, "spec": spec.get("moduleSpec")}


def answers(modules: Iterable[dict[str, Any]], kernels: list[str]) -> Iterator[Answer]:
    """Every Module on every kernel, without one trailing `+`, which KMM cuts from a node's version."""
    for module in modules:
        for kernel in map(trimmed, kernels):
            yield answer(module, kernel)


def on_nodes(modules: Iterable[dict[str, Any]], groups: Iterable[NodeGroup]) -> Iterator[tuple[str, Verdict]]:
    """Name of the Module and verdict, for every Module on every node of an inventory."""
    nodes = [node_of_group(group) for group in groups]
    for module in modules:
        metadata = module["metadata"]
        name = f"{metadata.get('namespace', '')}/{metadata['name']}"
        for node in nodes:
            yield name, verdict(module, node) if _loads(module) else Verdict(node.name, None, _NO_LOADER)


def work_of(resolution: Resolution | None) -> str:
    """`prebuilt`, `build`, `sign` or `build and sign`; empty without a resolution."""
    if resolution is None:
        return ""
    return " and ".join(name for name in ("build", "sign") if getattr(resolution, name) is not None) or "prebuilt"


def plain_reason(reason: str) -> str:
    """Why nothing is loaded; KMM's own words for the usual case are about its code."""
    return "no mapping for this kernel" if reason.endswith(_NO_MAPPING) else reason


def node_lines(found: Iterable[tuple[str, Verdict]]) -> str:
    """One line a node: what it loads, or why nothing."""
    rows = [
        (name, item.node, f"mapping {item.resolution.mapping}: {item.resolution.image}")
        if item.resolution is not None and item.loads
        else (name, item.node, f"no: {item.reason}")
        for name, item in found
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    return "".join(f"{row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}\n" for row in rows)


def node_json(name: str, item: Verdict) -> dict[str, Any]:
    """A verdict for programs."""
    resolved = None if item.resolution is None else as_json(item.resolution)
    return {"module": name, "node": item.node, "loads": item.loads, "reason": item.reason, "resolved": resolved}


def answer(module: dict[str, Any], kernel: str) -> Answer:
    """One Module, with the CRD's defaults, on one kernel as it stands."""
    if not _loads(module):
        return Answer(module, kernel, None, _NO_LOADER)
    try:
        return Answer(module, kernel, resolve(module, kernel), "")
    except Unresolved as error:
        return Answer(module, kernel, None, str(error))


def why_unusable(module: object) -> str:
    """Why an object is no Module that KMM would accept; empty if it is one."""
    if not isinstance(module, dict) or module.get("kind") not in MODULE_KINDS:
        return "not a Module"
    schema = object_schema(module)
    if schema is None:
        return f"apiVersion {module.get('apiVersion')} is not that of KMM's Module"
    violation = next(iter(schema.violations(defaulted(module))), None)
    if violation is not None:
        return f"{title(module)} is not valid: {format_path(violation.path)}: {violation.message}"
    return ""


def _loads(module: dict[str, Any]) -> bool:
    """Whether a Module has a loader: one with a plugin alone loads no kernel module."""
    return bool(module.get("spec", {}).get("moduleLoader"))


def answer_line(line: str) -> str:
    """One line of a batch: `{"id", "module", "kernel"}` in, `{"id", "resolved"}` or `{"id", "failed"}` out."""
    question: Any = {}
    try:
        question = json.loads(line)
        module, kernel = question["module"], question["kernel"]
        failure = why_unusable(module) or ("" if isinstance(kernel, str) else "kernel is not a string")
    except ValueError as error:
        failure = f"not a question: not JSON: {error}"
    except KeyError as error:
        failure = f"not a question: it has no {error.args[0]}"
    except (TypeError, RecursionError):
        failure = "not a question: write {id, module, kernel}"
    head = {"id": question.get("id")} if isinstance(question, dict) else {"id": None}
    if failure:
        return json.dumps({**head, "failed": failure})
    found = answer(on_spokes(defaulted(module)), kernel)
    if found.resolution is None:
        return json.dumps({**head, "failed": found.failure})
    return json.dumps({**head, "resolved": as_json(found.resolution)})


def table(found: Iterable[Answer]) -> str:
    """One block a Module: kernels, winning mappings and images in columns, and below each why the others lost."""
    lines: list[str] = []
    for item in found:
        resolution = item.resolution
        if resolution is None:
            lines.append(f"{item.name}  {item.kernel}\n  failed: {item.failure}")
        else:
            work = work_of(resolution)
            lines.append(f"{item.name}  {item.kernel}\n  mapping {resolution.mapping}: {resolution.image}")
            lines.append("  prebuilt image" if work == "prebuilt" else f"  {work} if the image is missing")
            if item.intermediate:
                lines.append(f"  up to KMM 2.6 through {item.intermediate}")
        lines += (f"  not {reason}" for reason in item.lost)
    return "\n".join(lines) + "\n" if lines else ""
