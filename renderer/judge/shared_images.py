"""One image name with different content: clusters or drivers that make it in another way, or for another kernel.

Whoever comes first makes the image, and all others get it: KMM asks only whether the name exists.
Source: internal/controllers/mic_reconciler.go of Kernel Module Management.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding, title
from kmodgate.policy.kmm.kernel import trimmed
from kmodgate.policy.kmm.resolution.resolve import image_inputs
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.node_placement import Placement
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.deliveries.delivery import driver_of
from kmodgate.renderer.fleet.clusters.nodes import nodes_of
from kmodgate.renderer.fleet.specs import Cluster
from kmodgate.renderer.manifests.manifest import Identity, Manifest

ID = "IMG401"

_OF_CLUSTER = lazy_regex(r"[^/]*\.svc(?:\.[a-z0-9.-]+)?(?::[0-9]+)?/|localhost(?::[0-9]+)?/|127\.")
"""Registries that every cluster has one of its own of."""

_WHOLE_KERNEL = lazy_regex(r"\$\{?KERNEL_(?:FULL_)?VERSION\b")

_WHAT = {
    "build": "built",
    "sign": "signed",
    "dockerfileConfigMap": "another Dockerfile",
    "buildArgs": "other build arguments",
    "keySecret": "another key",
    "certSecret": "another certificate",
    "filesToSign": "other files to sign",
    "unsignedImage": "another unsigned image",
}


_Texts = Mapping[Identity, object]
"""The data of the objects of a cluster; the text of a Dockerfile is that of its ConfigMap."""


_Name = tuple[str, ...]
"""The name of an image, and what tells its kernels apart where the name has the whole kernel."""


@dataclass(frozen=True, slots=True)
class _Image:
    """An image that a Module makes, the field that names it, and what it is made of, Dockerfiles by name."""

    name: _Name
    path: FieldPath
    index: int
    inputs: Mapping[str, Mapping[str, Any]]

    @property
    def is_of_all(self) -> bool:
        """Whether it is the same for all kernels, so that the clusters of one Module can be in each other's way."""
        return "$" not in self.name[0]


@dataclass(frozen=True, slots=True)
class _Made:
    """An image that a Module builds or signs on a cluster; its inputs have the texts of the Dockerfiles there."""

    cluster: str
    manifest: Manifest
    image: _Image

    @property
    def content(self) -> str:
        return json.dumps(self.image.inputs, sort_keys=True)


class ImageSummary:
    """Which image names may be made in two ways, of a fleet whose parts come one after the other; it keeps no part.

    Of a name it keeps a hash of what the image is made of. Equal hashes of different contents would hide a finding,
    which happens to one pair in 2^64.
    """

    def __init__(self) -> None:
        self._made: dict[int, tuple[int, frozenset[str]]] = {}
        self._images: WeakKeyDictionary[Manifest, list[tuple[_Image, int]]] = WeakKeyDictionary()
        self.suspicious: set[int] = set()
        """Hashes of the names that are made with different contents, or for different kernels."""

    def add(self, compiled: CompiledFleet) -> None:
        """Add the images of a fleet or of a part of it."""
        placements = _Placements(compiled.fleet.clusters)
        for cluster in compiled.fleet.clusters:
            manifests = compiled.of_drivers[cluster.name]
            texts = {item.identity: item.value.get("data") for item in manifests if item.identity.kind == "ConfigMap"}
            for manifest in manifests:
                for image, known in self._of(manifest):
                    made = _Made(cluster.name, manifest, image)
                    kernels = frozenset(placements.kernels(made)) if image.is_of_all else frozenset()
                    source = _dockerfile(image, manifest)
                    text = as_map(texts[source]) if source in texts else {"": source.name}
                    content = hash((known, *((key, str(text[key])) for key in sorted(text))))
                    if self._made.setdefault(hash(image.name), (content, kernels)) != (content, kernels):
                        self.suspicious.add(hash(image.name))

    def _of(self, manifest: Manifest) -> list[tuple[_Image, int]]:
        """The images that an object makes, each with a hash of what it is made of beside the Dockerfile's text."""
        if not driver_of(manifest.value):
            return []
        if manifest not in self._images:  # clusters share objects
            self._images[manifest] = [
                (
                    image,
                    hash(json.dumps(_with_text(image, manifest, {_dockerfile(image, manifest): None}), sort_keys=True)),
                )
                for image in _images(manifest)
            ]
        return self._images[manifest]

    def makers(self, parts: Iterable[CompiledFleet]) -> tuple[list[Cluster], dict[str, list[Manifest]]]:
        """Return the clusters of all parts, and what makes the suspicious images there: Modules and Dockerfiles."""
        found: dict[str, list[Manifest]] = {}
        clusters: list[Cluster] = []
        for part in parts:
            clusters += part.fleet.clusters
            for name, manifests in part.of_drivers.items():
                makers = [(item, image) for item in manifests for image, _ in self._of(item)]
                makers = [(item, image) for item, image in makers if hash(image.name) in self.suspicious]
                needed = {_dockerfile(image, item) for item, image in makers}
                modules = {item for item, _ in makers}
                found[name] = [item for item in manifests if item in modules or item.identity in needed]
        return clusters, found


