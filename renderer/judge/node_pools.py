"""What the nodes of hosted clusters load at boot, in ConfigMaps of the cluster that hosts their control plane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from kmodgate.policy.cluster.facts import Facts, metadata_of
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import FieldPath, Finding, format_path
from kmodgate.policy.review import ClusterTraits, Review
from kmodgate.policy.views.boot_config import NODE_POOL_LABEL, POOL_LABEL, machine_config_of
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.deliveries.boot.objects import cluster_of
from kmodgate.renderer.deliveries.delivery import is_at_boot
from kmodgate.renderer.fleet.specs import Cluster, JsonMap
from kmodgate.renderer.manifests.manifest import Manifest

_HELD: FieldPath = ("data", "config")


def node_pool_configs(compiled: CompiledFleet, cluster: Cluster) -> list[tuple[Manifest, JsonMap]]:
    """Return the ConfigMaps for the NodePools of a cluster, each with its MachineConfig, whose pool is the NodePool."""
    host = compiled.of_drivers.get(cluster.hosted.management, []) if cluster.hosted else []
    return [(item, _of_pool(item.value)) for item in host if cluster_of(item.value) == cluster.name]


def _of_pool(config_map: JsonMap) -> JsonMap:
    inner, pool = dict(machine_config_of(config_map) or {}), metadata_of(config_map)["labels"][NODE_POOL_LABEL]
    metadata = metadata_of(inner)
    return {**inner, "metadata": {**metadata, "labels": {**metadata.get("labels", {}), POOL_LABEL: pool}}}


_OF_A_PINNED_IMAGE = ("IMG102", "IMG104", "IMG106")


def told_at_its_line(manifest: Manifest, finding: Finding) -> Finding:
    """Return a finding about what is loaded at boot, as one that another finding at the same line of a spec tells.

    That is DAY004 for a worker without a version, and the same rule for the image that the driver's other object has.
    """
    if not is_at_boot(manifest.value) or not finding.rule.startswith("IMG"):
        return finding
    if finding.rule in _OF_A_PINNED_IMAGE and finding.spec_field.endswith(("workerImage", "tools.worker")):
        return replace(finding, told_by=f"DAY004 {finding.place}")
    return replace(finding, told_by=f"{finding.rule} {finding.place}")


def judged(
    found: list[tuple[Manifest, JsonMap]],
    cluster: Cluster,
    traits: ClusterTraits,
    engine: Engine,
    facts: Facts,
    now: datetime,
) -> Iterator[Finding]:
    """Yield what the policy of a hosted cluster says of what its nodes load at boot."""
    for manifest, value in found:
        review = Review(value, cluster=traits, parameters=engine.policy.parameters, facts=facts, in_tree=True, now=now)
        for finding, path in (*engine.judge(review), *engine.judge_by_facts(review)):
            placed = manifest.at_origin(finding, path if finding.line else _HELD, (cluster.name,))
            yield told_at_its_line(manifest, replace(placed, field=format_path(_HELD)))
