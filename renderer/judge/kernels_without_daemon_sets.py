"""Nodes of a dump that a driver selects, and for whose kernel the fleet renders no DaemonSet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.cluster.facts import node_of
from kmodgate.policy.findings import Finding, Mode, Severity
from kmodgate.renderer.deliveries.daemonset import kernels
from kmodgate.renderer.deliveries.daemonset.objects import as_module
from kmodgate.renderer.deliveries.delivery import DELIVERIES, delivery_of
from kmodgate.renderer.fleet.json_parts import map_of
from kmodgate.renderer.fleet.targets.targets import Target
from kmodgate.renderer.wording import listed


def kernels_without_daemon_sets(targets: Iterable[Target], dumps: Mapping[str, Dump]) -> Iterator[Finding]:
    """Report kernels that nodes of a dump run and that nobody has named: no pod of the driver goes there."""
    for target in targets:
        dump = dumps.get(target.cluster.name)
        if dump is not None and not target.is_absent and delivery_of(target.variant) is DELIVERIES["daemonset"]:
            yield from _of(target, dump)


def _of(target: Target, dump: Dump) -> Iterator[Finding]:
    variant, cluster = target.variant, target.cluster
    wanted = map_of(variant.spec.get("selector")).items()
    nodes = map(node_of, (item for item in dump.objects if item.get("kind") == "Node"))
    found: dict[str, list[str]] = {}
    for node in nodes:
        if node.kernel and all(node.labels.get(key) == value for key, value in wanted):
            found.setdefault(node.kernel, []).append(node.name)
    rendered = kernels.kernels_of(variant.spec, kernels.site(cluster))
    for kernel, names in sorted(found.items()):
        if kernel in rendered:
            continue
        is_taken = any(kernels.resolved(as_module(variant), [kernel]))
        what = "the driver has no DaemonSet for it" if is_taken else "no mapping takes it"
        message = f"nodes of cluster {cluster.name} run kernel {kernel} ({listed(names, 3)}), and {what}"
        fix = f"name the kernel in {cluster.document.file} (spec.nodeGroups[].kernels, or spec.inventory), and render"
        fix = fix if is_taken else f"add a mapping for {kernel}"
        finding = variant.merged.finding(("kernelMappings",), "REF010", message, fix)
        yield replace(finding, severity=Severity.WARNING, mode=Mode.WARN, clusters=(cluster.name,))
