"""KTA: DKMS work, which builds kernel modules as root, belongs into pods with a kernel of their own."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster.facts import UNKNOWN
from kmodgate.policy.findings import NOT_CHECKED, FieldPath, Problem, Severity
from kmodgate.policy.formats.image_references import is_from
from kmodgate.policy.kata.view import NOT_INJECTABLE, KataView, Reason
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.workloads.node_mounts import addressed
from kmodgate.policy.views.part import Part
from kmodgate.policy.views.pod import POD_KINDS, WORKLOAD_KINDS

_POD = ("Pod",)


def _kata_work(review: Review) -> object:
    return review.kata.work


def is_job_of_ims(review: Review) -> object:
    """A Job of IMS: refusing it leaves its ConfigMap and Service behind, while its pods are mutated, or refused."""
    return review.pod.is_template and review.kata.is_of_ims


@rule("KTA101", kinds=_POD, needs=_kata_work)
def work_outside_kata(review: Review) -> Iterator[Problem]:
    """DKMS work in a pod that shares the node's kernel: whoever builds there can load modules into it.

    Admission puts such pods into Kata by itself. It refuses those that it cannot put there; the message says why, with
    the code of the table in docs/rules.md.

    Fix: what the message says, or set `runtimeClassName`.
    Source: README.Kata.md of Cray-HPE/ims; docs/Limitations.md of kata-containers/kata-containers.
    """
    kata = review.kata
    if not is_new_work(review) or kata.is_inside or kata.may_stay_out:
        return
    found = list(_kept_out(kata))
    if not found and kata.found_class is None:
        found = [obstacle((*kata.pod.spec.path, "runtimeClassName"), Reason.CLASS_MISSING, _cannot(kata))]
    elif not found:
        message = f"DKMS work ({kata.work}) outside Kata: no RuntimeClass is set"
        found = [kata.pod.spec.problem("runtimeClassName", message, f"set runtimeClassName: {kata.wanted_class}")]
    for problem in found:
        yield addressed(problem, review)


@rule("KTA102", kinds=POD_KINDS, severity=Severity.INFO, needs=_kata_work, spares=is_job_of_ims)
def work_left_outside(review: Review) -> Iterator[Problem]:
    """DKMS work that is left outside Kata, because it is not made for it.

    These are pods that direct a build on a remote node, pods of DaemonSets, pods that KMM makes, and mirrors of static
    pods. To refuse them, enforce this rule.

    Fix: nothing, or have the work done in another way.
    Source: job templates of Cray-HPE/ims; docs/how-to of kata-containers/kata-containers.
    """
    kata = review.kata
    if is_new_work(review) and kata.stays_out and kata.may_stay_out and not kata.is_inside:
        meaning, remedy = NOT_INJECTABLE[kata.stays_out]
        message = f"DKMS work ({kata.work}) is left outside Kata ({kata.stays_out}): {meaning}"
        yield kata.pod.spec.problem("runtimeClassName", message, remedy)


@rule("KTA103", kinds=WORKLOAD_KINDS, severity=Severity.WARNING, needs=_kata_work, spares=is_job_of_ims)
def template_kata_cannot_take(review: Review) -> Iterator[Problem]:
    """A workload of DKMS work whose pods cannot be put into Kata: they will be refused, and it waits for ever.

    Fix: what the message says.
    Source: docs/Limitations.md of kata-containers/kata-containers; Job controller of Kubernetes.
    """
    kata = review.kata
    if kata.work and not kata.is_inside and not kata.may_stay_out:
        yield from _kept_out(kata)


@rule("KTA104", kinds=POD_KINDS, facts=True, guards=True, needs=_kata_work, spares=is_job_of_ims)
def no_runtime_class(review: Review) -> Iterator[Problem]:
    """The RuntimeClass that DKMS work runs in does not exist in the cluster: a Job of it waits for ever.

    At admission a workload is only warned of; its pods are refused.

    Fix: install Kata Containers with this RuntimeClass, or name another: `parameters.kata.runtimeClasses`.
    Source: plugin/pkg/admission/runtimeclass of Kubernetes, which refuses such a pod.
    """
    if _runs_in_kata(review) and review.kata.found_class is None:
        message = f"there is no RuntimeClass {review.kata.wanted_class}"
        fix = "install Kata Containers, or name another class in the policy"
        yield mild_for_templates(review, review.pod.spec.problem("runtimeClassName", message, fix))


@rule("KTA105", kinds=_POD, facts=True, guards=True, needs=_kata_work)
def unknown_runtime_class(review: Review) -> Iterator[Problem]:
    """Nobody knows whether the RuntimeClass exists that DKMS work runs in: what is known of the cluster is too old.

    Where somebody asks, such a pod is refused; it may be tried again.

    Fix: try again; if it goes on, look at what the webhook says of its connection to the API server.
    Source: invariant of kmodgate: what cannot be decided is denied.
    """
    if not _runs_in_kata(review) or review.kata.found_class is not UNKNOWN:
        return
    if review.user:
        message = f"whether there is a RuntimeClass {review.kata.wanted_class} is not known at the moment"
        yield review.pod.spec.problem("runtimeClassName", message, "try again")
    else:
        message = f"{NOT_CHECKED}: which RuntimeClasses exist"
        yield review.pod.spec.problem("runtimeClassName", message, "give a dump of the cluster: --facts DIR")


@rule("KTA106", kinds=POD_KINDS, needs=_kata_work, spares=is_job_of_ims)
def way_out_of_kata(review: Review) -> Iterator[Problem]:
    """DKMS work in Kata that is given something of the node: its network, its processes, a folder, a device.

    A hostPath below `/dev` that is mounted below `/dev`, and whose `type` is `CharDevice` or `Directory`, shows the
    guest's own devices, and is let be. So is a well-known character device, as `/dev/kvm`, without a type. Disks and
    their folders, other types and other mount paths are the node's.

    Fix: remove it; use an emptyDir, a claim, a ConfigMap or a Secret.
    Source: docs/Limitations.md, src/runtime/virtcontainers and src/runtime-rs of kata-containers/kata-containers.
    """
    if is_new_work(review) and review.kata.is_inside:
        for reason, path in review.kata.obstacles:
            yield obstacle(path, reason, "is in Kata, and its way out is open")


@rule("KTA112", kinds=POD_KINDS, facts=True, guards=True, needs=_kata_work, spares=is_job_of_ims)
def other_nodes_than_kata(review: Review) -> Iterator[Problem]:
    """DKMS work for other nodes than those that the RuntimeClass is for. Kubernetes refuses such a pod.

    Fix: remove the label from `nodeSelector`.
    Source: plugin/pkg/admission/runtimeclass of Kubernetes.
    """
    key = review.kata.excluded_label if _runs_in_kata(review) else ""
    if key:
        path = (*review.pod.spec.path, "nodeSelector", key)
        message = f"RuntimeClass {review.kata.wanted_class} is for nodes with another value of it"
        yield mild_for_templates(review, Problem(path, message, "remove the label from nodeSelector"))


@rule(
    "KTA113",
    kinds=POD_KINDS,
    severity=Severity.WARNING,
    needs=_kata_work,
    parameter="allowed_registries",
    spares=is_job_of_ims,
)
def image_of_work_not_allowed(review: Review) -> Iterator[Problem]:
    """DKMS work with an image from a registry that the policy does not allow (`parameters.allowedRegistries`).

    Containers that are added to a running pod count, too.

    Fix: mirror the image into an allowed registry, or have the registry allowed.
    Source: the DriverPolicy of the cluster.
    """
    allowed = review.parameters.allowed_registries
    for container in _added(review) if review.kata.work else ():
        image = container.text("image")
        if image and not any(is_from(image, prefix) for prefix in allowed):
            fix = f"use one of: {', '.join(allowed)}"
            yield container.problem("image", f"{image} is not from an allowed registry", fix)


@rule("KTA114", kinds=WORKLOAD_KINDS, needs=lambda review: review.kata.poses_as_remote, spares=is_job_of_ims)
def remote_build_of_another(review: Review) -> Iterator[Problem]:
    """A workload with `REMOTE_BUILD_NODE` for DKMS work outside Kata, in the namespace of IMS, that IMS did not make.

    A pod with this variable directs a build on a remote node, and is left outside Kata; nothing tells who made its Job.

    Fix: remove the variable, or set `runtimeClassName`, or have IMS make the job.
    Source: job templates and charts of Cray-HPE/ims.
    """
    if not review.kata.poses_as_remote:
        return
    if review.operation == "UPDATE" and review.old is not None and review.old_module is None:
        return  # its spec stays as it is
    message = f"a build on a remote node is believed of IMS alone, and {review.user} is not: DKMS work outside Kata"
    yield review.pod.spec.problem("runtimeClassName", message, "remove REMOTE_BUILD_NODE, or use a class of Kata")


def mild_for_templates(review: Review, problem: Problem) -> Problem:
    """Return a problem that only warns where somebody applies a workload: its pods are mutated, or refused."""
    is_asked = review.pod.is_template and review.user
    return problem._replace(severity=Severity.WARNING) if is_asked else problem


def is_new(review: Review) -> bool:
    """Whether the pod is still to be made: one that is there cannot be moved into Kata, and its updates must pass."""
    return not review.subresource and (review.operation == "CREATE" or review.pod.is_template or review.in_tree)


def is_new_work(review: Review) -> bool:
    """Whether the pod is DKMS work that is still to be made."""
    return bool(review.kata.work) and is_new(review)


def _runs_in_kata(review: Review) -> bool:
    """Whether only the cluster can keep new DKMS work out of Kata."""
    kata = review.kata
    if not is_new_work(review) or kata.stays_out:
        return False
    return kata.is_inside or not (kata.pod.runtime_class or kata.obstacles)


def _kept_out(kata: KataView) -> Iterator[Problem]:
    """Everything that keeps DKMS work out of Kata, as far as the object and its RuntimeClass tell."""
    words = _cannot(kata)
    path = (*kata.pod.spec.path, "runtimeClassName")
    if kata.stays_out is not None:
        yield obstacle(path, kata.stays_out, words)
    elif kata.has_handler_of_kata is False:
        yield obstacle(path, Reason.CLASS_NOT_KATA if kata.is_named else Reason.OTHER_CLASS, words)
    elif kata.pod.runtime_class:
        yield obstacle(path, Reason.OTHER_CLASS, words)
    for reason, place in kata.obstacles:
        yield obstacle(place, reason, words)
    if kata.excluded_label and not kata.pod.runtime_class:
        place = (*kata.pod.spec.path, "nodeSelector", kata.excluded_label)
        yield obstacle(place, Reason.NODE_SELECTOR, words)


def _cannot(kata: KataView) -> str:
    return f"DKMS work ({kata.work}) cannot be put into Kata"


def obstacle(path: FieldPath, reason: Reason, words: str) -> Problem:
    """Return the problem that something keeps a pod out of Kata, or opens a way out of it."""
    meaning, remedy = NOT_INJECTABLE[reason]
    return Problem(path, f"{words} ({reason}): {meaning}", remedy)


def _added(review: Review) -> Iterator[Part]:
    """The containers that a request adds: all of a new pod, or those for a running one."""
    if review.subresource == "ephemeralcontainers":
        yield from review.pod.ephemeral
    elif is_new(review):
        yield from review.pod.containers
