"""One view of a Pod, or of the pods that a workload makes, read once a review and shared by all rules.

Parts of another shape than Kubernetes allows read as empty: nothing here ever raises.
"""

from __future__ import annotations

import posixpath

from kmodgate.policy.findings import FieldPath
from kmodgate.policy.lazy import lazy
from kmodgate.policy.views.part import EMPTY, Map, Part

TEMPLATES: dict[str, FieldPath] = {
    "apps/Deployment": ("spec", "template"),
    "apps/DaemonSet": ("spec", "template"),
    "apps/StatefulSet": ("spec", "template"),
    "apps/ReplicaSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "batch/Job": ("spec", "template"),
    "batch/CronJob": ("spec", "jobTemplate", "spec", "template"),
}
"""Kind of a workload, as a review names it → where the template of its pods stands."""

WORKLOAD_KINDS = tuple(TEMPLATES)
POD_KINDS = ("Pod", *WORKLOAD_KINDS)

EPHEMERAL = "ephemeralContainers"
CONTAINER_LISTS = ("initContainers", "containers", EPHEMERAL)

MIRROR = "kubernetes.io/config.mirror"
"""The annotation of a pod that shows a static one: the kubelet runs that, whatever becomes of the mirror."""


class PodView:
    """A Pod, or the template of the pods that a workload makes; empty for any other kind.

    `kind` is the review's. `object` is the metadata of the object itself, `metadata` that of the pods: a template's
    has no namespace of its own.
    """

    def __init__(self, object: Map, kind: str) -> None:
        self.kind = kind
        self.is_template = kind in TEMPLATES
        root = Part(None, (), object if kind in POD_KINDS else EMPTY)
        self.object = root.map("metadata")
        holder = root
        for step in TEMPLATES.get(kind, ()):
            holder = holder.map(str(step))
        self.metadata = holder.map("metadata")
        self.spec = holder.map("spec")

    @lazy
    def containers(self) -> list[Part]:
        """Every container, whatever list it stands in: init, plain and ephemeral ones."""
        return [container for key in CONTAINER_LISTS for container in self.spec.maps(key)]

    @lazy
    def ephemeral(self) -> list[Part]:
        """The containers that were added to a running pod: the very parts that stand in `containers`."""
        return [container for container in self.containers if EPHEMERAL in container.path]

    @lazy
    def namespace(self) -> str:
        return self.object.text("namespace")

    @lazy
    def service_account(self) -> str:
        """The ServiceAccount's name; `default` where none is given, as the API server has it."""
        return self.spec.text("serviceAccountName") or self.spec.text("serviceAccount") or "default"

    @lazy
    def labels(self) -> dict[str, str]:
        return _strings(self.metadata.map("labels").value)

    @lazy
    def annotations(self) -> dict[str, str]:
        return _strings(self.metadata.map("annotations").value)

    @lazy
    def is_mirror(self) -> bool:
        return MIRROR in self.metadata.map("annotations").value

    @lazy
    def runtime_class(self) -> str:
        """The name of the RuntimeClass; empty means the cluster's default, which is no sandbox."""
        return self.spec.text("runtimeClassName")

    @lazy
    def node_selector(self) -> dict[str, str]:
        return _strings(self.spec.map("nodeSelector").value)

    @lazy
    def controllers(self) -> list[tuple[str, str]]:
        """API group and kind of what owns the pod as its controller; Kubernetes allows one."""
        return [
            (owner.text("apiVersion").rpartition("/")[0], owner.text("kind"))
            for owner in self.object.maps("ownerReferences")
            if owner.value.get("controller") is True
        ]

    @lazy
    def host_processes(self) -> list[Part]:
        """The pod and the containers that are processes of a Windows node, as any of its own (HostProcess)."""
        holders = [self.spec.map("securityContext"), *(security for _, security in self.securities)]
        options = [item for holder in holders if (item := holder.optional("windowsOptions")) is not None]
        return [item for item in options if item.value.get("hostProcess") is True]

    @lazy
    def volumes(self) -> list[Part]:
        return self.spec.maps("volumes")

    @lazy
    def sources(self) -> dict[str, list[tuple[Part, Part]]]:
        """The volumes that rules look at, each with what it is made from, by the key of that, such as `hostPath`."""
        found: dict[str, list[tuple[Part, Part]]] = {}
        for volume in self.volumes:
            for key in _SOURCES.intersection(volume.value):  # none of most: secrets, ConfigMaps and tokens
                if (source := volume.optional(key)) is not None:
                    found.setdefault(key, []).append((volume, source))
        return found

    @lazy
    def securities(self) -> list[tuple[Part, Part]]:
        """The containers that say something of their security, each with that part, the `securityContext`."""
        return [
            (container, container.map("securityContext"))
            for container in self.containers
            if type(value := container.value.get("securityContext")) is dict and value
        ]

    @lazy
    def added_capabilities(self) -> list[tuple[Part, FieldPath, str]]:
        """The capabilities that containers ask for, as they are written: container, path, name."""
        return [
            (container, path, name)
            for container, security in self.securities
            if "capabilities" in security.value
            for path, name in security.map("capabilities").texts("add")
        ]

    @lazy
    def host_paths(self) -> list[tuple[Part, str]]:
        """The volumes that are folders or files of the node, each with its path without `..` and double slashes."""
        return [(volume, clean(host.text("path"))) for volume, host in self.sources.get("hostPath", ())]

    @lazy
    def mounts(self) -> list[tuple[Part, Part]]:
        """The volume mounts, each with its container."""
        return [(container, mount) for container in self.containers for mount in container.maps("volumeMounts")]

    @lazy
    def host_mounts(self) -> list[tuple[str, Part, Part]]:
        """The paths of the node that containers mount: path, container, mount. Of volumes of one name one counts.

        The path is that of the `subPath`, where there is one; of a `subPathExpr` nobody knows, and it is the volume's.
        """
        paths = {volume.text("name"): path for volume, path in self.host_paths}
        found = ((paths.get(mount.text("name")), container, mount) for container, mount in self.mounts)
        return [(_inner(path, mount), container, mount) for path, container, mount in found if path is not None]

    @lazy
    def inline_csi(self) -> list[tuple[Part, str]]:
        """The volumes that a CSI driver makes for this pod alone, each as the part `csi` with the driver's name."""
        return [(part, part.text("driver")) for _, part in self.sources.get("csi", ())]

    @lazy
    def node_drivers(self) -> list[tuple[Part, str]]:
        """The volumes that a program of the node makes as root by the pod's own parameters: FlexVolumes and gitRepo."""
        if self.sources.keys().isdisjoint(_OF_NODES):
            return []
        found = ((volume, key) for volume in self.volumes for key in _OF_NODES)
        return [(volume.map(key), key) for volume, key in found if volume.optional(key) is not None]

    @lazy
    def claims(self) -> list[tuple[Part, str, str]]:
        """The fields of volumes that are PersistentVolumeClaims: part and key of each, with the claim's name.

        A claim of a pod's own (`ephemeral`) has its name by pod and volume; what makes pods does not know it.
        """
        named = self.sources.get("persistentVolumeClaim", ())
        found = [(part, "claimName", part.text("claimName")) for _, part in named]
        pod = "" if self.is_template else self.object.text("name")
        own = self.sources.get("ephemeral", ()) if pod else ()
        return found + [(volume, "ephemeral", f"{pod}-{volume.text('name')}") for volume, _ in own]

    @lazy
    def block_devices(self) -> list[tuple[Part, Part]]:
        """The volumes that containers have as devices, each with its container."""
        return [(container, device) for container in self.containers for device in container.maps("volumeDevices")]

    @lazy
    def is_in_user_namespace(self) -> bool:
        """Whether root in the pod is nobody on the node, so that its capabilities are those of its own namespaces."""
        return self.spec.value.get("hostUsers") is False

    @lazy
    def privileged(self) -> list[Part]:
        """The containers that are privileged, which have every capability."""
        return [container for container, security in self.securities if security.value.get("privileged") is True]

    @lazy
    def host_namespaces(self) -> list[str]:
        """The fields of the pod that share a namespace with the node."""
        return [key for key in ("hostNetwork", "hostPID", "hostIPC") if self.spec.value.get(key) is True]

    def values_of(self, variable: str) -> list[str]:
        """The values that the containers are given for an environment variable; those from elsewhere are not known."""
        return [
            item.text("value")
            for container in self.containers
            for item in container.maps("env")
            if item.value.get("name") == variable
        ]


_OF_NODES = ("flexVolume", "gitRepo")
_SOURCES = frozenset((*_OF_NODES, "csi", "ephemeral", "hostPath", "persistentVolumeClaim"))


def is_privileged(container: Part) -> bool:
    return container.map("securityContext").value.get("privileged") is True


def _inner(path: str, mount: Part) -> str:
    """The clean path that a mount shows of a folder of the node."""
    inner = mount.text("subPath")
    return clean(f"{path}/{inner}") if inner else path


def clean(path: str) -> str:
    """An absolute path in its shortest form; `//` at its beginning, which POSIX keeps, is one slash to Linux."""
    return posixpath.normpath(f"/{path.lstrip('/')}")


def is_below(path: str, folder: str) -> bool:
    """Whether a clean path is a folder or lies in it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _strings(value: Map) -> dict[str, str]:
    return {key: text for key, text in value.items() if type(key) is str and type(text) is str}
