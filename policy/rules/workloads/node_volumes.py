"""PRV: volumes by which a container reaches a disk, or a driver that runs as root on the node."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster.controllers import KUBEVIRT
from kmodgate.policy.cluster.facts import UNKNOWN, Object, as_map
from kmodgate.policy.findings import GIVE_FACTS, NOT_CHECKED, Problem, Severity
from kmodgate.policy.node_access.inline_csi import HARMLESS
from kmodgate.policy.node_access.node_files import device_at, why_harmless
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.workloads.node_mounts import APPROVE, judged, prv
from kmodgate.policy.views.part import Part
from kmodgate.policy.views.pod import clean

_VOLUME = ("PersistentVolume",)
_MACHINES = ("kubevirt.io", "cdi.kubevirt.io")


@prv("PRV108", needs=lambda review: review.pod.block_devices)
def block_device(review: Review) -> Iterator[Problem]:
    """A container that has a volume as a block device: it may be a disk of the node, which no pod says.

    Pods that KubeVirt makes for its machines are not meant: they are known by who makes them.

    Fix: mount it as a file system, or approve the ServiceAccount.
    Source: Kubernetes, Raw Block Volume Support.
    """
    if _is_of_machines(review):
        return
    wanted = {id(container) for container in judged(review)}
    for container, device in review.pod.block_devices:
        if id(container) in wanted:
            yield device.problem("devicePath", "the container has the volume as a disk", APPROVE)


@prv("PRV109", needs=lambda review: review.pod.inline_csi or review.pod.node_drivers)
def inline_csi(review: Review) -> Iterator[Problem]:
    """A pod that asks a CSI driver for a volume of its own, with parameters of its own: the driver runs as root there.

    So do the programs behind a FlexVolume and a gitRepo. Drivers that only bring secrets, certificates or buckets are
    known; others are added by the policy, under `parameters.kernelAccess.inlineDrivers`.

    Fix: use a PersistentVolumeClaim, name the driver in the policy, or approve the ServiceAccount.
    Source: Kubernetes, CSI Ephemeral Inline Volumes.
    """
    known = (*HARMLESS, *review.parameters.inline_drivers)
    for part, driver in review.pod.inline_csi if judged(review) else ():
        if driver not in known:
            fix = "use a claim, or name the driver in the policy: parameters.kernelAccess.inlineDrivers"
            message = f"the pod gives orders to the driver {driver or 'without a name'} on its node"
            yield part.problem("driver", message, fix)
    for part, key in review.pod.node_drivers if judged(review) else ():
        driver = part.text("driver") if key == "flexVolume" else key
        if driver not in review.parameters.inline_drivers:
            message = f"a program of the node makes the volume as root, by what the pod says ({driver or key})"
            yield Problem(part.path, message, "use a claim, or an init container that fetches what is needed")


@prv("PRV111", facts=True, needs=lambda review: review.pod.claims)
def claims_the_node(review: Review) -> Iterator[Problem]:
    """A pod whose claim is bound to a PersistentVolume that is a folder or a disk of the node.

    The check sees that in a dump that holds both. At admission nobody looks: make PersistentVolumes a right of
    administrators.

    Fix: use another volume, or approve the ServiceAccount.
    Source: Kubernetes, Persistent Volumes (hostPath, local, raw block).
    """
    if review.user or not judged(review):
        return
    for part, key, name in review.pod.claims:
        volume = _bound(review, name)
        if volume is None:
            message = f"{NOT_CHECKED}: which PersistentVolumes claims are bound to"
            yield part.problem(key, message, GIVE_FACTS)
        elif what := _reaches(as_map(volume.get("spec"))):
            title = as_map(volume.get("metadata")).get("name", "")
            yield part.problem(key, f"the claim is bound to PersistentVolume {title}, {what}", APPROVE)


@rule("PRV112", kinds=_VOLUME, severity=Severity.INFO)
def volume_of_the_node(review: Review) -> Iterator[Problem]:
    """A PersistentVolume that is a folder of the node that others than its pod need, or a disk of it.

    Whoever may claim it writes there, and no pod shows that. At admission nobody looks.

    Fix: use a folder of its own, below /mnt, /srv, /data, /var/lib or /opt, or a file system on the disk.
    Source: Kubernetes, Persistent Volumes (hostPath, local, raw block).
    """
    spec = Part(None, (), dict(review.object)).map("spec")
    if what := _reaches(spec.value):
        key = next(key for key in ("hostPath", "local", "volumeMode") if key in spec.value)
        yield spec.problem(key, f"the volume is {what}", "use a folder of its own")


def _reaches(spec: Object) -> str:
    """What a PersistentVolume gives of a node; empty where that is nothing, or harmless."""
    is_block = spec.get("volumeMode") == "Block"
    for key in ("hostPath", "local"):
        if key in spec:
            path = clean(str(as_map(spec[key]).get("path", "")))
            if is_block or device_at(path):
                return f"{path} as a disk of the node"
            return "" if why_harmless(path) else f"{path} of the node"
    return "a raw block device" if is_block else ""


def _bound(review: Review, claim: str) -> Object | None:
    """The PersistentVolume of a claim, an empty one where there is none; None where nobody knows."""
    found = review.known.find("PersistentVolumeClaim", review.pod.namespace, claim)
    name = as_map(as_map(found).get("spec")).get("volumeName") if found is not UNKNOWN else None
    if found is UNKNOWN:
        return None
    volume = review.known.find("PersistentVolume", "", str(name)) if name else None
    return None if volume is UNKNOWN else as_map(volume)


def _is_of_machines(review: Review) -> bool:
    """Whether KubeVirt makes the pod; where nobody asks, what the pod says of its owner is believed."""
    owners = review.pod.controllers
    return review.user in KUBEVIRT or (not review.user and any(group in _MACHINES for group, _ in owners))