def image_findings(
    clusters: Sequence[Cluster], objects: Mapping[str, Sequence[Manifest]]
) -> Iterator[tuple[Manifest, Finding]]:
    """Yield an error for each image name that is made in two ways, where it is made in another way than the first."""
    placements = _Placements(clusters)
    for (image, *_), (first, *others) in _made_more_than_once(clusters, objects).items():
        alike: dict[tuple[Manifest, FieldPath], list[_Made]] = {}
        content = first.content
        for item in others:
            if item.content != content:
                alike.setdefault((item.manifest, item.image.path), []).append(item)
        for (manifest, path), items in alike.items():
            names = tuple(dict.fromkeys(item.cluster for item in items))
            finding = manifest.at_origin(_finding(image, first, items[0]), path)
            yield manifest, replace(finding, clusters=names)
        if not alike and "$" not in image:
            yield from _of_other_kernels(image, first, others, placements)


def _of_other_kernels(
    image: str, first: _Made, others: Iterable[_Made], placements: _Placements
) -> Iterator[tuple[Manifest, Finding]]:
    """Yield an error for the images of a name that are made for other kernels than on another cluster.

    Those of one Module are MAP205's.
    """
    known = placements.kernels(first)
    for item in others if known else ():
        new = sorted(placements.kernels(item) - known)
        if new and (item.cluster != first.cluster or item.manifest is not first.manifest):
            what = f"{image} is made for {min(known)} on {first.cluster}, and for {new[0]} here"
            fix = "put ${KERNEL_FULL_VERSION} into the tag"
            finding = Finding(ID, f"{what}; who comes first makes it for all", fix, title(item.manifest.value))
            yield item.manifest, replace(item.manifest.at_origin(finding, item.image.path), clusters=(item.cluster,))


class _Placements:
    """The kernels of clusters that mappings are for."""

    def __init__(self, clusters: Iterable[Cluster]) -> None:
        self._clusters = {cluster.name: cluster for cluster in clusters}
        self._winners: dict[tuple[str, int], Mapping[str, int | None]] = {}

    def kernels(self, made: _Made) -> set[str]:
        """Return the known kernels for which an image is made: that of a literal, or those of nodes."""
        mapping = as_map(_mappings(_container(made.manifest))[made.image.index])
        if literal := mapping.get("literal"):
            return {str(literal)}
        key = made.cluster, id(made.manifest)
        if key not in self._winners:
            nodes = nodes_of(self._clusters[made.cluster])
            self._winners[key] = Placement(ModuleView(made.manifest.value), nodes).winners
        return {trimmed(kernel) for kernel, index in self._winners[key].items() if index == made.image.index}


