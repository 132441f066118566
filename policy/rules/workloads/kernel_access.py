"""PRV: workloads beside KMM's that can load kernel modules, or change what the kernel will load.

Recorded, not refused: to find them comes before forbidding them. A pod that runs in Kata has a kernel of its own, and
is not meant. Approval is by namespace and ServiceAccount: a starter list, and `parameters.kernelAccess` of the policy.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster.module_loaders import is_approved
from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.node_files import decides_what_is_loaded, shows_modules, socket_in
from kmodgate.policy.views.part import Part
from kmodgate.policy.views.pod import POD_KINDS, is_privileged

_APPROVE = "take the right away, or approve the ServiceAccount: parameters.kernelAccess"

_MEMORY = ("/dev", "/dev/mem", "/dev/kmem", "/dev/port")
_DEBUGGING = ("SYS_ADMIN", "SYS_PTRACE", "ALL")


def _pod_privileged(review: Review) -> object:
    return review.pod.privileged


def _pod_host_paths(review: Review) -> object:
    return review.pod.host_paths


@rule("PRV101", kinds=POD_KINDS, severity=Severity.INFO, needs=lambda review: review.pod.containers)
def loads_modules(review: Review) -> Iterator[Problem]:
    """A container with the capability to load kernel modules: SYS_MODULE, or ALL.

    Fix: remove the capability, or approve the ServiceAccount.
    Source: capabilities(7) of Linux.
    """
    for container in _judged(review):
        for path, name in container.map("securityContext").map("capabilities").texts("add"):
            if _capability(name) in ("SYS_MODULE", "ALL"):
                yield Problem(path, f"{name} lets the container load kernel modules", _APPROVE)


@rule("PRV102", kinds=POD_KINDS, severity=Severity.INFO, needs=_pod_privileged)
def privileged_with_the_nodes_modules(review: Review) -> Iterator[Problem]:
    """A privileged container that sees the node's kernel modules: /lib/modules, or a folder around it.

    Fix: remove `privileged` or the mount, or approve the ServiceAccount.
    Source: Kubernetes, Pod Security Standards.
    """
    for path, container, mount in _host_mounts(review):
        if is_privileged(container) and shows_modules(path):
            yield mount.problem("name", f"a privileged container sees {path} of the node", _APPROVE)


@rule("PRV103", kinds=POD_KINDS, severity=Severity.INFO, needs=_pod_host_paths)
def the_nodes_memory(review: Review) -> Iterator[Problem]:
    """A container that is given all devices of the node, or its memory.

    Fix: mount only the device that is needed, or approve the ServiceAccount.
    Source: mem(4) of Linux.
    """
    for path, _, mount in _host_mounts(review):
        if path in _MEMORY:
            yield mount.problem("name", f"the container is given {path} of the node", _APPROVE)


@rule("PRV104", kinds=POD_KINDS, severity=Severity.INFO, needs=lambda review: review.pod.host_namespaces)
def among_the_nodes_processes(review: Review) -> Iterator[Problem]:
    """A privileged container, or one that may debug, among the processes of the node: it can become any of them.

    Fix: remove `hostPID` or the rights, or approve the ServiceAccount.
    Source: nsenter(1) and ptrace(2) of Linux.
    """
    if "hostPID" not in review.pod.host_namespaces:
        return
    for container in _judged(review):
        added = container.map("securityContext").map("capabilities").strings("add")
        if is_privileged(container) or any(_capability(name) in _DEBUGGING for name in added):
            path = (*container.path, "securityContext")
            yield Problem(path, "hostPID and these rights let the container become any process of the node", _APPROVE)


@rule("PRV105", kinds=POD_KINDS, severity=Severity.INFO, needs=_pod_privileged)
def privileged(review: Review) -> Iterator[Problem]:
    """A privileged container: it has every capability, and can load a module that its image brings along.

    Fix: remove `privileged` and name the capabilities that are needed, or approve the ServiceAccount.
    Source: Kubernetes, Pod Security Standards; capabilities(7) of Linux.
    """
    for container in filter(is_privileged, _judged(review)):
        path = (*container.path, "securityContext", "privileged")
        yield Problem(path, "a privileged container can load kernel modules", _APPROVE)


@rule("PRV106", kinds=POD_KINDS, severity=Severity.INFO, needs=_pod_host_paths)
def writes_what_the_node_loads(review: Review) -> Iterator[Problem]:
    """A container that may write where the node's kernel modules and their settings lie, or orders the node's runtime.

    That is said of the files and folders themselves, of what lies in them, and of folders around them. To order the
    runtime by its socket, reading is enough.

    Fix: mount it with `readOnly: true`, or a narrower folder, or approve the ServiceAccount.
    Source: modprobe.d(5), modules-load.d(5), depmod.d(5), systemd.unit(5) and udev(7) of Linux.
    """
    for path, _, mount in _host_mounts(review):
        if socket := socket_in(path):
            which = path if path.endswith(".sock") else f"{path}, with {socket},"
            yield mount.problem("name", f"{which} lets the container make containers with any right", _APPROVE)
        elif mount.value.get("readOnly") is not True and decides_what_is_loaded(path):
            fix = "mount it with readOnly: true, or approve the ServiceAccount: parameters.kernelAccess"
            yield mount.problem("name", f"the container may write to {path} of the node", fix)


def _judged(review: Review) -> list[Part]:
    """The containers that a request adds and that nobody has approved; of a running pod the ephemeral ones."""
    pod, parameters = review.pod, review.parameters
    if review.subresource not in ("", "ephemeralcontainers") or _is_running(review):
        return []
    found = pod.ephemeral if review.subresource else pod.containers
    if not found or is_approved(
        pod, review.user, parameters.kernel_access, parameters.controllers, platform=review.cluster.platform
    ):
        return []
    return [] if review.kata.is_inside else found


def _is_running(review: Review) -> bool:
    """Whether the pod is there already, and nothing is added that was not judged."""
    return not (review.operation == "CREATE" or review.pod.is_template or review.in_tree or review.subresource)


def _host_mounts(review: Review) -> Iterator[tuple[str, Part, Part]]:
    """The paths of the node that the judged containers mount: path, container, mount."""
    judged = {id(container) for container in _judged(review)}
    return (item for item in review.pod.host_mounts if id(item[1]) in judged)


def _capability(name: str) -> str:
    """A capability as runtimes read it: in any letters, with or without `CAP_`."""
    return name.upper().removeprefix("CAP_")
