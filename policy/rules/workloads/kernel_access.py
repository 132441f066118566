"""PRV: workloads beside KMM's that can load kernel modules, or change the node on which they run.

Recorded, not refused: to find them comes before forbidding them. Approval is by namespace and ServiceAccount: a starter
list, and `parameters.kernelAccess` of the policy. Rights in Kata, and in a user namespace, are not those of the node;
folders of the node are, because they reach Kata through virtiofs.

Where the policy refuses, what was there before is recorded or warned of: `node_access/existing_workloads`.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import FieldPath, Problem
from kmodgate.policy.node_access.capabilities import HARMLESS, LOADING, capability
from kmodgate.policy.node_access.node_files import device_at, shows_modules, shows_processes
from kmodgate.policy.review import Review
from kmodgate.policy.rules.workloads.node_mounts import APPROVE, host_mounts, judged, problem_of_mount, prv
from kmodgate.policy.views.part import Part
from kmodgate.policy.views.pod import is_privileged

_DEBUGGING = ("SYS_ADMIN", "SYS_PTRACE", "ALL")


def _pod_privileged(review: Review) -> object:
    return review.pod.privileged


def _pod_host_paths(review: Review) -> object:
    return review.pod.host_paths


def _capabilities(review: Review) -> object:
    return review.pod.added_capabilities


def _securities(review: Review) -> object:
    return review.pod.securities


@prv("PRV101", needs=_capabilities)
def loads_modules(review: Review) -> Iterator[Problem]:
    """A container with the capability to load kernel modules: SYS_MODULE, or ALL.

    Fix: remove the capability, or approve the ServiceAccount.
    Source: capabilities(7) of Linux.
    """
    for path, name in _added(review):
        if capability(name) in LOADING:
            yield Problem(path, f"{name} lets the container load kernel modules", APPROVE)


@prv("PRV102", needs=_pod_privileged)
def privileged_with_the_nodes_modules(review: Review) -> Iterator[Problem]:
    """A privileged container that sees the node's kernel modules: /lib/modules, or a folder around it.

    Fix: remove `privileged` or the mount, or approve the ServiceAccount.
    Source: Kubernetes, Pod Security Standards.
    """
    with_rights = {id(container) for container in _with_rights(review)}
    for path, container, mount in host_mounts(review):
        if id(container) in with_rights and is_privileged(container) and shows_modules(path):
            yield mount.problem("name", f"a privileged container sees {path} of the node", APPROVE)


@prv("PRV103", needs=_pod_host_paths)
def the_nodes_memory(review: Review) -> Iterator[Problem]:
    """A container that is given all devices of the node, its memory, or one of its disks.

    Mounting it with `readOnly: true` changes nothing: a device is opened for writing all the same. In Kata, disks are
    handed on to the guest.

    Fix: mount only the device that is needed, or approve the ServiceAccount.
    Source: mem(4), path_resolution(7) and Documentation/admin-guide/devices.txt of Linux.
    """
    for path, _, mount in host_mounts(review):
        if what := device_at(path):
            yield mount.problem("name", f"the container is given {path} of the node: {what}", APPROVE)


@prv("PRV104", needs=lambda review: review.pod.host_namespaces or review.pod.host_paths)
def among_the_nodes_processes(review: Review) -> Iterator[Problem]:
    """A privileged container, or one that may debug, among the processes of the node: it can become any of them.

    It is among them by `hostPID`, or by a mount of the node's `/proc`: there `1/root` is all of the node, and writable
    however /proc itself is mounted.

    Fix: remove `hostPID`, the mount or the rights, or approve the ServiceAccount.
    Source: nsenter(1), ptrace(2) and proc(5) of Linux.
    """
    debugging = {id(container): container for container in _with_rights(review) if _may_debug(container)}
    if "hostPID" in review.pod.host_namespaces:
        for container in debugging.values():
            message = "hostPID and these rights let the container become any process of the node"
            yield Problem((*container.path, "securityContext"), message, APPROVE)
    for path, container, mount in host_mounts(review) if debugging else ():
        if id(container) in debugging and shows_processes(path):
            message = f"{path} of the node and these rights lead the container to all that a process of the node sees"
            yield mount.problem("name", message, APPROVE)


def _may_debug(container: Part) -> bool:
    added = container.map("securityContext").map("capabilities").strings("add")
    return is_privileged(container) or any(capability(name) in _DEBUGGING for name in added)


@prv("PRV105", needs=_pod_privileged)
def privileged(review: Review) -> Iterator[Problem]:
    """A privileged container: it has every capability, and can load a module that its image brings along.

    Fix: remove `privileged` and name the capabilities that are needed, or approve the ServiceAccount.
    Source: Kubernetes, Pod Security Standards; capabilities(7) of Linux.
    """
    for container in filter(is_privileged, _with_rights(review)):
        path = (*container.path, "securityContext", "privileged")
        yield Problem(path, "a privileged container can load kernel modules", APPROVE)


@prv("PRV106", needs=_pod_host_paths)
def writes_what_the_node_loads(review: Review) -> Iterator[Problem]:
    """A container that may write to files of the node, but for harmless places, or gives the node orders by a socket.

    Harmless are `/var/log`, a folder of one's own in `/var/lib` and `/opt`, `/mnt`, `/srv`, `/data`, `/etc/localtime`
    and device nodes that are no disk and no memory; the tables in policy/node_access/ have them all. To give orders to
    systemd, D-Bus or a container runtime, reading the folder of its socket is enough. A mount with `readOnly: true`
    leaves writable what the node has mounted below it, unless `recursiveReadOnly` is `Enabled`.

    Fix: mount it with `readOnly: true`, or a narrower folder, or approve the ServiceAccount.
    Source: modprobe.d(5), modules-load.d(5), depmod.d(5), systemd.unit(5), udev(7) and mount_setattr(2) of Linux.
    """
    for path, _, mount in host_mounts(review):
        if not device_at(path) and (problem := problem_of_mount(path, mount)):
            yield problem


@prv("PRV107", needs=_capabilities)
def other_capabilities(review: Review) -> Iterator[Problem]:
    """A container with a capability that reaches beyond it: SYS_ADMIN, SYS_RAWIO, BPF, DAC_READ_SEARCH and others.

    Harmless are those that runtimes give to every container, and NET_ADMIN, NET_RAW, NET_BROADCAST, SYS_NICE,
    SYS_RESOURCE, SYS_TIME, IPC_LOCK, IPC_OWNER, LEASE, WAKE_ALARM, BLOCK_SUSPEND, AUDIT_CONTROL, AUDIT_READ, SYSLOG,
    and SYS_PTRACE without `hostPID`. SYS_MODULE and ALL are PRV101.

    Fix: remove the capability, or approve the ServiceAccount.
    Source: capabilities(7) of Linux; the default capabilities of containerd and CRI-O.
    """
    for path, name in _added(review):
        if capability(name) not in HARMLESS and capability(name) not in LOADING:
            yield Problem(path, f"{name} reaches beyond the container", APPROVE)


@prv("PRV110", needs=lambda review: review.pod.host_processes)
def host_process(review: Review) -> Iterator[Problem]:
    """A Windows container that is a process of its node, with the rights of one (HostProcess).

    Fix: remove `windowsOptions.hostProcess`, or approve the ServiceAccount.
    Source: Kubernetes, Create a Windows HostProcess Pod.
    """
    if judged(review):
        for options in review.pod.host_processes:
            yield options.problem("hostProcess", "the container is a process of its Windows node", APPROVE)


@prv("PRV113", needs=_securities)
def unmasked_proc(review: Review) -> Iterator[Problem]:
    """A container whose /proc is not masked: as root it sets the node's kernel, the program for core dumps included.

    Fix: remove `procMount: Unmasked`, set `hostUsers: false`, or approve the ServiceAccount.
    Source: Kubernetes, Configure a Security Context (procMount); proc_sys_kernel(5) of Linux.
    """
    for container in _with_rights(review):
        security = container.map("securityContext")
        if security.text("procMount") == "Unmasked":
            yield security.problem("procMount", "the container sees and sets all of the node's /proc", APPROVE)


def _added(review: Review) -> list[tuple[FieldPath, str]]:
    """The capabilities that the judged containers ask for, as they are written, with their paths."""
    judged_ones = {id(container) for container in _with_rights(review)}
    return [(path, name) for container, path, name in review.pod.added_capabilities if id(container) in judged_ones]


def _with_rights(review: Review) -> list[Part]:
    """The judged containers whose rights are rights on the node: not in Kata, nor in a user namespace."""
    return [] if review.kata.is_surely_inside or review.pod.is_in_user_namespace else judged(review)