def _made_more_than_once(
    clusters: Iterable[Cluster], objects: Mapping[str, Sequence[Manifest]]
) -> dict[_Name, list[_Made]]:
    """Return the images that several mappings or clusters may make; what most of them make is nobody else's."""
    everything = (item for manifests in objects.values() for item in manifests if driver_of(item.value))
    drivers = list(dict.fromkeys(everything))
    times = Counter(image.name for manifest in drivers for image in _images(manifest))
    shared = {item: [image for image in _images(item) if image.is_of_all or times[image.name] > 1] for item in drivers}
    made: dict[_Name, list[_Made]] = {}
    for cluster in clusters:
        manifests = objects[cluster.name]
        pairs = [(item, image) for item in manifests for image in shared.get(item, ())]
        texts = {item.identity: item.value.get("data") for item in manifests} if pairs else {}
        for manifest, image in pairs:
            there = replace(image, inputs=_with_text(image, manifest, texts))
            made.setdefault(image.name, []).append(_Made(cluster.name, manifest, there))
    return made


def _finding(image: str, first: _Made, item: _Made) -> Finding:
    there = first.cluster if first.cluster != item.cluster else title(first.manifest.value)
    what = f"{image} has other content here than on {there} ({_difference(first, item)})"
    fix = "set contentTag: true, which gives each content a tag of its own, or give one of the two another name"
    return Finding(ID, f"{what}; who comes first makes it for all", fix, title(item.manifest.value))


def _images(manifest: Manifest) -> Iterator[_Image]:
    """Yield the images that a Module builds or signs."""
    container = _container(manifest)
    written = _container(manifest.unmirrored or manifest)  # an image is the same, whichever mirror its base comes from
    base: FieldPath = ("spec", "moduleLoader", "container")
    metadata = as_map(manifest.value["metadata"])
    for index, (mapping, as_written) in enumerate(zip(_mappings(container), _mappings(written), strict=True)):
        own = mapping.get("containerImage")
        image = str(own or container.get("containerImage") or "")
        inputs = image_inputs(written, as_written)
        if not inputs or not image or "@" in image or _OF_CLUSTER.match(image):
            continue
        path = (*base, "kernelMappings", index, "containerImage") if own else (*base, "containerImage")
        name = image.replace("${MOD_NAME}", str(metadata["name"]))
        name = name.replace("${MOD_NAMESPACE}", str(metadata.get("namespace", "")))
        # with the whole kernel in its name an image is another one for each: only the same kernels can collide
        kernels = (mapping.get("literal") or "", mapping.get("regexp") or "") if _WHOLE_KERNEL.search(image) else ()
        yield _Image((name, *kernels), path, index, inputs)


def _container(manifest: Manifest) -> Mapping[str, Any]:
    return as_map(as_map(as_map(manifest.value.get("spec")).get("moduleLoader")).get("container"))


def _mappings(container: Mapping[str, Any]) -> list[Any]:
    mappings = container.get("kernelMappings")
    return mappings if isinstance(mappings, list) else []


def _with_text(image: _Image, manifest: Manifest, texts: _Texts) -> Mapping[str, Mapping[str, Any]]:
    """The inputs with the Dockerfile's text in place of the ConfigMap's name, which is the driver's own."""
    identity = _dockerfile(image, manifest)
    if not identity.name or identity not in texts:
        return image.inputs
    return {**image.inputs, "build": {**image.inputs["build"], "dockerfileConfigMap": texts[identity]}}


def _dockerfile(image: _Image, manifest: Manifest) -> Identity:
    """The ConfigMap with the Dockerfile of an image; its name is empty where nothing is built."""
    name = as_map(as_map(image.inputs.get("build")).get("dockerfileConfigMap")).get("name")
    return Identity("", "ConfigMap", manifest.identity.namespace, str(name or ""))


def _difference(first: _Made, second: _Made) -> str:
    """What differs, in words."""
    for block in ("build", "sign"):
        one, two = first.image.inputs.get(block), second.image.inputs.get(block)
        if one is None or two is None:
            if one is not two:
                return f"not {_WHAT[block]} here" if two is None else f"{_WHAT[block]} here only"
            continue
        for key in (*one, *two):
            if one.get(key) != two.get(key):
                return _WHAT[key]
    return "other content"
