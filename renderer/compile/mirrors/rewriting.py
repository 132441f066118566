"""The objects of a cluster with the images that it pulls from its mirrors.

Done after compiling, so that clusters without mirrors share their objects, clusters with the same mirrors share theirs,
and content tags, which are made of what the spec says, are the same everywhere.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from typing import Any

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding, Mode, Severity, value_at
from kmodgate.policy.formats.image_mirrors import Mirror, Pulled, only_mirrored_otherwise, pulled, references_of
from kmodgate.policy.formats.image_references import parse_image
from kmodgate.policy.kmm.kinds import MODULE_KINDS, kind_of
from kmodgate.policy.views.builds.build import Build, builds
from kmodgate.policy.views.builds.dockerfile import KEY, dockerfile_of
from kmodgate.policy.views.image_fields import image_fields
from kmodgate.policy.views.module import ModuleView
from kmodgate.renderer.compile.mirrors.build_arguments import Arguments, Fixed, arguments
from kmodgate.renderer.deliveries.hub.manifest_works import MANIFEST_WORK
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.specs import Cluster, JsonMap
from kmodgate.renderer.manifests.manifest import Manifest
from kmodgate.renderer.manifests.shared_findings import SharedFindings

_DOCKERFILE: FieldPath = ("data", KEY)

Mirrors = tuple[Mirror, ...]


@dataclass(slots=True)
class _Rewriting:
    """What becomes of one object: its images by their paths, and build arguments that are added to builds."""

    images: dict[FieldPath, Pulled] = field(default_factory=dict)
    added: dict[FieldPath, dict[str, Pulled]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


class Mirroring:
    """Rewrites the objects of clusters; clusters with the same mirrors share the result."""

    def __init__(self) -> None:
        self._done: dict[Manifest, dict[tuple[Mirrors, bool], Manifest]] = {}
        self._told = SharedFindings()

    def objects(self, cluster: Cluster, manifests: list[Manifest]) -> list[Manifest]:
        """Return the objects with their images as the cluster pulls them.

        A hub names images of Modules for all of its spokes by its own mirrors. A ManifestWork goes to one spoke, whose
        mirrors hold in it.
        """
        spokes = {spoke.name: spoke for spoke in cluster.spokes}
        if not cluster.mirrors and not any(spoke.mirrors for spoke in spokes.values()):
            return manifests
        dockerfiles = {item.identity.name: item for item in manifests if _holds_dockerfile(item)}
        return [self._placed(cluster, spokes, item, dockerfiles) for item in manifests]

    def findings(self) -> Iterator[Finding]:
        """Yield a warning about each image that a cluster pulls from its source although it has a mirror of that."""
        yield from self._told.findings()

    def forget(self, manifests: Iterable[Manifest]) -> None:
        """Drop what was made of objects that no other cluster will have."""
        for manifest in manifests:
            self._done.pop(manifest, None)
            for carried in manifest.elsewhere.values():
                self.forget(carried)

    def _placed(
        self, cluster: Cluster, spokes: Mapping[str, Cluster], manifest: Manifest, dockerfiles: Mapping[str, Manifest]
    ) -> Manifest:
        """The object, and what other clusters get through it."""
        is_of_spoke = manifest.identity.kind == MANIFEST_WORK[1]
        puller = spokes.get(manifest.identity.namespace, cluster) if is_of_spoke else cluster
        made = self._object(puller, manifest, dockerfiles)
        elsewhere = {
            name: [self._carried(puller, item, dockerfiles) for item in items] if puller.mirrors else items
            for name, items in manifest.elsewhere.items()
        }
        return replace(made, elsewhere=elsewhere) if elsewhere and puller.mirrors else made

    def _carried(self, puller: Cluster, manifest: Manifest, dockerfiles: Mapping[str, Manifest]) -> Manifest:
        """What another cluster gets through an object, without what the object itself has been told already."""
        return self._rewritten(manifest, puller, dockerfiles)

    def _object(self, cluster: Cluster, manifest: Manifest, dockerfiles: Mapping[str, Manifest]) -> Manifest:
        told: list[Finding] = []
        made = self._rewritten(manifest, cluster, dockerfiles, told)
        self._told.add(manifest, (cluster.mirrors, _builds_by_nodes(cluster)), cluster.name, lambda: told)
        return made

    def _rewritten(
        self,
        manifest: Manifest,
        cluster: Cluster,
        dockerfiles: Mapping[str, Manifest],
        findings: list[Finding] | None = None,
    ) -> Manifest:
        """The object as the cluster pulls its images. What is found goes to `findings`, if it was not made before."""
        told = not _builds_by_nodes(cluster)
        known = self._done.setdefault(manifest, {})
        if (cluster.mirrors, told) not in known:
            found = _rewriting(manifest, cluster.mirrors, dockerfiles, told=told and findings is not None)
            known[cluster.mirrors, told] = _applied(manifest, found)
            if findings is not None:
                findings += found.findings
        return known[cluster.mirrors, told]


def _holds_dockerfile(manifest: Manifest) -> bool:
    return manifest.identity.kind == "ConfigMap" and KEY in as_map(manifest.value.get("data"))


def _builds_by_nodes(cluster: Cluster) -> bool:
    """Whether builds know the mirrors of the nodes: those of OpenShift do, which Red Hat's KMM makes use of.

    Source: pkg/build/controller/build of openshift/openshift-controller-manager, which gives builds the mirror sets.
    """
    is_redhat = cluster.kmm is not None and cluster.kmm.flavour == "redhat"
    return cluster.mirror_objects and cluster.platform == "openshift" and is_redhat


def _rewriting(manifest: Manifest, mirrors: Mirrors, dockerfiles: Mapping[str, Manifest], *, told: bool) -> _Rewriting:
    found = _Rewriting()
    for path, image in image_fields(manifest.value):
        if (item := _pulled(manifest, image, mirrors)) is not None:
            found.images[path] = item
        elif (other := only_mirrored_otherwise(image, mirrors)) is not None:
            found.findings.append(_other_type(manifest, path, image, other))
    if kind_of(manifest.value) in MODULE_KINDS:
        for build in builds(ModuleView(manifest.value)):
            source = dockerfiles.get(build.config_map)
            moved = _arguments(build, source, mirrors)
            _place(build, moved, found)
            if source is not None and told:
                found.findings += (_fixed(source, item) for item in moved.fixed)
    return found


def _pulled(manifest: Manifest, image: str, mirrors: Mirrors) -> Pulled | None:
    """The image as it is pulled. The Module's name in it is filled in only where that decides which mirror it is on."""
    found = pulled(image, mirrors)
    if "${MOD_NAME" not in image:
        return found
    metadata = metadata_of(manifest.value)
    named = image.replace("${MOD_NAME}", str(metadata.get("name", "")))
    if namespace := metadata.get("namespace"):
        named = named.replace("${MOD_NAMESPACE}", str(namespace))
    other = pulled(named, mirrors)
    return found if other is None or (found is not None and other.mirror == found.mirror) else other


