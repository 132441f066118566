"""PLG: device plugins and DRA drivers whose pods would be refused, lose their identity, or own the node."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.formats.kubernetes_names import MAX_LABEL, is_dns1123_label, is_dns1123_subdomain, near_name
from kmodgate.policy.present import DRA, PLUGINS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule

_PRESET = {
    "devicePlugin": ("kubelet-device-plugins",),
    "dra": ("kubelet-plugins", "kubelet-plugins-registry", "cdi"),
}
_PRESET_MOUNT = ("devicePlugin", "/var/lib/kubelet/device-plugins")
_PRESET_ENV = (
    "NODE_NAME", "POD_UID", "CDI_ROOT", "KUBELET_REGISTRAR_DIRECTORY_PATH", "KUBELET_PLUGINS_DIRECTORY_PATH",
    "HEALTHCHECK_PORT",
)  # fmt: skip
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
_OWNING = (
    "/dev", "/run", "/var", "/var/run", "/var/lib", "/var/lib/kubelet", "/var/lib/kubelet/pods", "/var/lib/containers",
    "/var/lib/containerd", "/var/lib/etcd",
    "/run/containerd", "/run/crio", "/var/run/containerd", "/var/run/crio", "/run/docker.sock", "/var/run/docker.sock",
    "/run/containerd/containerd.sock", "/run/crio/crio.sock", "/var/run/containerd/containerd.sock",
    "/var/run/crio/crio.sock",
)  # fmt: skip


@rule("PLG101", needs=PLUGINS)
def mount_without_volume(review: Review) -> Iterator[Problem]:
    """A volume mount that names no volume. The DaemonSet is refused, and the Module shows nothing of it.

    Fix: add the volume, or correct the name.
    Source: validation of pods in Kubernetes; internal/controllers/device_plugin_reconciler.go of KMM.
    """
    volumes = {volume.text("name") for volume in review.module.volumes}
    for plugin, mount in review.module.mounts:
        preset, name = _PRESET[str(plugin.path[-1])], mount.text("name")
        if name in volumes or name in preset:
            continue
        known = sorted(filter(None, {*volumes, *preset}))
        better = near_name(name, known)
        fix = f"write {better}" if better else f"add it to volumes, or name one of: {', '.join(known[:8])}"
        problem = mount.problem("name", f"there is no volume {name!r}", fix)
        is_misnamed = better and not is_dns1123_label(better)  # the name of the volume is at fault
        yield problem._replace(told_by="PLG108") if is_misnamed or "" in volumes else problem


@rule("PLG107", needs=PLUGINS)
def two_mounts_at_one_path(review: Review) -> Iterator[Problem]:
    """Two mounts of a container at one path. The DaemonSet is refused, and the Module shows nothing of it.

    KMM itself mounts the folder of the kubelet's sockets at `/var/lib/kubelet/device-plugins` of a device plugin.

    Fix: mount one of the two elsewhere, or remove it.
    Source: validation of pods in Kubernetes; internal/controllers/device_plugin_reconciler.go of KMM.
    """
    seen: set[tuple[int, str]] = set()
    for container in review.module.containers:
        if container.path[-2:] == (_PRESET_MOUNT[0], "container"):
            seen.add((id(container.value), _PRESET_MOUNT[1]))
        for mount in container.maps("volumeMounts"):
            place = (id(container.value), mount.text("mountPath"))
            if place in seen:
                yield mount.problem("mountPath", f"{place[1]!r} is mounted twice", "mount one of the two elsewhere")
            seen.add(place)


@rule("PLG102", needs=PLUGINS)
def volume_name_taken(review: Review) -> Iterator[Problem]:
    """A volume with the name of one that KMM adds itself, or two volumes of one name. The DaemonSet is refused.

    Fix: choose another name.
    Source: internal/controllers/device_plugin_reconciler.go and the DRA reconciler of Kernel Module Management.
    """
    for plugin in review.module.plugins:
        seen = set(_PRESET[str(plugin.path[-1])])
        for volume in plugin.maps("volumes"):
            if volume.text("name") in seen:
                yield volume.problem("name", f"{volume.text('name')!r} is taken", "choose another name")
            seen.add(volume.text("name"))


@rule("PLG103", severity=Severity.WARNING, needs=PLUGINS)
def host_path_that_owns_the_node(review: Review) -> Iterator[Problem]:
    """A host path that gives the node away: the container runtime's socket, the kubelet's folder, all of /var.

    Device plugins are privileged anyway; a narrow path keeps a mistake in one small.

    Fix: mount only the device or folder that is needed: `/dev/acme0`, `/var/lib/kubelet/device-plugins`.
    Source: Kubernetes, Pod Security Standards.
    """
    for volume in review.module.volumes:
        mount = volume.optional("hostPath")
        if mount is not None and posixpath.normpath(mount.text("path") or ".").replace("//", "/") in _OWNING:
            yield mount.problem(
                "path", f"{mount.text('path')} gives away the node", "mount only what is needed below it"
            )


@rule("PLG104", needs=PLUGINS)
def mount_over_the_token(review: Review) -> Iterator[Problem]:
    """A mount at the path of the ServiceAccount's token, while the token is mounted there. The pods are refused.

    Fix: set `automountServiceAccountToken: false`, or mount somewhere else.
    Source: ServiceAccount admission of Kubernetes.
    """
    for plugin, mount in review.module.mounts:
        if "secrets" not in mount.text("mountPath") or plugin.value.get("automountServiceAccountToken") is False:
            continue
        path = posixpath.normpath(mount.text("mountPath"))
        if path == _TOKEN or path.startswith(f"{_TOKEN}/"):
            fix = "set automountServiceAccountToken: false, or mount somewhere else"
            yield mount.problem("mountPath", "the ServiceAccount's token is mounted there", fix)


@rule("PLG105", severity=Severity.INFO, needs=DRA)
def preset_variable(review: Review) -> Iterator[Problem]:
    """An environment variable that KMM sets for DRA drivers; the later value wins, and KMM mounts for its own.

    Fix: remove it.
    Source: DRA reconciler of Kernel Module Management.
    """
    dra = review.module.spec.optional("dra")
    if dra is not None:
        for variable in dra.map("container").maps("env"):
            if variable.text("name") in _PRESET_ENV:
                yield variable.problem("name", f"KMM sets {variable.text('name')} itself", "remove it")


_PULL_POLICIES = ("Always", "IfNotPresent", "Never")


@rule("PLG106", severity=Severity.WARNING)
def pull_policy(review: Review) -> Iterator[Problem]:
    """A pull policy that Kubernetes does not know. The pods are refused, and the Module shows nothing of it.

    Fix: use Always, IfNotPresent or Never.
    Source: core/v1 PullPolicy of Kubernetes.
    """
    for part in (review.module.container, *review.module.containers):
        text = part.text("imagePullPolicy")
        if text and text not in _PULL_POLICIES:
            meant = near_name(text, _PULL_POLICIES)
            fix = f"write {meant}" if meant else "use Always, IfNotPresent or Never"
            yield part.problem("imagePullPolicy", f"{text!r} is unknown", fix)


@rule("PLG112", needs=DRA)
def device_class_refused(review: Review) -> Iterator[Problem]:
    """A DeviceClass that the API server does not take. KMM fails to make it, and the Module shows nothing of it.

    That is a selector without an expression, or parameters for a driver whose name is none.

    Fix: correct it as the message says.
    Source: ValidateDeviceClass in pkg/apis/resource/validation/validation.go of Kubernetes.
    """
    for item in review.module.device_classes:
        for selector in item.maps("selectors"):
            if (cel := selector.optional("cel")) is not None and not cel.text("expression").strip():
                yield cel.problem("expression", "the expression is empty", "write it, or remove the selector")
        for config in item.maps("config"):
            opaque = config.optional("opaque")
            if opaque is not None and not _is_driver(name := opaque.text("driver")):
                better = name.strip().lower()
                fix = (
                    f"write {better}"
                    if _is_driver(better)
                    else f"use lower-case letters, digits, '-' and '.', {MAX_LABEL} at most"
                )
                yield opaque.problem("driver", f"{name!r} is not the name of a driver", fix)


def _is_driver(name: str) -> bool:
    return len(name) <= MAX_LABEL and is_dns1123_subdomain(name)
