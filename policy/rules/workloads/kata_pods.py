"""KTA: what a pod of Kata Containers cannot have, DKMS work or not."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import FieldPath, Problem, Severity
from kmodgate.policy.kata.cpu_limits import MOST_CPUS, most_cpus
from kmodgate.policy.kata.view import Reason
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.workloads.kata import is_job_of_ims, is_new, obstacle
from kmodgate.policy.views.pod import POD_KINDS


def _pod_runtime_class(review: Review) -> object:
    return review.pod.runtime_class


def _is_of_ims(review: Review) -> object:
    """A job of IMS, or a pod of one."""
    return review.kata.is_of_ims


@rule("KTA107", kinds=POD_KINDS, needs=_pod_runtime_class, spares=is_job_of_ims)
def host_network_in_kata(review: Review) -> Iterator[Problem]:
    """A pod of Kata in the network of the node. Kata does not support that, and may damage the node's network.

    Fix: remove hostNetwork, or the RuntimeClass.
    Source: docs/Limitations.md of kata-containers/kata-containers.
    """
    for reason, path in _reaching_out(review):
        if reason is Reason.HOST_NETWORK:
            yield obstacle(path, reason, "the pod is to run in Kata")


@rule("KTA108", kinds=POD_KINDS, severity=Severity.WARNING, needs=_pod_runtime_class, spares=is_job_of_ims)
def less_apart_than_it_seems(review: Review) -> Iterator[Problem]:
    """A pod of Kata that mounts paths of the node, or shares namespaces with it that Kata cannot reach.

    Fix: remove it; use an emptyDir, a claim, a ConfigMap or a Secret.
    Source: docs/Limitations.md of kata-containers/kata-containers.
    """
    for reason, path in _reaching_out(review):
        if reason is not Reason.HOST_NETWORK:
            yield obstacle(path, reason, "the pod is to run in Kata")


@rule("KTA109", kinds=POD_KINDS, severity=Severity.WARNING, spares=is_job_of_ims)
def sub_path(review: Review) -> Iterator[Problem]:
    """A volume mount with a subPath in Kata, which does not support it.

    Fix: mount the whole volume, or only the keys that are needed: `items`.
    Source: docs/Limitations.md of kata-containers/kata-containers.
    """
    if is_new(review) and _is_kata(review):
        for _, mount in review.pod.mounts:
            for key in ("subPath", "subPathExpr"):
                if mount.text(key):
                    yield mount.problem(key, "Kata does not support it", "mount the volume as a whole")


@rule("KTA110", kinds=POD_KINDS, severity=Severity.WARNING, spares=_is_of_ims)
def too_many_cpus(review: Review) -> Iterator[Problem]:
    """CPU limits that add up to more than 16 in one pod of Kata.

    Kata makes a machine of their sum, and every process sees all of it: `make -j$(nproc)` in a container whose own
    limit is lower overdrives that until the machine counts as dead. Init containers run one after the other. At
    admission no job of the Image Management Service is refused for it: its own templates add up to more.

    Fix: lower the limits.
    Source: README.Kata.md of Cray-HPE/ims; docs/design/vcpu-handling-runtime-go.md of kata-containers/kata-containers.
    """
    if not is_new(review) or not _is_kata(review):
        return
    total = most_cpus(review.pod)
    if total > MOST_CPUS:
        message = f"CPU limits add up to {float(total):g}, and every process sees that many"
        yield Problem(review.pod.spec.path, message, f"lower them to {MOST_CPUS} together")


def _is_kata(review: Review) -> bool:
    """Whether the pod is in Kata, or will be put there."""
    return review.kata.is_inside or (bool(review.kata.work) and review.kata.stays_out is None)


def _reaching_out(review: Review) -> Iterator[tuple[Reason, FieldPath]]:
    """What a pod of Kata that is no DKMS work is given of the node."""
    if is_new(review) and review.kata.is_inside and not review.kata.work:
        yield from review.kata.obstacles
