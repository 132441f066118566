"""Whether KMM would load a Module on a node, and if not, why.

Sources: internal/node/node.go, internal/controllers/module_reconciler.go and ordered_upgrade.md of Kernel Module
Management; Toleration.ToleratesTaint of k8s.io/api/core/v1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.kmm.kernel import trimmed
from kmodgate.policy.kmm.nodes.labels import version_label
from kmodgate.policy.kmm.resolution.resolve import (
    INTERNAL_TOLERATIONS,
    NoMapping,
    Resolution,
    Unresolved,
    resolve,
    why_not,
)
from kmodgate.policy.kmm.versions import Release

CORDON = "node.kubernetes.io/unschedulable"
"""Key of the taint of a cordoned node, with effect NoSchedule."""

CORDON_TAINT = (CORDON, "", "NoSchedule")

KEEPS_OFF = ("NoSchedule", "NoExecute")

_TEMPORARY = frozenset(
    f"node.kubernetes.io/{name}"
    for name in (
        "disk-pressure",
        "memory-pressure",
        "network-unavailable",
        "not-ready",
        "out-of-service",
        "pid-pressure",
        "unreachable",
        "unschedulable",
    )
)
"""Keys of the taints that Kubernetes sets for a condition of the node, and removes when the condition is over.

Source: the well-known labels, annotations and taints of Kubernetes.
"""

Taint = tuple[str, str, str]
"""Key, value and effect."""


@dataclass(frozen=True, slots=True)
class Node:
    """What KMM looks at of a node; one that is not `observed` is a description, without the labels of a running one.

    `blacklist` are the kernel modules that the node never loads by itself, as its description says.
    """

    name: str
    labels: Mapping[str, str]
    taints: Sequence[Taint]
    kernel: str
    observed: bool = True
    secure_boot: bool = False
    blacklist: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """A Module on a node: what would be loaded, or why nothing is.

    There is a resolution and a reason where only the version label of an ordered upgrade keeps it away; `keeps` is
    whether the node goes on with the version that it has, which its label asks for. `fails` is whether KMM fails at
    the Module, and leaves the node as it is.
    """

    node: str
    resolution: Resolution | None
    reason: str
    keeps: bool = False
    fails: bool = False

    @property
    def loads(self) -> bool:
        return not self.reason


Resolver = Callable[[Mapping[str, Any], str], Resolution]
"""`resolve`, or what keeps its answers."""


def verdict(module: Mapping[str, Any], node: Node, resolver: Resolver = resolve) -> Verdict:
    """The first reason, in KMM's order, that keeps the Module off the node; none if it is loaded there."""
    reason = why_not_selected(module, node) or why_repelled(module, node)
    return Verdict(node.name, None, reason) if reason else on_kernel(module, node, resolver)


def why_not_selected(module: Mapping[str, Any], node: Node) -> str:
    """The label of the selector that the node does not have; empty if it has all."""
    for key, value in (module["spec"].get("selector") or {}).items():
        if node.labels.get(key) != value:
            has = f"has {node.labels[key]!r}" if key in node.labels else "has no such label"
            return f"selector {key}={value}: the node {has}"
    return ""


def why_repelled(module: Mapping[str, Any], node: Node) -> str:
    """The taint that the Module does not tolerate; empty if there is none."""
    return next((f"taint {taint[0]}={taint[1]}:{taint[2]} is not tolerated" for taint in _repelling(module, node)), "")


def temporary_taints(module: Mapping[str, Any], node: Node) -> str:
    """Return the temporary taints that keep the Module off the node, as kubectl writes them; empty if none does."""
    found = (taint for taint in _repelling(module, node) if taint[0] in _TEMPORARY)
    return ", ".join(f"{key}={value}:{effect}" if value else f"{key}:{effect}" for key, value, effect in found)


def lasting_taints(module: Mapping[str, Any], node: Node) -> list[Taint]:
    """Return the taints that keep the Module off the node, but for the temporary ones."""
    return [taint for taint in _repelling(module, node) if taint[0] not in _TEMPORARY]


