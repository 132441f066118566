"""What rules about Modules say of drivers that DaemonSets load, by the Module that KMM would get for the same spec.

Only rules about the spec's own words are asked, and about what pods need: images, mappings, arguments of modprobe, the
selector, the plugin, signatures, the pull secret, accounts and their rights. Those about KMM's behaviour say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from weakref import WeakSet

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.cluster.facts import Facts, SnapshotFacts
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import FieldPath, Finding
from kmodgate.policy.kmm.nodes.kernel_labels import KERNEL_LABEL_ANNOTATION
from kmodgate.policy.review import ClusterTraits, Review
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.deliveries.daemonset.kernels import label_of
from kmodgate.renderer.deliveries.daemonset.objects import as_module
from kmodgate.renderer.deliveries.daemonset.plugin import is_separate
from kmodgate.renderer.deliveries.delivery import DELIVERIES, delivery_of, driver_of
from kmodgate.renderer.deliveries.kmm import objects as kmm
from kmodgate.renderer.fleet.clusters.nodes import nodes_of
from kmodgate.renderer.fleet.json_parts import map_of
from kmodgate.renderer.fleet.specs import Cluster, JsonMap
from kmodgate.renderer.fleet.targets.targets import Target, Variant
from kmodgate.renderer.manifests.manifest import Manifest

RULES = frozenset(
    (
        *("IMG101", "IMG102", "IMG104", "IMG106", "IMG201", "IMG202", "IMG203", "IMG301", "IMG302"),
        *("KMM204", "KMM301", "KMM302", "KMM303", "KMM304", "KMM403"),
        *("INJ102", "INJ104", "INJ105", "INJ106"),
        *("LDR101", "LDR102", "LDR103", "LDR104", "LDR105", "LDR106", "LDR107", "LDR108", "LDR201"),
        *("MAP101", "MAP102", "MAP201", "MAP202", "MAP203", "MAP204", "MAP205", "MAP206", "MAP208", "MAP209", "MAP301"),
        *("PLG101", "PLG103", "PLG104", "PLG106", "PLG107", "PLG108", "PLG109", "PLG110", "PLG111", "PLG201"),
        *("REF101", "REF103", "REF104", "REF105", "REF106"),
        *("SEL101", "SEL102", "SEL204", "SEL205", "SEL206"),
        *("SGN201", "SGN202", "SGN204"),
    )
)
"""The rules that are asked."""

_PRIVILEGED = "REF105"

_MOST = 1024
"""Drivers whose Modules are kept."""

Judged = tuple[Finding, FieldPath]


class SpecsAsModules:
    """Asks the rules; clusters share the Module of a driver. Those of the last drivers are kept for other clusters."""

    def __init__(self, engine: Callable[[Cluster], Engine], now: datetime) -> None:
        self._engine = engine
        self._now = now
        self._module = lru_cache(_MOST)(self._as_module)
        self._with_own_scc: WeakSet[Manifest] = WeakSet()

    def findings(
        self, compiled: CompiledFleet, traits: Callable[[Cluster], ClusterTraits], dumps: Mapping[str, Dump]
    ) -> Iterator[Finding]:
        """Yield the findings about the clusters of a fleet or of a part of it, at their places in the specs."""
        for cluster, modules in self._by_cluster(compiled.targets).values():
            dump = dumps.get(cluster.name)
            made = [item.value for item in compiled.of_drivers[cluster.name]]
            objects = [*(module.value for module in modules), *made]
            facts = SnapshotFacts(objects, nodes=nodes_of(cluster), dump=dump.facts if dump else None)
            for module in modules:
                is_new = dump is not None and not any(dump.holds(value) for value in _of_driver(module.owner, made))
                yield from self._of(module, cluster, traits(cluster), facts, is_new=is_new)

    def _by_cluster(self, targets: Iterable[Target]) -> dict[str, tuple[Cluster, list[Manifest]]]:
        found: dict[str, tuple[Cluster, list[Manifest]]] = {}
        for target in targets:
            if not target.is_absent and delivery_of(target.variant) is DELIVERIES["daemonset"]:
                module = self._module(target.variant)
                found.setdefault(target.cluster.name, (target.cluster, []))[1].append(module)
        return found

    def _as_module(self, variant: Variant) -> Manifest:
        value = as_module(variant)
        spec = map_of(value["spec"])
        if "devicePlugin" in spec and not is_separate(variant.spec):  # a container of the pod that loads
            loader, plugin = map_of(spec["moduleLoader"]), map_of(spec["devicePlugin"])
            plugin["serviceAccountName"] = loader.get("serviceAccountName", "")
        map_of(map_of(value["metadata"])["annotations"])[KERNEL_LABEL_ANNOTATION] = label_of(variant.spec)
        module = kmm.manifest(variant, value, kmm.ModuleTrace(variant))
        if variant.spec.get("scc", "privileged") not in ("", "privileged"):
            self._with_own_scc.add(module)
        return module

    def _of(
        self, module: Manifest, cluster: Cluster, traits: ClusterTraits, facts: Facts, *, is_new: bool
    ) -> Iterator[Finding]:
        engine = self._engine(cluster)
        review = Review(module.value, cluster=traits, in_tree=True, in_image=True, now=self._now)
        by_facts = Review(module.value, cluster=traits, facts=facts, in_image=True, now=self._now, is_new=is_new)
        for finding, path in (*engine.judge(review), *engine.judge_by_facts(by_facts)):
            if finding.rule == _PRIVILEGED and module in self._with_own_scc:
                continue  # its pods need less than to be privileged, and somebody has made an SCC for them
            title = finding.object.replace("Module ", "DaemonSets of ", 1)
            yield module.at_origin(replace(finding, object=title), path, (cluster.name,))


def _of_driver(name: str, objects: Iterable[JsonMap]) -> Iterator[JsonMap]:
    """Yield the objects that stand for a driver."""
    return (value for value in objects if driver_of(value) == name)
