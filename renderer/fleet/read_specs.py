"""Documents → specs, once their schema has passed: `Any` is what JSON is, and the schema has fixed its shape."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from kmodgate.policy import config_checks
from kmodgate.policy.config import read_policy
from kmodgate.policy.findings import NOT_CHECKED, FieldPath, Finding, Mode, Severity
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.formats.yaml_documents import MAX_BYTES, Document, parse
from kmodgate.policy.kmm.driver_toolkit import kernels_of
from kmodgate.policy.kmm.kinds import GROUPS, MODULE_KINDS
from kmodgate.renderer.file_reading import read_regular
from kmodgate.renderer.fleet import nodes
from kmodgate.renderer.fleet.files import REMOVALS, SPEC_SUFFIXES, FleetFiles, Unreadable, resolve
from kmodgate.renderer.fleet.schema_check import finding_at, title
from kmodgate.renderer.fleet.specs import (
    Cluster,
    ClusterSelector,
    DriverPolicy,
    ImageService,
    KernelDriver,
    KernelVersion,
    Kmm,
    NextKernel,
    NodeGroup,
    Override,
    Removal,
    Requirement,
    Taint,
)
from kmodgate.schemas.compiled import spec_schema

_RELEASE_FILE_FIX = "copy /etc/driver-toolkit-release.json out of the driver-toolkit image of the release"
_NODES = {"sno": 1, "compact": 3}
_BOTH_ROLES = {"node-role.kubernetes.io/control-plane": "", "node-role.kubernetes.io/worker": ""}

MANAGED_BY = "app.kubernetes.io/managed-by"
"""The label of every rendered object; its value is `kmodgate`."""

RESERVED_LABELS = (MANAGED_BY, "app.kubernetes.io/name", "app.kubernetes.io/instance")
"""Set on every Module, or read by Argo CD to track what it owns."""


def read_driver(document: Document, findings: list[Finding]) -> KernelDriver:
    """A driver; labels that are not its own and overrides that change nothing go to `findings`."""
    value: Any = document.value
    spec, overrides = _overridden(document, findings)
    for key in value["metadata"].get("labels", {}):
        if key in RESERVED_LABELS or key.startswith("argocd.argoproj.io/"):
            path: FieldPath = ("metadata", "labels", key)
            message = "would be the Module's, where it belongs to others"
            findings.append(
                finding_at(document, path, "SCH104", message, "remove it, or choose another key", at_key=True)
            )
    return KernelDriver(
        name=value["metadata"]["name"],
        labels=value["metadata"].get("labels", {}),
        clusters=_selector(spec["clusters"]),
        overrides=overrides,
        spec=spec,
        document=document,
    )


def read_image_service(document: Document, findings: list[Finding]) -> ImageService:
    """An ImageService; overrides that change nothing go to `findings`."""
    value: Any = document.value
    spec, overrides = _overridden(document, findings)
    return ImageService(value["metadata"]["name"], _selector(spec["clusters"]), overrides, spec, document)


def _overridden(document: Document, findings: list[Finding]) -> tuple[Any, tuple[Override, ...]]:
    """Return the spec of a document without its overrides, and these; a patch of an unknown field is a finding."""
    value: Any = document.value
    spec = dict(value["spec"])
    overrides = spec.pop("overrides", [])
    for index, item in enumerate(overrides):
        for problem in spec_schema(value["kind"]).unknown_nulls(item["patch"], ("spec",)):
            path: FieldPath = ("spec", "overrides", index, "patch", *problem.path)
            fix = in_patch(problem.fix, index)
            findings.append(finding_at(document, path, problem.rule, problem.message, fix, at_key=True))
    return spec, tuple(Override(_selector(item["clusters"]), item["patch"]) for item in overrides)


def in_patch(fix: str, index: int) -> str:
    """Return a fix that names fields of the spec with the places where the patch of an override has them."""
    return re.sub(r"\bspec\.(?=[a-z])", f"spec.overrides[{index}].patch.", fix)


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
        kmm=None if kmm is None else _kmm(kmm),
        nodes=nodes.in_groups(found, groups, next_kernels) if "inventory" in spec else found,
        groups=groups,
        next_kernels=next_kernels,
        document=document,
        has_inventory="inventory" in spec,
    )


def _kmm(spec: Any) -> Kmm:
    return Kmm(spec.get("version", ""), spec.get("flavour", "upstream"), spec.get("namespace", ""))


def read_driver_policy(document: Document) -> DriverPolicy:
    """Return the DriverPolicy of a document without problems."""
    value: Any = document.value
    spec = value["spec"]
    return DriverPolicy(value["metadata"]["name"], _selector(spec["clusters"]), read_policy(spec), document)


def policy_problems(document: Document) -> list[tuple[Finding, FieldPath]]:
    """Return what is wrong with a DriverPolicy that its schema has passed, and the field or item to leave out.

    These are rules and days that are none.
    """
    value: Any = document.value
    return [
        (
            finding_at(document, item.path, "SCH104", item.message, item.fix),
            item.path[:3] if item.path[1] == "exceptions" else item.path,
        )
        for item in config_checks.problems(value["spec"])
    ]


def not_judged_by(document: Document) -> Finding:
    """Return the note that the clusters of a policy are judged by the default profile."""
    message = f"{NOT_CHECKED}: what {title(document)} says, since it cannot be read; another policy judges its clusters"
    finding = finding_at(document, (), "SCH104", message, "correct the errors of the policy")
    return replace(finding, severity=Severity.INFO, mode=Mode.AUDIT)


def misplaced(document: Document) -> Finding:
    """Return the finding of a kind in the wrong file: whoever reviews a removal must know where to look."""
    if document.file == REMOVALS:
        message, fix = f"{REMOVALS} holds the kind Removals only", "move the other spec to a file of its own"
    else:
        message, fix = f"Removals are read from {REMOVALS} in the root of the fleet only", f"move them to {REMOVALS}"
    return finding_at(document, ("kind",), "SCH104", message, fix)


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


def stray_modules(root: Path, path: Path) -> Iterator[Finding]:
    """Report the Modules of a file where a fleet's specs are looked for; the file is named as seen from the root."""
    name = Path(os.path.relpath(path, root)).as_posix()
    if name.endswith(SPEC_SUFFIXES) and not any(part.startswith(".") for part in name.split("/")):
        for document in parse(read_regular(path, MAX_BYTES).decode("utf-8", "replace"), name)[0]:
            yield from modules_in(document)


