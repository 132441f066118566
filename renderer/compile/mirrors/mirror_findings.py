"""What is wrong with the mirrors of a cluster's spec."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import FieldPath, Finding
from kmodgate.policy.formats.image_mirrors import Mirror, is_below
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster

_MIRRORS: FieldPath = ("spec", "mirrors")
_OBJECTS: FieldPath = ("spec", "mirrorObjects")


def mirror_findings(cluster: Cluster) -> Iterator[Finding]:
    """Yield an error for each mirror of a source that has one, or that is itself mirrored, and for objects in vain.

    Others are told by their names: where entries are faulty, those after them have other indexes here.
    """
    document = cluster.document
    seen: dict[tuple[str, str], int] = {}
    for index, item in enumerate(cluster.mirrors):
        first = seen.setdefault((item.source, item.references), index)
        if first != index:
            mirror = cluster.mirrors[first].mirror
            message = f"{mirror} is the mirror of {item.source} for type {item.references} already"
            fix = "keep one of the two: a reference is rewritten to one mirror"
            yield finding_at(document, (*_MIRRORS, index), "SCH105", message, fix)
        elif (other := _source_of(item, cluster.mirrors)) is not None:
            yield finding_at(document, (*_MIRRORS, index, "mirror"), "SCH104", *_chain(index, other, cluster.mirrors))
    yield from _objects(cluster)


def _source_of(item: Mirror, mirrors: tuple[Mirror, ...]) -> int | None:
    """The mirror by which what a mirror holds would be pulled from elsewhere again."""
    found = (index for index, other in enumerate(mirrors) if other.references == item.references)
    return next((index for index in found if is_below(item.mirror, mirrors[index].source)), None)


def _chain(index: int, other: int, mirrors: tuple[Mirror, ...]) -> tuple[str, str]:
    source = mirrors[other].source
    if index == other:
        return f"the mirror lies below its own source, {source}", "name a place outside of the source"
    last = mirrors[other].mirror
    return (
        f"{mirrors[index].mirror} is mirrored itself, by the mirror of {source}: no reference is rewritten twice",
        f"name the place that images are pulled from in the end, such as {last}, or remove the mirror of {source}",
    )


def _objects(cluster: Cluster) -> Iterator[Finding]:
    document = cluster.document
    for index, item in enumerate(cluster.mirrors):
        path = (*_MIRRORS, index, "mirrorSourcePolicy")
        if document.has(path) and not cluster.mirror_objects:
            message = f"{item.source_policy} says nothing without mirrorObjects: only nodes know the source"
            yield finding_at(document, path, "SCH103", message, "set spec.mirrorObjects: true, or remove it")
    if not cluster.mirror_objects:
        return
    if not cluster.mirrors:
        yield finding_at(document, _OBJECTS, "SCH103", "there are no mirrors to make objects of", "add spec.mirrors")
    if cluster.platform != "openshift":
        message = f"only OpenShift has objects for mirrors, and {cluster.name} is platform {cluster.platform}"
        fix = "remove it: references are rewritten all the same; the nodes' own mirrors are in containerd's hosts.toml"
        yield finding_at(document, _OBJECTS, "SCH104", message, fix)
    elif cluster.topology == "microshift":
        message = "MicroShift has no objects for mirrors, and no Machine Config Operator"
        fix = "remove it: references are rewritten all the same; CRI-O's are in /etc/containers/registries.conf.d"
        yield finding_at(document, _OBJECTS, "SCH104", message, fix)
    elif str(cluster.topology) == "hosted":
        message = "a hosted cluster refuses objects for mirrors; the HostedCluster on the management cluster has them"
        fix = "remove it, and set spec.imageContentSources of the HostedCluster"
        yield finding_at(document, _OBJECTS, "SCH104", message, fix)
