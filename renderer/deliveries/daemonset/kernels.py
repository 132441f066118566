"""The kernels of a cluster that a driver gets a DaemonSet for, and the node label by which each finds its nodes.

Node Feature Discovery writes the label. A label value has at most 63 characters and no `+`.
Sources: source/kernel of Node Feature Discovery; Kubernetes, Labels and Selectors (syntax and character set).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from kmodgate.policy.config import Platform
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.kubernetes_names import is_label_value
from kmodgate.policy.kmm.kernel import architecture, dns_safe, normalised, trimmed
from kmodgate.policy.kmm.nodes.kernel_labels import NFD_LABEL
from kmodgate.policy.kmm.resolution.resolve import Resolution, Unresolved, resolve
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.fleet.json_parts import map_of
from kmodgate.renderer.fleet.specs import Cluster, JsonMap, NodeGroup

_MAX_NAME = 63
_MAX_KERNEL = 36  # of a name, which the driver's comes before and a hash after
_ENDS = lazy_regex(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$")


@dataclass(frozen=True, slots=True)
class Nodes:
    """Nodes that are alike: their labels, the kernels that they run, and those that come next."""

    labels: frozenset[tuple[str, str]]
    running: tuple[str, ...]
    coming: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """What of a cluster decides the objects."""

    platform: Platform
    nodes: tuple[Nodes, ...]


def site(cluster: Cluster) -> Site:
    """Return what of a cluster decides the objects."""
    nodes = cluster.rendered_nodes or cluster.nodes
    return Site(cluster.platform, tuple(dict.fromkeys(_nodes(group) for group in nodes)))


def _nodes(group: NodeGroup) -> Nodes:
    """Next kernels that are built for another architecture than the nodes' are left out."""
    known = group.architectures
    coming = [item.version for item in group.next_kernels]
    return Nodes(
        frozenset(group.node_labels.items()),
        tuple(group.kernels),
        tuple(kernel for kernel in coming if not known or architecture(kernel) in ("", *known)),
    )


def selected(spec: JsonMap, site: Site) -> list[Nodes]:
    """Return the nodes that the selector of a driver names; taints come and go, and do not count."""
    return [nodes for nodes in site.nodes if selects(spec, dict(nodes.labels))]


def selects(spec: JsonMap, labels: Mapping[str, str]) -> bool:
    """Whether the selector of a driver names the nodes with these labels, and they run Linux."""
    is_linux = labels.get("kubernetes.io/os", "linux") == "linux"
    return is_linux and map_of(spec.get("selector")).items() <= labels.items()


def kernels_of(spec: JsonMap, site: Site) -> list[str]:
    """Return the kernels that the selected nodes run or get next, sorted."""
    return sorted({kernel for nodes in selected(spec, site) for kernel in (*nodes.running, *nodes.coming)})


def resolved(module: JsonMap, kernels: list[str]) -> Iterator[tuple[str, Resolution]]:
    """Yield the kernels that a mapping of the driver takes, each with what the mapping amounts to."""
    for kernel in kernels:
        try:
            yield kernel, resolve(module, trimmed(kernel))
        except Unresolved:
            continue


def label_of(spec: JsonMap) -> str:
    """Return the key of the node label that names the kernel."""
    return str(map_of(spec.get("daemonset")).get("kernelLabel", NFD_LABEL))


def label_value(key: str, kernel: str) -> str | None:
    """Return the value that the label has on nodes of a kernel; None where it can have none.

    Node Feature Discovery drops a value that is none. In a label of the fleet's own every other character is `_`, and
    the value ends after 63 characters.
    """
    if is_label_value(kernel):
        return kernel
    return None if key == NFD_LABEL else _ENDS.sub("", normalised(kernel)[:_MAX_NAME])


def why_no_label(kernel: str) -> str:
    """Return why a kernel cannot be the value of a label."""
    if len(kernel) > _MAX_NAME:
        return f"has {len(kernel)} characters, and the value of a label at most {_MAX_NAME}"
    return f"holds {next((char for char in kernel if char != normalised(char)), kernel[-1:])}, which no label can hold"


def name_of(driver: str, kernel: str, part: str = "") -> str:
    """Return the name of the DaemonSet of a driver for a kernel, or of a part of it.

    It is `nic-5-14-0-427-13-1-el9-4-x86-64-1f0c2d`, at most 63 characters, and depends on nothing else.
    """
    digest = hashlib.sha256(f"{driver}/{kernel}".encode(errors="surrogatepass")).hexdigest()[:6]
    tail = f"{dns_safe(kernel)[:_MAX_KERNEL].strip('-')}-{digest}"
    tail = f"{part}-{tail}" if part else tail
    head = driver.replace(".", "-")[: _MAX_NAME - 1 - len(tail)].strip("-")
    return f"{head}-{tail}"
