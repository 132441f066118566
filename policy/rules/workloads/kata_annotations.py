"""KTA: annotations by which a pod tells Kata Containers how to run it."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.kata.view import CONFIG_PATH, HYPERVISOR
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.workloads.kata import is_job_of_ims, is_new, is_new_work, mild_for_templates
from kmodgate.policy.views.pod import POD_KINDS


@rule("KTA111", kinds=POD_KINDS, severity=Severity.WARNING, parameter="names_kata_annotations", spares=is_job_of_ims)
def annotation_not_permitted(review: Review) -> Iterator[Problem]:
    """An annotation for Kata's hypervisor that the policy does not permit (`parameters.kata.annotations`).

    With the Go runtime a pod with one that the node does not permit never starts; the other runtime ignores it.

    Fix: remove it, or have it permitted on the nodes and in the policy.
    Source: src/runtime/pkg/oci/utils.go of kata-containers/kata-containers.
    """
    permitted = review.parameters.kata.annotations or {}
    if not is_new(review) or not review.kata.is_inside:
        return
    for key in review.pod.annotations:
        if key.startswith(HYPERVISOR) and key not in permitted:
            path = (*review.pod.metadata.path, "annotations", key)
            yield Problem(path, "the policy does not permit it", "remove it, or have it permitted")


@rule("KTA115", kinds=POD_KINDS, spares=is_job_of_ims)
def configuration_of_its_own(review: Review) -> Iterator[Problem]:
    """DKMS work names the file on the node that Kata is configured by (`io.katacontainers.config_path`).

    Up to Kata 3 the Go runtime takes it before the node's own, and no list of permitted annotations holds it: whoever
    makes the pod chooses kernel, hypervisor and what of the node they see. Admission removes it from pods; they are
    refused where the mutation did not run. Of a workload it only warns. A policy that lists the annotation with its
    value (`parameters.kata.annotations`) permits it.

    Fix: remove the annotation.
    Source: src/runtime/pkg/oci/utils.go and containerd-shim-v2/create.go of kata-containers/kata-containers 3.
    """
    if not is_new_work(review) or CONFIG_PATH not in review.pod.annotations:
        return
    permitted = review.parameters.kata.annotations or {}
    if permitted.get(CONFIG_PATH) != review.pod.annotations[CONFIG_PATH]:
        path = (*review.pod.metadata.path, "annotations", CONFIG_PATH)
        message = "it chooses the configuration of the hypervisor from the files of the node"
        yield mild_for_templates(review, Problem(path, message, "remove it"))