def _arguments(build: Build, source: Manifest | None, mirrors: Mirrors) -> Arguments:
    """The arguments of a build that change. Without its Dockerfile, those are taken that are whole references."""
    dockerfile = None if source is None else dockerfile_of(source.value)
    if dockerfile is not None:
        return arguments(dockerfile, build.values, mirrors)
    values = {name: item for name, text in build.values.items() if (item := _whole_reference(text, mirrors))}
    return Arguments(values)


def _whole_reference(text: str, mirrors: Mirrors) -> Pulled | None:
    parsed = parse_image(text)
    is_whole = parsed is not None and parsed.registry and (parsed.tag or parsed.digest)
    return pulled(text, mirrors) if is_whole else None


def _place(build: Build, moved: Arguments, found: _Rewriting) -> None:
    """Put the arguments where the build has them; others, and those that two builds want to differ, are added to it."""
    for name, item in moved.values.items():
        path = build.arguments.get(name)
        if path is not None and found.images.setdefault((*path, "value"), item) == item:
            continue
        found.added.setdefault(build.path, {})[name] = item


def _applied(manifest: Manifest, found: _Rewriting) -> Manifest:
    if not (found.images or found.added):
        return manifest
    value: JsonMap = copy.deepcopy(manifest.value)
    mirrors: dict[FieldPath, Mirror] = {}
    causes: dict[FieldPath, FieldPath] = {}
    for path, item in found.images.items():
        holder: Any = value_at(value, path[:-1])
        holder[path[-1]] = item.reference
        mirrors[path] = item.mirror
    for place, items in found.added.items():
        block: Any = value_at(value, place)
        block["buildArgs"] = [*(block.get("buildArgs") or ())]
        for name, item in items.items():
            path = (*place, "buildArgs", len(block["buildArgs"]))
            block["buildArgs"].append({"name": name, "value": item.reference})
            mirrors[(*path, "value")] = item.mirror
            causes[path] = (*place, "dockerfileConfigMap", "name")
    trace = _traced(manifest.trace, causes) if causes else manifest.trace
    return replace(manifest, value=value, trace=trace, unmirrored=manifest, mirrors=mirrors)


def _traced(
    trace: Callable[[FieldPath], Origin], causes: Mapping[FieldPath, FieldPath]
) -> Callable[[FieldPath], Origin]:
    """Origins where arguments that no spec has come from the Dockerfile that declares them."""

    def traced(path: FieldPath) -> Origin:
        return trace(next((place for added, place in causes.items() if path[: len(added)] == added), path))

    return traced


def _fixed(source: Manifest, item: Fixed) -> Finding:
    why = "no build argument can give it the mirror's name, and builders ignore the mirrors of nodes"
    finding = Finding(
        "IMG402",
        f"{item.image} is pulled from {item.mirror.source}: {why}",
        f"{item.fix}; render sets the argument to the name on {item.mirror.mirror}",
        str(source.identity),
        line=item.line,
        severity=Severity.WARNING,
        mode=Mode.WARN,
    )
    return source.at_origin(finding, _DOCKERFILE)


def _other_type(manifest: Manifest, path: FieldPath, image: str, mirror: Mirror) -> Finding:
    has, wanted = mirror.references, references_of(image)
    finding = Finding(
        "IMG403",
        f"{image} is pulled from {mirror.source}: the mirror {mirror.mirror} is of type {has} only",
        f"add a mirror of type {wanted} for {mirror.source} to the cluster, or name the image by {has}",
        str(manifest.identity),
        severity=Severity.WARNING,
        mode=Mode.WARN,
    )
    return manifest.at_origin(finding, path)
