"""The nodes of a new cluster, as far as its objects tell: drivers that DaemonSets load are rendered for their kernels.

Source: core/v1, Node.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kmm.kernel import architecture, trimmed
from kmodgate.renderer.deliveries.daemonset.module_view import kernel_of
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.objects.reading import Found, Objects
from kmodgate.renderer.importer.translating.draft import label_value

_ROLE = "node-role.kubernetes.io/"
_ARCHITECTURES = ("amd64", "arm64", "ppc64le", "s390x")

_Labels = tuple[tuple[str, str], ...]


def node_groups(objects: Objects) -> list[Json]:
    """Return the groups of nodes of a cluster with drivers that DaemonSets load; none for any other.

    They are the Nodes among the objects, else what the DaemonSets say of the nodes that they run on.
    """
    drivers = [item for item in objects.values() if item.translation is not None and item.translation.delivery]
    if not drivers:
        return []
    wanted = {key for item in drivers for key in _selector(item)}
    nodes = [found.value for identity, found in objects.items() if (identity.group, identity.kind) == ("", "Node")]
    counts = Counter(_node(value, wanted) for value in nodes)
    groups = {labels_kernel: count for labels_kernel, count in counts.items() if labels_kernel[1]}
    if not groups:
        return list(_of_drivers(drivers))
    return [_group(index, labels, [kernel], count) for index, ((labels, kernel), count) in enumerate(groups.items(), 1)]


def _node(value: JsonMap, wanted: set[str]) -> tuple[_Labels, str]:
    """The labels of a node that drivers or roles need, and its kernel."""
    labels = map_of(metadata_of(value).get("labels"))
    kept = ((key, str(label_value(item))) for key, item in labels.items() if key in wanted or key.startswith(_ROLE))
    kernel = map_of(map_of(value.get("status")).get("nodeInfo")).get("kernelVersion")
    return tuple(sorted(kept)), kernel if isinstance(kernel, str) else ""


def _of_drivers(drivers: list[Found]) -> Iterator[Json]:
    """A group for each selector, with the kernels that its drivers have DaemonSets for."""
    kernels: dict[_Labels, list[str]] = {}
    for item in drivers:
        labels = tuple(sorted((key, str(value)) for key, value in _selector(item).items()))
        found = kernels.setdefault(labels, [])
        found += [kernel for kernel in _kernels(item) if kernel not in found]
    groups = ((labels, found) for labels, found in kernels.items() if found)
    for index, (labels, found) in enumerate(groups, 1):
        yield _group(index, labels, found, 0)


def _group(index: int, labels: _Labels, kernels: list[str], count: int) -> JsonMap:
    machines = {architecture(kernel) for kernel in kernels}
    machine = next(iter(machines)) if len(machines) == 1 else ""
    return {
        "name": f"nodes-{index}",
        **({"count": count} if count else {}),
        **({"labels": dict(labels)} if labels else {}),
        "kernels": list[Json](kernels),
        **({"architecture": machine} if machine in _ARCHITECTURES else {}),
    }


def _selector(found: Found) -> JsonMap:
    return map_of(map_of(found.value.get("spec")).get("selector"))


def _kernels(found: Found) -> list[str]:
    """The kernels of the driver's mappings; a DaemonSet of ours has the one whose last `+` no mapping has."""
    whole = {trimmed(kernel): kernel for item in found.made_of if (kernel := kernel_of(item.value))}
    container = map_of(map_of(map_of(found.value.get("spec")).get("moduleLoader")).get("container"))
    mappings = (map_of(item) for item in items_of(container.get("kernelMappings")))
    return [whole.get(literal, literal) for item in mappings if isinstance(literal := item.get("literal"), str)]
