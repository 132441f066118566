"""The pod of a DaemonSet: its containers by what they do, the kernel and the nodes that it selects, its files.

Sources: Kubernetes, PodSpec; source/kernel of Node Feature Discovery.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from functools import cached_property

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kmm.in_tree_modules import NAMES as IN_TREE
from kmodgate.policy.kmm.nodes.kernel_labels import KERNEL_ANNOTATION, KERNEL_LABEL_ANNOTATION, NFD_LABEL
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.objects.reading import Found, Objects
from kmodgate.renderer.importer.translating.commands.load_commands import Loading, read_loading
from kmodgate.renderer.importer.translating.containers import Place, ending_commands, starting_commands
from kmodgate.renderer.importer.translating.daemon_sets.rendered_loaders import HOLDER, LOADER, rendered_loading
from kmodgate.renderer.importer.translating.draft import KERNEL_IN_TEXT, label_value, name_of
from kmodgate.renderer.manifests.manifest import DRIVER_LABEL, Identity

POD: FieldPath = ("spec", "template", "spec")

_KERNEL = lazy_regex(r"\d+\.\d+\.\d+[-._+A-Za-z0-9]*")
_MODULE_FOLDERS = ("/lib/modules", "/usr/lib/modules")
_SOCKETS = "/var/lib/kubelet/device-plugins"
_LOADERS = {"modprobe", "insmod", "rmmod", "kmod"}
_NFD_KERNEL = lazy_regex(r".*kernel-version\.full|.*kernel(?:-?version)?", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class LoaderPod:
    """What one DaemonSet runs on the nodes of one kernel, or of any."""

    found: Found
    objects: Objects = field(repr=False)

    @cached_property
    def spec(self) -> JsonMap:
        return map_of(map_of(map_of(self.found.value.get("spec")).get("template")).get("spec"))

    @property
    def driver(self) -> str:
        """The driver for which kmodgate rendered the DaemonSet; empty for one of others."""
        return str(self.found.metadata("labels").get(DRIVER_LABEL, ""))

    @property
    def plugin_of(self) -> str:
        """The driver whose device plugin kmodgate rendered a DaemonSet of its own for; empty for any other."""
        if self.driver or self.found.metadata("labels").get("app.kubernetes.io/managed-by") != "kmodgate":
            return ""
        template = map_of(map_of(self.found.value.get("spec")).get("template"))
        return str(map_of(map_of(template.get("metadata")).get("labels")).get(DRIVER_LABEL, ""))

    @cached_property
    def containers(self) -> list[Place]:
        """All containers, those that run first at the beginning."""
        return [
            Place(item, self.found, (*POD, key, index))
            for key in ("initContainers", "containers")
            for index, item in enumerate(items_of(self.spec.get(key)))
            if isinstance(item, dict)
        ]

    @cached_property
    def loaders(self) -> list[Place]:
        """The containers whose commands load or unload kernel modules."""
        if self.driver:
            return [item for item in self.containers if item.value.get("name") in (LOADER, HOLDER)]
        return [item for item in self.containers if self._runs_loader(item)]

    def _runs_loader(self, container: Place) -> bool:
        files = self.files(container)
        commands = (*starting_commands(container, files), *ending_commands(container, files))
        return any(command.program in _LOADERS for command in commands)

    @cached_property
    def loader(self) -> Place | None:
        """The container whose image is loaded from: the first that loads, else the first that unloads."""
        if self.driver:
            return self.loaders[0] if self.loaders else None
        loading = (item for item in self.loaders if self._loading_of([item]).modules)
        return next(loading, self.loaders[0] if self.loaders else None)

    @cached_property
    def loading(self) -> Loading:
        """What the pod loads and unloads. Without -d, modprobe looks into /lib/modules, which may be the image's."""
        if self.driver and self.loader is not None:
            return rendered_loading(self.loader.value)
        result = self._loading_of(self.loaders)
        if result.directory is None and result.modules and not result.files and not self._hides_modules(self.loader):
            result.directory = "/"
        return result

    def _loading_of(self, containers: list[Place]) -> Loading:
        starting = [command for item in containers for command in starting_commands(item, self.files(item))]
        ending = [command for item in containers for command in ending_commands(item, self.files(item))]
        return read_loading(starting, ending)

    @cached_property
    def plugin(self) -> Place | None:
        """The container that serves a device to the kubelet."""
        return next((item for item in self.containers if self._is_plugin(item)), None)

    def _is_plugin(self, container: Place) -> bool:
        sockets = {name for name, path in self.host_paths.items() if path.rstrip("/") == _SOCKETS}
        mounts = {name_of(item) for item in items_of(container.value.get("volumeMounts"))}
        return "containers" in container.path and container is not self.loader and bool(sockets & mounts)

    @cached_property
    def host_paths(self) -> dict[str, str]:
        """The folders of the node that the pod mounts, by the names of the volumes."""
        volumes = (map_of(item) for item in items_of(self.spec.get("volumes")))
        return {
            str(item.get("name")): str(map_of(item["hostPath"]).get("path")) for item in volumes if "hostPath" in item
        }

    def volume_for_loader(self, container: Place) -> str:
        """Return the volume in which an init container leaves files for the loader; empty where there is none."""
        volumes = (map_of(item) for item in items_of(self.spec.get("volumes")))
        names = {str(item.get("name")) for item in volumes if "emptyDir" in item}
        for place in (container, *(() if self.loader is None else (self.loader,))):
            names &= {name_of(item) for item in items_of(place.value.get("volumeMounts"))}
        return min(names, default="") if "initContainers" in container.path else ""

    def files(self, container: Place) -> dict[str, str]:
        """Return the texts of the ConfigMaps that a container mounts, by their paths in it."""
        result: dict[str, str] = {}
        for mount in map(map_of, items_of(container.value.get("volumeMounts"))):
            for volume in map(map_of, items_of(self.spec.get("volumes"))):
                if volume.get("name") == mount.get("name") and "configMap" in volume:
                    result |= self._mounted(map_of(volume["configMap"]), mount)
        return result

    def _mounted(self, source: JsonMap, mount: JsonMap) -> Iterator[tuple[str, str]] | dict[str, str]:
        name = str(source.get("name"))
        found = self.objects.get(Identity("", "ConfigMap", self.found.identity.namespace, name))
        data = map_of(found.value.get("data")) if found is not None else {}
        items = [map_of(item) for item in items_of(source.get("items"))]
        paths = {str(item.get("key")): str(item.get("path")) for item in items} or {key: key for key in data}
        at, inner = str(mount.get("mountPath")).rstrip("/"), mount.get("subPath")
        return {
            (at if inner == path else f"{at}/{path}"): text
            for key, path in paths.items()
            if isinstance(text := data.get(key), str) and inner in (None, "", path)
        }

    def loads_the_nodes_own(self) -> bool:
        """Whether the kernel modules are the node's, not the image's.

        That is where a command runs in the node's root, or where the node's /lib/modules lies over the image's and no
        command names another folder.
        """
        loading = self.loading
        if loading.on_node:
            return True
        is_said = loading.directory not in (None, "/") or bool(loading.files)
        return not is_said and self._hides_modules(self.loader) and in_kernel_form(loading.module) in IN_TREE

    def _hides_modules(self, container: Place | None) -> bool:
        """Whether the node's /lib/modules lies over that of the image."""
        over = {name for name, path in self.host_paths.items() if path.rstrip("/") in ("", *_MODULE_FOLDERS)}
        mounts = [] if container is None else map(map_of, items_of(container.value.get("volumeMounts")))
        return any(item.get("name") in over and item.get("mountPath") in _MODULE_FOLDERS for item in mounts)

    @cached_property
    def selector(self) -> dict[str, tuple[Json, FieldPath]]:
        """The labels of the nodes, each with its place: the node selector, and what of an affinity says the same."""
        place: FieldPath = (*POD, "nodeSelector")
        result = {
            str(key): (label_value(item), (*place, key)) for key, item in map_of(self.spec.get("nodeSelector")).items()
        }
        terms, path = self._affinity_terms
        expressions = items_of(map_of(terms[0]).get("matchExpressions")) if len(terms) == 1 else []
        for index, item in enumerate(map(map_of, expressions)):
            values = items_of(item.get("values"))
            if item.get("operator") == "In" and len(values) == 1:
                result.setdefault(str(item.get("key")), (label_value(values[0]), (*path, 0, "matchExpressions", index)))
        return result

    @cached_property
    def _affinity_terms(self) -> tuple[list[Json], FieldPath]:
        required = "requiredDuringSchedulingIgnoredDuringExecution"
        node = map_of(map_of(self.spec.get("affinity")).get("nodeAffinity"))
        terms = items_of(map_of(node.get(required)).get("nodeSelectorTerms"))
        return terms, (*POD, "affinity", "nodeAffinity", required, "nodeSelectorTerms")

    def affinity_is_carried(self) -> bool:
        """Whether the affinity says nothing that the labels of the nodes do not say as well."""
        affinity = map_of(self.spec.get("affinity"))
        terms, _ = self._affinity_terms
        if not affinity:
            return True
        node = map_of(affinity.get("nodeAffinity"))
        one = map_of(terms[0]) if len(terms) == 1 else {}
        expressions = [map_of(item) for item in items_of(one.get("matchExpressions"))]
        simple = all(item.get("operator") == "In" and len(items_of(item.get("values"))) == 1 for item in expressions)
        return affinity.keys() == {"nodeAffinity"} and len(node) == 1 and one.keys() == {"matchExpressions"} and simple

    @cached_property
    def kernel_label(self) -> str:
        """The key of the label that names the kernel of the nodes; empty where none does."""
        if self.driver:
            key = str(self.found.metadata("annotations").get(KERNEL_LABEL_ANNOTATION, ""))
            return key if key in self.selector else ""
        named = [
            key for key, (value, _) in self.selector.items()
            if isinstance(value, str) and _KERNEL.fullmatch(value) and _NFD_KERNEL.fullmatch(key.rpartition("/")[2])
        ]  # fmt: skip
        return min(named, key=lambda key: (key != NFD_LABEL, key), default="")

    @property
    def kernel(self) -> str:
        """The kernel of the nodes, as their label has it, else that in the tag of the image; empty for any kernel."""
        if self.driver and (kernel := self.found.metadata("annotations").get(KERNEL_ANNOTATION)):
            return str(kernel)
        if self.kernel_label:
            return str(self.selector[self.kernel_label][0])
        tag = str(self.loader.value.get("image")).rpartition("/")[2].partition(":")[2] if self.loader else ""
        match = KERNEL_IN_TEXT.search(tag)
        return match[0] if match else ""

    def is_of_modules(self, volume: str) -> bool:
        """Whether a volume is the node's own kernel modules, which every loader mounts."""
        return self.host_paths.get(volume, "").rstrip("/") in _MODULE_FOLDERS

    def is_of_sockets(self, volume: str) -> bool:
        """Whether a volume is the folder of the kubelet's sockets, which every device plugin gets."""
        return self.host_paths.get(volume, "").rstrip("/") == _SOCKETS
