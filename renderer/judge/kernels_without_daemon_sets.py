"""Nodes of a dump that a driver is meant for, and for whose kernel the fleet renders no DaemonSet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.findings import Finding, Mode, Severity
from kmodgate.policy.kmm.kernel import architecture
from kmodgate.policy.kmm.nodes.node_selection import Node, lasting_taints
from kmodgate.renderer.deliveries.daemonset import kernels
from kmodgate.renderer.deliveries.daemonset.objects import as_module
from kmodgate.renderer.deliveries.delivery import DELIVERIES, delivery_of
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.fleet.targets.targets import Target
from kmodgate.renderer.wording import listed


def kernels_without_daemon_sets(targets: Iterable[Target], dumps: Mapping[str, Dump]) -> Iterator[Finding]:
    """Report kernels that nodes of a dump run and that nobody has named: no pod of the driver goes there."""
    for target in targets:
        dump = dumps.get(target.cluster.name)
        if dump is not None and not target.is_absent and delivery_of(target.variant) is DELIVERIES["daemonset"]:
            yield from _unnamed_kernels(target, dump)


def _unnamed_kernels(target: Target, dump: Dump) -> Iterator[Finding]:
    variant, cluster = target.variant, target.cluster
    rendered = kernels.kernels_of(variant.spec, kernels.site(cluster))
    nodes = [node for node in _reached(variant.spec, dump) if node.kernel not in rendered]
    taken = dict(kernels.resolved(as_module(variant), sorted({node.kernel for node in nodes})))
    known = _architectures(target)
    names: dict[str, list[str]] = {}
    for node in nodes:
        named = node.labels.get("kubernetes.io/arch") or architecture(node.kernel)
        if not (known and named) or named in known:
            names.setdefault(node.kernel, []).append(node.name)
    for kernel in sorted(names):
        what = "the driver has no DaemonSet for it" if kernel in taken else "no mapping takes it"
        message = f"nodes of cluster {cluster.name} run kernel {kernel} ({listed(names[kernel], 3)}), and {what}"
        fix = f"name the kernel in {cluster.document.file} (spec.nodeGroups[].kernels, or spec.inventory), and render"
        if kernel not in taken:
            fix = f"add a mapping for {kernel}, and {fix}; or narrow the selector to the nodes that need the driver"
        finding = variant.merged.finding(("kernelMappings",), "REF010", message, fix)
        yield replace(finding, severity=Severity.WARNING, mode=Mode.WARN, clusters=(cluster.name,))


def _reached(spec: JsonMap, dump: Dump) -> Iterator[Node]:
    """The nodes that the driver selects, without those that a lasting taint keeps its pods off."""
    for node in dump.facts.nodes() or ():
        if node.kernel and kernels.selects(spec, node.labels) and not lasting_taints({"spec": spec}, node):
            yield node


def _architectures(target: Target) -> set[str]:
    """The architectures that the mappings of a driver, or the node groups that it selects, name."""
    spec = target.variant.spec
    mappings = (map_of(item) for item in items_of(spec.get("kernelMappings")))
    texts = (str(item.get(key, "")) for item in mappings for key in ("literal", "regexp"))
    groups = (group for group in target.cluster.nodes if kernels.selects(spec, group.node_labels))
    return {*map(architecture, texts), *(name for group in groups for name in group.architectures)} - {""}
