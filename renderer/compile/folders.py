"""All targets of one cluster → its manifests, each once, in its folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from kmodgate.policy.findings import Finding, format_path
from kmodgate.renderer.manifests.manifest import Identity, Manifest

SHARED_FOLDER = "cluster"


def by_folder(cluster: str, manifests: Iterable[Manifest], findings: list[Finding]) -> Iterator[tuple[str, Manifest]]:
    """Folder and manifest of every object of a cluster.

    A shareable object that several drivers want alike is given once, in the folder of the cluster, where namespaces
    always are. Two drivers that want different objects of one identity are a finding that names both.
    """
    groups: dict[Identity, list[Manifest]] = defaultdict(list)
    for manifest in manifests:
        groups[manifest.identity].append(manifest)
    for identity, group in groups.items():
        first = group[0]
        if len(group) > 1:
            findings.extend(_disagreements(cluster, identity, group))
        shared = identity.kind == "Namespace" or len({manifest.owner for manifest in group}) > 1
        yield (SHARED_FOLDER if shared else first.owner or first.folder or SHARED_FOLDER), first


def _disagreements(cluster: str, identity: Identity, group: list[Manifest]) -> Iterator[Finding]:
    first = group[0]
    for other in group[1:]:
        if first.shareable and other.shareable and first.value == other.value:
            continue
        if first.owner and first.owner == other.owner and first.spec_file != other.spec_file:
            continue  # two specs of one name, which is an error already
        how = "twice, by" if first.value == other.value else "differently by"
        here = other.trace(("metadata", "name"))
        yield Finding(
            "REF005",
            f"{identity} on cluster {cluster} is defined {how} {_place(first)} and {_place(other)}",
            "rename one of the two, or keep it in one driver only",
            object=f"KernelDriver {other.owner}" if other.owner else str(identity),
            field=format_path(here.path),
            file=here.file,
            line=here.line,
            column=here.column,
        )


def _place(manifest: Manifest) -> str:
    """The spec that a manifest comes from, with the line, and the attached file if it stands there."""
    origin, spec = manifest.trace(("metadata", "name")), manifest.spec_file
    place = f"{origin.file}:{origin.line}"
    return place if origin.file == spec else f"{spec} (attached {place})"
