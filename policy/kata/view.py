"""Whether a pod is DKMS work, whether it runs in Kata, and if it does not, what keeps it from being put there.

Sources: docs/Limitations.md of kata-containers/kata-containers; README.Kata.md and the job templates of Cray-HPE/ims;
plugin/pkg/admission/runtimeclass of Kubernetes.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from kmodgate.policy.cluster.controllers import DAEMON_SETS, JOBS
from kmodgate.policy.cluster.facts import UNKNOWN, Facts, Object, Unknown, as_map
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.kata.guest_devices import DEV, is_guests_file, is_guests_place
from kmodgate.policy.kata.ims_jobs import USER, ImsJob, directs_what_needs_kata, ims_job
from kmodgate.policy.lazy import lazy
from kmodgate.policy.parameters import Kata
from kmodgate.policy.views.part import Part
from kmodgate.policy.views.pod import PodView, clean, is_below

HYPERVISOR = "io.katacontainers.config.hypervisor."
"""How the annotations begin that a node must permit; with another one the Go runtime starts no sandbox."""

CONFIG_PATH = "io.katacontainers.config_path"
"""The annotation that names the configuration of Kata among the files of the node; Kata 4 reads it no more."""


class Reason(StrEnum):
    """Why a pod was put into Kata, or was not: what the audit says."""

    INJECTED = "injected"
    ANNOTATED = "annotations-changed"
    NOT_A_NEW_POD = "not-a-new-pod"
    NOT_DKMS_WORK = "not-dkms-work"
    ALREADY_KATA = "already-kata"
    MALFORMED = "malformed"
    REMOTE_BUILD = "remote-build"
    MIRROR_POD = "mirror-pod"
    KMM_POD = "kmm-pod"
    DAEMONSET_POD = "daemonset-pod"
    OTHER_CLASS = "other-runtime-class"
    HOST_NETWORK = "host-network"
    HOST_PID = "host-pid"
    HOST_IPC = "host-ipc"
    HOST_DEVICES = "host-devices"
    DEV_MOUNT = "dev-mount"
    HOST_PATH = "host-path"
    CLASS_MISSING = "runtime-class-missing"
    CLASS_UNKNOWN = "runtime-class-unknown"
    CLASS_NOT_KATA = "runtime-class-not-kata"
    NODE_SELECTOR = "node-selector-conflict"


class Explanation(NamedTuple):
    """What a reason means for who made the pod, and what to do about it."""

    meaning: str
    remedy: str


NOT_INJECTABLE = {
    Reason.REMOTE_BUILD: Explanation("the pod only directs a build on a remote node", "nothing"),
    Reason.MIRROR_POD: Explanation("the kubelet runs the static pod behind it, whatever is said here", "nothing"),
    Reason.KMM_POD: Explanation(
        "it says that it belongs to KMM, whose pods load modules into the node's kernel", "let KMM make its pods itself"
    ),
    Reason.DAEMONSET_POD: Explanation(
        "it says that it belongs to a DaemonSet, whose pods manage nodes", "let the DaemonSet make its pods itself"
    ),
    Reason.OTHER_CLASS: Explanation(
        "it asks for another RuntimeClass, whose overhead and node selector are in the pod already",
        "ask for a class of Kata, or for none",
    ),
    Reason.HOST_NETWORK: Explanation(
        "it shares the node's network, which Kata does not support and may damage", "remove hostNetwork"
    ),
    Reason.HOST_PID: Explanation("it shares the node's processes, which Kata cannot reach", "remove hostPID"),
    Reason.HOST_IPC: Explanation("it shares the node's IPC, which Kata cannot reach", "remove hostIPC"),
    Reason.HOST_DEVICES: Explanation(
        "devices of the node are handed in; folders and character devices, by `type`, are the guest's below /dev",
        "remove the volume, and mount devtmpfs in the container",
    ),
    Reason.DEV_MOUNT: Explanation(
        "a volume is mounted on /dev or below, where Kata shows the guest's devices",
        "remove the mount",
    ),
    Reason.HOST_PATH: Explanation(
        "it mounts a path of the node, and is not kept apart from it then", "use an emptyDir, a claim or a ConfigMap"
    ),
    Reason.CLASS_MISSING: Explanation("the RuntimeClass does not exist", "install Kata Containers, or name another"),
    Reason.CLASS_UNKNOWN: Explanation("it is not known whether the RuntimeClass exists", "try again"),
    Reason.CLASS_NOT_KATA: Explanation(
        "the handler of its RuntimeClass is not known to be Kata", "name the handler in the policy: kata.handlers"
    ),
    Reason.NODE_SELECTOR: Explanation(
        "its nodeSelector excludes the nodes of the RuntimeClass", "remove the label from nodeSelector"
    ),
    Reason.MALFORMED: Explanation("a field has another type than Kubernetes allows", "correct it"),
}
"""Why DKMS work is not put into Kata."""

HANDLERS = frozenset(
    ("kata", "kata-runtime", "kata-qemu", "kata-clh", "kata-cloud-hypervisor", "kata-fc", "kata-dragonball",
     "kata-stratovirt", "kata-remote", "kata-qemu-runtime-rs", "kata-clh-runtime-rs", "kata-qemu-coco-dev",
     "kata-qemu-coco-dev-runtime-rs", "kata-qemu-tdx", "kata-qemu-tdx-runtime-rs", "kata-qemu-sev", "kata-qemu-snp",
     "kata-qemu-snp-runtime-rs", "kata-qemu-se", "kata-qemu-se-runtime-rs", "kata-qemu-cca", "kata-qemu-nvidia-gpu",
     "kata-qemu-nvidia-gpu-snp", "kata-qemu-nvidia-gpu-tdx"),
)  # fmt: skip
"""The handlers of Kata as its installer calls them, OpenShift's and those of clouds, where the policy names no others.