def without_temporary_taints(node: Node) -> Node:
    """Return the node as it is once the conditions that pass are over: a node is cordoned while it is upgraded."""
    return replace(node, taints=tuple(taint for taint in node.taints if taint[0] not in _TEMPORARY))


def _repelling(module: Mapping[str, Any], node: Node) -> Iterator[Taint]:
    given = module["spec"].get("tolerations")
    own = [item for item in given if isinstance(item, Mapping)] if isinstance(given, list) else []
    tolerations = [*own, *INTERNAL_TOLERATIONS]
    for taint in node.taints:
        if taint[2] in KEEPS_OFF and not any(tolerates(item, taint) for item in tolerations):
            yield taint


def why_never_loaded(module: Mapping[str, Any], kernel: str, release: Release) -> str:
    """Return why no mapping helps on a kernel whose name ends in `+`; empty where the kernel module can be loaded.

    KMM 2.x copies `<dirName>/lib/modules/<kernel without the +>` to the node, and modprobe looks below `uname -r`,
    which has it: `modprobe: FATAL`. The option `-S` of modprobe names the other folder.
    Source: internal/worker and internal/controllers of Kernel Module Management; modprobe(8).
    """
    if not kernel.endswith("+") or not release.has("2.0"):
        return ""
    modprobe = ((module["spec"].get("moduleLoader") or {}).get("container") or {}).get("modprobe") or {}
    arguments = [
        *((modprobe.get("args") or {}).get("load") or ()),
        *((modprobe.get("rawArgs") or {}).get("load") or ()),
    ]
    if any(item in ("-S", "--set-version") or item.startswith(("-S", "--set-version=")) for item in arguments):
        return ""
    return f"never loads on a kernel that ends in +: modprobe looks below {kernel}, and KMM copies {trimmed(kernel)}"


def on_kernel(module: Mapping[str, Any], node: Node, resolver: Resolver = resolve) -> Verdict:
    """The Module on a node that it selects and that does not repel it."""
    if not node.kernel:
        return Verdict(node.name, None, "the kernel of the node is not known")
    try:
        found = resolver(module, trimmed(node.kernel))
    except Unresolved as error:
        return Verdict(node.name, None, str(error), fails=not isinstance(error, NoMapping))
    reason, keeps = _version_reason(module["metadata"], found.version, node)
    return Verdict(node.name, found, reason, keeps)


def stops_for_all(verdicts: Iterable[Verdict], release: Release) -> str:
    """Return why KMM does nothing for any node of a Module: it fails at the kernel of one. Empty where it does not.

    From 2.4 on the images of all nodes are worked out before any node gets or loses the driver, and a failure ends the
    reconcile. Before, only the node in question was passed over.
    Source: Reconcile and handleMIC in internal/controllers/module_reconciler.go (v2.4.0) and prepareSchedulingData in
    internal/controllers/module_nmc_reconciler.go (v2.3.0) of Kernel Module Management.
    """
    if not release.has("2.4"):
        return ""
    return next((item.reason for item in verdicts if item.fails), "")


def matches(mapping: Mapping[str, Any], kernel: str) -> bool:
    """Whether a mapping alone would take a kernel."""
    try:
        return why_not(mapping, kernel) is None
    except Unresolved:
        return False


def _version_reason(metadata: Mapping[str, Any], version: str, node: Node) -> tuple[str, bool]:
    """Why the node does not get the version, and whether it keeps another one."""
    if not version:
        return "", False
    key = version_label(metadata.get("namespace", ""), metadata.get("name", ""))
    label = node.labels.get(key)
    if label is None:
        return f"version {version}: the node has no label {key}, and loads nothing", False
    if label == version:
        return "", False
    return f"version {version}: the node's label asks for {label}, and keeps what it has", True


def tolerates(toleration: Mapping[str, Any], taint: Taint) -> bool:
    key, value, effect = taint
    if toleration.get("effect") not in (None, "", effect) or toleration.get("key") not in (None, "", key):
        return False
    operator = toleration.get("operator") or "Equal"
    return operator == "Exists" or (operator == "Equal" and (toleration.get("value") or "") == value)