def modules_in(document: Document) -> Iterator[Finding]:
    """Report a Module of KMM, which stands there without any effect; not one that kmodgate has rendered."""
    value = document.value
    if not isinstance(value, dict) or value.get("kind") not in MODULE_KINDS:
        return
    metadata = value.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    is_rendered = isinstance(labels, dict) and labels.get(MANAGED_BY) == "kmodgate"
    if str(value.get("apiVersion")).partition("/")[0] == GROUPS[str(value["kind"])] and not is_rendered:
        message = f"a {value['kind']} is not a spec, and goes to no cluster from here"
        fix = f"import it, and delete the file: kmodgate import {shlex.quote(document.file)}"
        yield replace(
            finding_at(document, ("kind",), "SCH008", message, fix), severity=Severity.WARNING, mode=Mode.WARN
        )


def _selector(value: Any) -> ClusterSelector:
    return ClusterSelector(
        names=tuple(value["names"]) if "names" in value else None,
        labels=tuple(value.get("matchLabels", {}).items()),
        requirements=tuple(
            Requirement(item["key"], item["operator"], tuple(item.get("values", ())))
            for item in value.get("matchExpressions", ())
        ),
    )


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
    """The nodes with what the topology says of them: on all but `ha` every node is worker and control plane."""
    topology = spec.get("topology", "ha")
    if topology == "ha":
        return nodes
    if not nodes and "inventory" not in spec:
        nodes = (NodeGroup("nodes", _NODES[topology], {}, (), (), "", False, next_kernels),)
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