Source: tools/packaging/kata-deploy of kata-containers/kata-containers; sandboxed containers of OpenShift and of AKS.
"""

_NAMESPACES = {"hostNetwork": Reason.HOST_NETWORK, "hostPID": Reason.HOST_PID, "hostIPC": Reason.HOST_IPC}

_KMM_GROUP = "kmm.sigs.x-k8s.io"


class KataView:
    """A pod, or the pods of a workload, as far as DKMS and Kata go; `is_by_kmm` is whether the user is KMM."""

    def __init__(self, pod: PodView, kata: Kata, user: str, facts: Facts | None, *, is_by_kmm: bool) -> None:
        self.pod = pod
        self._kata = kata
        self._user = user
        self._is_by_kmm = is_by_kmm
        self._facts = facts

    @property
    def is_of_ims(self) -> bool:
        """Whether it is a job of IMS, or a pod of one, and does not only call itself like one."""
        return self.ims is not None and not self.poses_as_remote

    @lazy
    def ims(self) -> ImsJob | None:
        return ims_job(self.pod, self._kata.ims_namespace)

    @lazy
    def work(self) -> str:
        """By what it is DKMS work, for a sentence; empty if it is none."""
        pod, work = self.pod, self._kata.work
        ims = self.ims
        if ims is not None and (ims.is_dkms or ((ims.is_emulated or self._kata.takes_all_jobs) and not self.is_remote)):
            return f"{ims.kind} job of IMS"
        if pod.namespace in work.namespaces:
            return f"namespace {pod.namespace}"
        account = f"{pod.namespace}/{pod.service_account}"
        if account in work.service_accounts:
            return f"ServiceAccount {account}"
        for wanted in work.pod_labels:
            if pod.labels.items() >= wanted.items():
                return "label " + ", ".join(f"{key}={value}" for key, value in wanted.items())
        return ""

    @lazy
    def is_remote(self) -> bool:
        """Whether the pod only directs a build elsewhere: a variable says so, which IMS's own pods are believed.

        Nothing tells of a Job's pod who made the Job: another's is refused where it is made (`poses_as_remote`).
        """
        if self.ims is None or not self.ims.is_remote:
            return False
        is_of_job = not self.pod.is_template and self._user in JOBS and ("batch", "Job") in self.pod.controllers
        return is_of_job or self._user in ("", USER)

    @lazy
    def poses_as_remote(self) -> bool:
        """Whether these are pods that would be believed to direct a build elsewhere, of somebody who is not IMS."""
        pod = self.pod
        if not pod.is_template or pod.namespace != self._kata.ims_namespace or self._user in ("", USER):
            return False
        return directs_what_needs_kata(pod, all_jobs=self._kata.takes_all_jobs) and not self.is_inside

    @lazy
    def wanted_class(self) -> str:
        """The RuntimeClass that the pod asks for, or the one that it would be given."""
        return self.pod.runtime_class or self._kata.runtime_classes[0]

    @lazy
    def found_class(self) -> Object | Unknown | None:
        """That class; None if it does not exist."""
        return UNKNOWN if self._facts is None else self._facts.find("RuntimeClass", "", self.wanted_class)

    @lazy
    def has_handler_of_kata(self) -> bool | Unknown:
        """Whether the handler of that class is Kata's; UNKNOWN where the class is not known, or does not exist."""
        known = self.found_class
        if not isinstance(known, Mapping):
            return UNKNOWN
        return str(known.get("handler")) in self._kata.handlers.get(self.wanted_class, HANDLERS)

    @lazy
    def is_inside(self) -> bool:
        """Whether it asks for a class of Kata: by its handler, and of a class that is not known because it is named."""
        name = self.pod.runtime_class
        if not name or self.has_handler_of_kata is not UNKNOWN:
            return bool(name) and self.has_handler_of_kata is True
        return self.is_named or (not self._user and name in HANDLERS)

    @lazy
    def is_named(self) -> bool:
        """Whether the policy names that class as one of Kata."""
        return self.wanted_class in self._kata.runtime_classes or self.wanted_class in self._kata.handlers

    @lazy
    def is_surely_inside(self) -> bool:
        """Whether its kernel is known not to be the node's; where nobody asks, a class that is named is believed."""
        if not self.is_inside:  # most pods ask for no class, and no fact is asked for then
            return False
        return self.has_handler_of_kata is True or (not self._user and self.found_class is UNKNOWN)

    @lazy
    def stays_out(self) -> Reason | None:
        """Why it is not for Kata at all, if its author says the truth."""
        pod = self.pod
        if self.is_remote:
            return Reason.REMOTE_BUILD
        if pod.is_mirror:
            return Reason.MIRROR_POD
        owners = pod.controllers
        if any(group == _KMM_GROUP for group, _ in owners) or self._is_by_kmm:
            return Reason.KMM_POD
        if pod.kind == "apps/DaemonSet" or ("apps", "DaemonSet") in owners:
            return Reason.DAEMONSET_POD
        return None

    @lazy
    def may_stay_out(self) -> bool:
        """Whether that is true, as far as the one who asks tells; where nobody asks it is believed."""
        match self.stays_out:
            case Reason.KMM_POD:
                return not self._user or self._is_by_kmm
            case Reason.DAEMONSET_POD:
                return self.pod.is_template or not self._user or self._user in DAEMON_SETS
            case reason:
                return reason is not None

    @lazy
    def obstacles(self) -> list[tuple[Reason, FieldPath]]:
        """What of the pod keeps Kata from running it, or from keeping it apart from the node, and where that stands."""
        pod = self.pod
        found = [(_NAMESPACES[key], (*pod.spec.path, key)) for key in pod.host_namespaces]
        for volume, path in pod.host_paths:
            if not self._is_guests(volume, path):
                reason = Reason.HOST_DEVICES if is_below(path, DEV) else Reason.HOST_PATH
                found.append((reason, (*volume.path, "hostPath")))
        host_paths = {volume.text("name") for volume, _ in pod.host_paths}
        for _, mount in pod.mounts:
            if mount.text("name") not in host_paths and _is_on_dev(clean(mount.text("mountPath"))):
                found.append((Reason.DEV_MOUNT, (*mount.path, "mountPath")))
        return found

    def _is_guests(self, volume: Part, path: str) -> bool:
        """Whether a hostPath shows the guest's own devices wherever it is mounted."""
        is_file = is_guests_file(path, volume.map("hostPath").text("type"))
        return is_file and self._at_guests_places.get(volume.text("name"), False)

    @lazy
    def _at_guests_places(self) -> dict[str, bool]:
        """Name of a volume → whether Kata shows the guest's devices where it is mounted, in every container."""
        found: dict[str, bool] = {}
        for _, mount in self.pod.mounts:
            name = mount.text("name")
            found[name] = found.get(name, True) and is_guests_place(mount)
        return found

    @lazy
    def excluded_label(self) -> str:
        """The label that pod and RuntimeClass want with different values; empty if there is none, or no class known."""
        known = self.found_class
        if not isinstance(known, Mapping):
            return ""
        wanted = as_map(as_map(known.get("scheduling")).get("nodeSelector"))
        return next((key for key, value in self.pod.node_selector.items() if wanted.get(key, value) != value), "")


def _is_on_dev(path: str) -> bool:
    """Whether a clean path lies where Kata shows the guest's devices; shared memory there is the guest's own."""
    return is_below(path, DEV) and not is_below(path, f"{DEV}/shm")
