"""Documents of kind Cluster → clusters with their nodes, once their schema has passed: `Any` is what JSON is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kmodgate.policy.findings import FieldPath, Finding
from kmodgate.policy.formats.image_mirrors import Mirror
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.formats.yaml_documents import MAX_BYTES, Document
from kmodgate.policy.kmm.nodes.driver_toolkit import kernels_of
from kmodgate.renderer.fleet.clusters import nodes
from kmodgate.renderer.fleet.clusters.read_operator import read_kmm
from kmodgate.renderer.fleet.files import FleetFiles, Unreadable, resolve
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import (
    Acm,
    ArgoCd,
    Cluster,
    Hosted,
    KernelVersion,
    NextKernel,
    NodeGroup,
    Taint,
)

_RELEASE_FILE_FIX = "copy /etc/driver-toolkit-release.json out of the driver-toolkit image of the release"
_NODES = {"sno": 1, "compact": 3, "microshift": 1}
_BOTH_ROLES = {"node-role.kubernetes.io/control-plane": "", "node-role.kubernetes.io/worker": ""}


def read_cluster(files: FleetFiles, document: Document, findings: list[Finding]) -> Cluster:
    """A cluster with its nodes; an inventory that cannot be used goes to `findings`."""
    value: Any = document.value
    spec = value["spec"]
    kmm = spec.get("kmm")
    next_kernels = _next_kernels(files, document, ("spec", "nextKernels"), spec, findings)
    groups = tuple(_groups(files, document, next_kernels, findings))
    found = _of_topology(spec, _nodes(files, document, groups, findings), next_kernels, document, findings)
    return Cluster(
        name=value["metadata"]["name"],
        labels=value["metadata"].get("labels", {}),
        platform=spec["platform"],
        topology=spec.get("topology", "ha"),
        kubernetes=spec.get("kubernetes", {}).get("version", ""),
        kmm=None if kmm is None else read_kmm(kmm),
        nodes=nodes.in_groups(found, groups, next_kernels) if "inventory" in spec else found,
        groups=groups,
        next_kernels=next_kernels,
        document=document,
        has_inventory="inventory" in spec,
        mirrors=tuple(_mirror(item) for item in spec.get("mirrors", ())),
        mirror_objects=spec.get("mirrorObjects", False),
        argocd=_argocd(spec["argocd"], spec["platform"]) if "argocd" in spec else None,
        server=spec.get("server", ""),
        kubectl_image=spec.get("tools", {}).get("kubectl", ""),
        acm=_acm(spec["acm"]) if "acm" in spec else None,
        hosted=Hosted(**spec["hosted"]) if "hosted" in spec else None,
        is_managed=spec.get("managed", False),
        worker_image=spec.get("tools", {}).get("worker", ""),
    )


def _acm(spec: Any) -> Acm:
    found = Acm(spec["role"], spec.get("hub", ""))
    return replace(found, agent_namespace=spec["agentNamespace"]) if "agentNamespace" in spec else found


def _argocd(spec: Any, platform: str) -> ArgoCd:
    return ArgoCd(
        spec["repoURL"],
        spec.get("revision", "refs/heads/main"),
        spec.get("path", "rendered"),
        spec.get("namespace", "openshift-gitops" if platform == "openshift" else "argocd"),
        spec.get("project", "kmodgate"),
        spec.get("kind") == "ApplicationSet",
    )


def _mirror(item: Any) -> Mirror:
    policy = item.get("mirrorSourcePolicy", "AllowContactingSource")
    return Mirror(item["source"], item["mirror"], item["type"], policy)


def _next_kernels(
    files: FleetFiles, document: Document, path: FieldPath, holder: Any, findings: list[Finding]
) -> tuple[NextKernel, ...]:
    """The kernels of a list of versions and release files; a file that cannot be used goes to `findings`."""
    found: list[NextKernel] = []
    for index, item in enumerate(holder.get("nextKernels", ())):
        if isinstance(item, str):
            found.append(NextKernel(KernelVersion(item), (*path, index)))
            continue
        place: FieldPath = (*path, index, "dtk")
        try:
            data = files.bytes(resolve(document.file, item["dtk"]), limit=MAX_BYTES)
            found += (NextKernel(KernelVersion(kernel), place) for kernel in kernels_of(data))
        except Unreadable as error:
            findings.append(finding_at(document, place, "REF003", f"{item['dtk']} {error.message}", error.fix))
        except ValueError as error:
            findings.append(finding_at(document, place, "REF003", f"{item['dtk']} {error}", _RELEASE_FILE_FIX))
    return tuple(found)


def _groups(
    files: FleetFiles, document: Document, next_kernels: tuple[NextKernel, ...], findings: list[Finding]
) -> Iterator[NodeGroup]:
    value: Any = document.value
    for index, group in enumerate(value["spec"].get("nodeGroups", ())):
        path: FieldPath = ("spec", "nodeGroups", index, "nextKernels")
        own = _next_kernels(files, document, path, group, findings) if "nextKernels" in group else next_kernels
        yield _node_group(group, own)


def _nodes(
    files: FleetFiles, document: Document, groups: tuple[NodeGroup, ...], findings: list[Finding]
) -> tuple[NodeGroup, ...]:
    value: Any = document.value
    spec = value["spec"]
    if "inventory" not in spec:
        return groups
    try:
        return nodes.read_nodes(files.bytes(resolve(document.file, spec["inventory"]), limit=nodes.MAX_BYTES))
    except Unreadable as error:
        findings.append(
            finding_at(document, ("spec", "inventory"), "REF003", f"{spec['inventory']} {error.message}", error.fix)
        )
        return ()


def _of_topology(
    spec: Any,
    nodes: tuple[NodeGroup, ...],
    next_kernels: tuple[NextKernel, ...],
    document: Document,
    findings: list[Finding],
) -> tuple[NodeGroup, ...]:
    """The nodes with what the topology says of them: where it counts them, each is worker and control plane."""
    topology = spec.get("topology", "ha")
    if topology not in _NODES:
        return nodes
    if not nodes and "inventory" not in spec:
        nodes = (NodeGroup("nodes", _NODES[topology], {}, (), (), "", False, next_kernels),)
    count = sum(group.count for group in nodes)
    if _NODES[topology] == 1 and count > 1:
        place = "inventory" if "inventory" in spec else "nodeGroups"
        fix = "make it one node, or give the topology: compact or ha"
        findings.append(
            finding_at(
                document, ("spec", place), "SCH104", f"topology {topology} is a single node, and these are {count}", fix
            )
        )
    return tuple(replace(group, labels={**_BOTH_ROLES, **group.labels}) for group in nodes)


def _node_group(group: Any, next_kernels: tuple[NextKernel, ...]) -> NodeGroup:
    return NodeGroup(
        name=group["name"],
        count=group.get("count", 1),
        labels=group.get("labels", {}),
        taints=tuple(Taint(taint["key"], taint.get("value", ""), taint["effect"]) for taint in group.get("taints", ())),
        kernels=tuple(KernelVersion(kernel) for kernel in group.get("kernels", ())),
        architecture=group.get("architecture", ""),
        secure_boot=group.get("secureBoot", False),
        next_kernels=next_kernels,
        is_paused=group.get("pause", False),
        blacklist=frozenset(in_kernel_form(name) for name in group.get("blacklist", ())),
    )
