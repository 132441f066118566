"""What is wrong with hubs and spokes, and with a driver on them, as far as the fleet tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from kmodgate.policy.findings import FieldPath, Finding, Mode, Severity
from kmodgate.policy.formats.image_mirrors import pulled
from kmodgate.policy.formats.kubernetes_names import is_dns1123_label
from kmodgate.policy.kmm.kernel import trimmed
from kmodgate.policy.kmm.nodes.node_selection import matches
from kmodgate.policy.rules.cluster.near_labels import near_label
from kmodgate.renderer.deliveries.hub.hub_module import (
    copies_pull_secret,
    operator_namespace,
    selected_spokes,
    selector_of,
)
from kmodgate.renderer.deliveries.hub.manifest_works import NAME
from kmodgate.renderer.fleet.clusters.cluster_selectors import suggest
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster
from kmodgate.renderer.fleet.targets.targets import Target
from kmodgate.renderer.wording import listed

_LONGEST_LABEL = 63
_LONGEST_POLICY = 62


def cluster_findings(
    clusters: Collection[Cluster], faulty: Collection[Cluster] = (), *, is_whole: bool
) -> Iterator[Finding]:
    """Report spokes without a hub; one that is missing may be in a file that cannot be used, unless `is_whole`.

    The role of a `faulty` cluster, whose spec has schema errors, may be one of these. Spokes of a cluster that is no
    hub are one finding, at the first of them.
    """
    by_name = {cluster.name: cluster for cluster in (*clusters, *faulty)}
    told = {cluster.name for cluster in faulty}
    told |= {cluster.name for cluster in clusters if cluster.acm and cluster.acm.hub == cluster.name}
    for cluster in by_name.values():
        acm = cluster.acm
        if acm is None or acm.role == "hub":
            continue
        path: FieldPath = ("spec", "acm", "hub")
        hub = by_name.get(acm.hub)
        if hub is cluster:
            message, fix = f"{cluster.name} would be its own spoke", "write acm: {role: hub}, or name another cluster"
            yield finding_at(cluster.document, path, "HUB403", message, fix)
        elif hub is None and is_whole:
            names = [name for name, item in by_name.items() if item.is_hub]
            fix = f"add a Cluster {acm.hub} with acm: {{role: hub}}, or remove acm"
            fix = suggest(acm.hub, names) if names else fix
            yield finding_at(cluster.document, path, "HUB403", f"there is no cluster {acm.hub}", fix)
        elif hub is not None and not hub.is_hub and hub.name not in told:
            told.add(hub.name)
            fix = f"write acm: {{role: hub}} in {hub.document.file}, or name a hub"
            yield finding_at(cluster.document, path, "HUB403", f"{hub.name} is not a hub", fix)
        if not is_dns1123_label(cluster.name):
            message = "a spoke is called as its ManagedCluster and the namespace of that on the hub, which have no dots"
            fix = "use at most 63 lower-case letters, digits and '-'"
            yield finding_at(cluster.document, ("metadata", "name"), "SCH104", message, fix)


def selector_findings(targets: Iterable[Target], clusters: Collection[Cluster]) -> Iterator[Finding]:
    """Report drivers that no spoke gets. Spokes whose hub is wrong are told by themselves, and may be meant."""
    hubs = {cluster.name for cluster in clusters if cluster.is_hub}
    astray = [
        cluster.labels for cluster in clusters if cluster.acm and not cluster.is_hub and cluster.acm.hub not in hubs
    ]
    for target in targets:
        if target.variant.spec.get("delivery") != "hub" or target.is_absent or not target.cluster.is_hub:
            continue
        selector = selector_of(target.variant)
        if not selected_spokes(target) and not any(selector.items() <= labels.items() for labels in astray):
            alike = [
                item for item in clusters if selector and item.acm is None and selector.items() <= item.labels.items()
            ]
            yield _no_spoke(target, selector, alike)


def problems(target: Target) -> Iterator[Finding]:
    """Report what is wrong with a driver on a hub and its spokes."""
    hub, variant = target.cluster, target.variant
    document = variant.driver.document
    if not hub.is_hub:
        if hub.spokes or (hub.acm and hub.acm.hub == hub.name):  # HUB403 tells it, at the first spoke
            return
        fix = f"write acm: {{role: hub}} in {hub.document.file}, or select hubs only"
        yield finding_at(document, ("spec", "clusters"), "HUB404", f"cluster {hub.name} is not a hub", fix)
        return
    if hub.kmm is None:
        message = f"cluster {hub.name} has no KMM to deliver the driver with"
        fix = f"say which KMM its hub operator is ({hub.document.file}: spec.kmm), or leave it out"
        yield finding_at(document, ("spec", "clusters"), "REF006", message, fix)
    for spoke in selected_spokes(target):
        yield from _on_spoke(target, spoke)
    yield from _pull_secret(target)


def _no_spoke(target: Target, selector: dict[str, str], alike: Collection[Cluster]) -> Finding:
    """Return the finding; clusters that are `alike` have the labels, and no hub."""
    hub = target.cluster
    known = Counter(item for spoke in hub.spokes for item in spoke.labels.items())
    fix = "correct the selector, or add the spokes to the fleet"
    for key, value in selector.items():
        near = None if (key, value) in known else near_label(key, value, known)
        if near:
            fix = f'write {near[0]}: "{near[1]}", which spokes have, or label spokes {key}={value}'
            break
    for cluster in [*alike][:1]:
        fix = f"write acm: {{role: spoke, hub: {hub.name}}} in {cluster.document.file}, which has the labels"
        fix += ", or correct the selector"
    message = f"selects no spoke of {hub.name} that the fleet knows: nothing prepares a namespace for the Module"
    if "boot" in target.variant.spec:
        message += ", and nothing is loaded at boot"
    finding = target.variant.merged.finding(("hub", "selector"), "HUB405", message, fix)
    return replace(finding, severity=Severity.WARNING, mode=Mode.WARN)


def _on_spoke(target: Target, spoke: Cluster) -> Iterator[Finding]:
    variant, hub = target.variant, target.cluster
    merged, name = variant.merged, variant.driver.name
    if spoke.kmm is None:
        message = f"spoke {spoke.name} of {hub.name} has no KMM to load the driver with"
        fix = f"say which KMM it has ({spoke.document.file}: spec.kmm), or do not select it"
        yield merged.finding(("hub", "selector"), "REF006", message, fix)
    length = len(f"{name}-{spoke.name}")
    if length > _LONGEST_LABEL:
        message = (
            f"{name}-{spoke.name}, the label by which the hub builds for spoke {spoke.name}, has {length} characters,"
            f" and Kubernetes allows {_LONGEST_LABEL}"
        )
        yield finding_at(
            variant.driver.document, ("metadata", "name"), "HUB401", message, "shorten the name of the driver"
        )
    yield from _mirrors(target, spoke)
    kernels = {kernel for group in spoke.nodes for kernel in group.kernels}
    spec: Any = variant.spec
    mappings = spec.get("kernelMappings", ())
    if kernels and mappings and not any(matches(item, trimmed(kernel)) for kernel in kernels for item in mappings):
        message = (
            f"no mapping matches a kernel of spoke {spoke.name} ({listed(sorted(kernels), 2)}): the Module that the"
            f" hub makes for it has no mapping, and the spoke refuses it"
        )
        fix = "add a mapping for one of them, or do not select the spoke"
        yield merged.finding(("kernelMappings",), "HUB402", message, fix)


def _mirrors(target: Target, spoke: Cluster) -> Iterator[Finding]:
    """Report images of which only the spoke has a mirror, where its nodes are not told of it."""
    hub, spec = target.cluster, target.variant.spec
    if not spoke.mirrors or spoke.mirror_objects:
        return
    mappings: Any = spec.get("kernelMappings", ())
    images: dict[str, FieldPath] = {str(spec.get("containerImage", "")): ("containerImage",)}
    for index, mapping in enumerate(mappings):
        images.setdefault(str(mapping.get("containerImage", "")), ("kernelMappings", index, "containerImage"))
    for image, path in images.items():
        named = pulled(image, hub.mirrors)
        missed = pulled(named.reference if named else image, spoke.mirrors) if image else None
        if missed is not None:
            message = (
                f"spoke {spoke.name} pulls {image} by the name that its hub gives, and not from its mirror "
                f"{missed.mirror.mirror}"
            )
            fix = (
                f"give the hub the mirror, too ({hub.document.file}: spec.mirrors), or tell the nodes of the spoke: "
                f"mirrorObjects: true in {spoke.document.file}"
            )
            finding = target.variant.merged.finding(path, "HUB409", message, fix)
            yield replace(finding, severity=Severity.WARNING, mode=Mode.WARN)


def _pull_secret(target: Target) -> Iterator[Finding]:
    variant = target.variant
    if not copies_pull_secret(variant):
        return
    path: FieldPath = ("hub", "copyPullSecret")
    if not variant.spec.get("imageRepoSecret"):
        yield variant.merged.finding(path, "SCH103", "there is no pull secret to copy", "add imageRepoSecret")
    policy = f"{operator_namespace(target.cluster)}.{NAME.format(variant.driver.name)}"
    if len(policy) > _LONGEST_POLICY:
        message = f"the name of the Policy with its namespace ({policy}) has more than {_LONGEST_POLICY} characters"
        yield variant.merged.finding(path, "HUB401", message, "shorten the name of the driver")
