"""The spokes of imported hubs → Cluster specs, without which render would take the ManifestWorks away."""

from __future__ import annotations

import json
from collections.abc import Iterator

from kmodgate.policy.formats.kubernetes_names import is_dns1123_label
from kmodgate.renderer.fleet.json_parts import map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.objects.reading import Found, Objects

_OPENSHIFT = "openshift.io/"
_VENDOR = ("vendor", "OpenShift")
"""The label that Open Cluster Management gives a ManagedCluster that is OpenShift."""


def spoke_values(clusters: dict[str, Objects]) -> Iterator[tuple[str, JsonMap]]:
    """Yield the spec of each spoke for which a hub has a ManifestWork of a driver, or a ManagedCluster it selects."""
    for hub, objects in clusters.items():
        labels: dict[str, JsonMap] = {}
        on_openshift: set[str] = set()
        managed = {item.identity.name: item for item in objects.values() if item.identity.kind == "ManagedCluster"}
        for module in (found for found in objects.values() if found.is_by_hub):
            selector = _selector(module)
            works = [item for item in module.made_of if item.identity.kind == "ManifestWork"]
            selected = [name for name, item in managed.items() if selector.items() <= item.metadata("labels").items()]
            for name in (*(work.identity.namespace for work in works), *selected):
                labels[name] = {**labels.get(name, {}), **selector}
            on_openshift |= {item.identity.namespace for item in works if _OPENSHIFT in json.dumps(item.value)}
        for name, needed in sorted(labels.items()):
            own = managed[name].metadata("labels") if name in managed else needed
            is_openshift = name in on_openshift or _VENDOR in own.items()
            if is_dns1123_label(name):  # as ManagedClusters and namespaces are called
                yield name, _spoke(name, hub, own, is_openshift=is_openshift)


def as_spoke(own: JsonMap, spoke: JsonMap) -> JsonMap:
    """Return the spec of a cluster whose own objects are in the input as one of a spoke; not that of a hub."""
    spec, other = map_of(own["spec"]), map_of(spoke["spec"])
    if "acm" in spec:
        return own
    platform = "openshift" if "openshift" in (spec["platform"], other["platform"]) else spec["platform"]
    kmm = {**map_of(other["kmm"]), **map_of(spec.get("kmm"))}
    head: JsonMap = {"platform": platform, "kmm": kmm, "acm": other["acm"]}
    return {
        **own,
        "metadata": {**map_of(spoke["metadata"])},
        "spec": {**head, **{key: value for key, value in spec.items() if key not in head}},
    }


def _selector(module: Found) -> JsonMap:
    hub = map_of(module.translation.delivery["hub"]) if module.translation else {}
    return map_of(hub["selector"])


def _spoke(name: str, hub: str, labels: JsonMap, *, is_openshift: bool) -> JsonMap:
    metadata: JsonMap = {"name": name}
    if labels:
        metadata["labels"] = labels
    metadata["annotations"] = {"config.kubernetes.io/local-config": "true"}
    spec: JsonMap = {
        "platform": "openshift" if is_openshift else "kubernetes",
        "kmm": {"flavour": "redhat"} if is_openshift else {},
        "acm": {"role": "spoke", "hub": hub},
    }
    return {"apiVersion": "kmodgate.io/v1alpha1", "kind": "Cluster", "metadata": metadata, "spec": spec}
