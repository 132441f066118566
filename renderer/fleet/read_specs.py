"""Documents → specs, once their schema has passed: `Any` is what JSON is, and the schema has fixed its shape."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kmodgate.policy import config_checks
from kmodgate.policy.config import read_policy
from kmodgate.policy.findings import FieldPath, Finding
from kmodgate.policy.formats.yaml_documents import Document
from kmodgate.renderer.fleet import nodes
from kmodgate.renderer.fleet.files import FleetFiles, Unreadable, resolve
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import (
    Cluster,
    ClusterSelector,
    DriverPolicy,
    KernelDriver,
    KernelVersion,
    Kmm,
    NodeGroup,
    Override,
    Removal,
    Requirement,
    Taint,
)
from kmodgate.schemas.compiled import spec_schema

_NODES = {"sno": 1, "compact": 3}
_BOTH_ROLES = {"node-role.kubernetes.io/control-plane": "", "node-role.kubernetes.io/worker": ""}

RESERVED_LABELS = ("app.kubernetes.io/managed-by", "app.kubernetes.io/name", "app.kubernetes.io/instance")
"""Set on every Module, or read by Argo CD to track what it owns."""


def read_driver(document: Document, findings: list[Finding]) -> KernelDriver:
    """A driver; labels that are not its own and overrides that change nothing go to `findings`."""
    value: Any = document.value
    spec = dict(value["spec"])
    overrides = spec.pop("overrides", [])
    for key in value["metadata"].get("labels", {}):
        if key in RESERVED_LABELS or key.startswith("argocd.argoproj.io/"):
            path: FieldPath = ("metadata", "labels", key)
            message = "would be the Module's, where it belongs to others"
            findings.append(
                finding_at(document, path, "SCH104", message, "remove it, or choose another key", at_key=True)
            )
    for index, item in enumerate(overrides):
        for problem in spec_schema("KernelDriver").unknown_nulls(item["patch"], ("spec",)):
            path = ("spec", "overrides", index, "patch", *problem.path)
            findings.append(finding_at(document, path, problem.rule, problem.message, problem.fix, at_key=True))
    return KernelDriver(
        name=value["metadata"]["name"],
        labels=value["metadata"].get("labels", {}),
        clusters=_selector(spec["clusters"]),
        overrides=tuple(Override(_selector(item["clusters"]), item["patch"]) for item in overrides),
        spec=spec,
        document=document,
    )


def read_cluster(files: FleetFiles, document: Document, findings: list[Finding]) -> Cluster:
    """A cluster with its nodes; an inventory that cannot be used goes to `findings`."""
    value: Any = document.value
    spec = value["spec"]
    kmm = spec.get("kmm")
    return Cluster(
        name=value["metadata"]["name"],
        labels=value["metadata"].get("labels", {}),
        platform=spec["platform"],
        topology=spec.get("topology", "ha"),
        kubernetes=spec.get("kubernetes", {}).get("version", ""),
        kmm=None if kmm is None else Kmm(kmm.get("version", ""), kmm.get("flavour", "upstream")),
        nodes=_of_topology(spec, _nodes(files, document, spec, findings), document, findings),
        next_kernels=tuple(KernelVersion(kernel) for kernel in spec.get("nextKernels", [])),
        document=document,
        has_inventory="inventory" in spec,
    )


def policy_of(document: Document, findings: list[Finding]) -> DriverPolicy | None:
    """The DriverPolicy of a document that its schema has passed, or None if it names rules or days that are none."""
    value: Any = document.value
    spec = value["spec"]
    found = [finding_at(document, item.path, "SCH104", item.message, item.fix) for item in config_checks.problems(spec)]
    findings += found
    if found:
        return None
    return DriverPolicy(value["metadata"]["name"], _selector(spec["clusters"]), read_policy(spec), document)


def read_removals(document: Document, findings: list[Finding], before: list[Removal]) -> list[Removal]:
    """Return the entries of a document of removals.yaml; a second entry for the same Module goes to `findings`.

    `before` are the entries of the documents before it.
    """
    value: Any = document.value
    first = {entry.key: entry for entry in before}
    for index, item in enumerate(value["spec"]["removals"]):
        entry = Removal(
            item["cluster"], item["namespace"], item["name"], item["digest"], item.get("reason", ""), document, index
        )
        other = first.setdefault(entry.key, entry)
        if other is not entry:
            line = other.document.position(other.path)[0]
            message = f"Module {entry.namespace}/{entry.name} on {entry.cluster} has an entry already, on line {line}"
            findings.append(finding_at(document, entry.path, "SCH105", message, "remove one of the two"))
    return [entry for entry in first.values() if entry.document is document]


def _selector(value: Any) -> ClusterSelector:
    return ClusterSelector(
        names=tuple(value["names"]) if "names" in value else None,
        labels=tuple(value.get("matchLabels", {}).items()),
        requirements=tuple(
            Requirement(item["key"], item["operator"], tuple(item.get("values", ())))
            for item in value.get("matchExpressions", ())
        ),
    )


def _nodes(files: FleetFiles, document: Document, spec: Any, findings: list[Finding]) -> tuple[NodeGroup, ...]:
    if "inventory" not in spec:
        return tuple(_node_group(group) for group in spec.get("nodeGroups", ()))
    try:
        return nodes.read_nodes(files.bytes(resolve(document.file, spec["inventory"]), limit=nodes.MAX_BYTES))
    except Unreadable as error:
        findings.append(
            finding_at(document, ("spec", "inventory"), "REF003", f"{spec['inventory']} {error.message}", error.fix)
        )
        return ()


def _of_topology(
    spec: Any, nodes: tuple[NodeGroup, ...], document: Document, findings: list[Finding]
) -> tuple[NodeGroup, ...]:
    """The nodes with what the topology says of them: on all but `ha` every node is worker and control plane."""
    topology = spec.get("topology", "ha")
    if topology == "ha":
        return nodes
    if not nodes and "inventory" not in spec:
        nodes = (NodeGroup("nodes", _NODES[topology], {}, (), (), "", False),)
    count = sum(group.count for group in nodes)
    if topology == "sno" and count > 1:
        place = "inventory" if "inventory" in spec else "nodeGroups"
        fix = "make it one node, or give the topology: compact or ha"
        findings.append(
            finding_at(
                document, ("spec", place), "SCH104", f"topology sno is a single node, and these are {count}", fix
            )
        )
    return tuple(replace(group, labels={**_BOTH_ROLES, **group.labels}) for group in nodes)


def _node_group(group: Any) -> NodeGroup:
    return NodeGroup(
        name=group["name"],
        count=group.get("count", 1),
        labels=group.get("labels", {}),
        taints=tuple(Taint(taint["key"], taint.get("value", ""), taint["effect"]) for taint in group.get("taints", ())),
        kernels=tuple(KernelVersion(kernel) for kernel in group.get("kernels", ())),
        architecture=group.get("architecture", ""),
        secure_boot=group.get("secureBoot", False),
    )
