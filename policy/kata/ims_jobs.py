"""Which pods and Jobs are those of the Image Management Service (IMS), and what they do.

Sources: the job templates and src/server/v3/resources/jobs.py of Cray-HPE/ims, 3.17 to 3.33. The signs are those of the
objects that it makes. What it decides before, by recipe, image and configuration, is no question of admission.
"""

from __future__ import annotations

from typing import Literal, cast

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.views.pod import PodView

Kind = Literal["create", "customize"]
Recipe = Literal["kiwi-ng", "packer", ""]

SERVICE_ACCOUNT = "ims-service-job-mount"
"""What IMS gives a job with DKMS, and no other."""

USER = "system:serviceaccount:services:ims-service-launch-job"
"""Who IMS is where it makes its Jobs: the ServiceAccount of the Deployment `cray-ims`."""

LABEL = "app"
"""The label by which a pod is known, in every release: others came with 3.20.0, and packer's pods never got them."""

_UUID = "[0-9a-f-]{36}"
LABEL_VALUE = f"ims-({_UUID})-(create|customize)"
"""What the label is, as an expression of RE2 and of Python, for the whole value."""

_LABEL = lazy_regex(LABEL_VALUE)
_JOB = lazy_regex(rf"cray-ims-({_UUID})-(create|customize)")


@dataclass(frozen=True, slots=True)
class ImsJob:
    """A job of IMS, or a pod of it.

    `recipe` is how a create job makes its image, and empty for customize jobs. `is_remote` is whether the work is done
    on a remote build node, so that the pod only directs it; `is_emulated` whether code of aarch64 is run where the work
    is done.
    """

    id: str
    kind: Kind
    recipe: Recipe
    is_dkms: bool
    is_remote: bool
    is_emulated: bool


def ims_job(pod: PodView, namespace: str) -> ImsJob | None:
    """What a pod or Job is to IMS, whose jobs run in `namespace`; None if it is none of its own.

    A Job of IMS has no labels and is known by its name; a pod, whose name is not there yet, by its label `app`. By that
    the template of another workload is known, whose pods will have it.
    """
    if pod.namespace != namespace:
        return None
    found = _JOB.fullmatch(pod.object.text("name")) if pod.kind == "batch/Job" else None
    found = found or _LABEL.fullmatch(pod.labels.get(LABEL, ""))
    if found is None:
        return None
    return ImsJob(
        id=found[1],
        kind=cast(Kind, found[2]),
        recipe=_recipe(pod) if found[2] == "create" else "",
        is_dkms=_is_dkms(pod),
        is_remote=_is_remote(pod),
        is_emulated=_is_emulated(pod),
    )


def directs_what_needs_kata(pod: PodView, *, all_jobs: bool) -> bool:
    """Whether a pod says that it only directs a build elsewhere, which it would need Kata for, whatever it is called.

    `all_jobs` is whether every job needs Kata, and not only those with DKMS or emulation. The label by which a pod is
    known may be given to the template of a suspended Job later, and these signs may not.
    Source: ValidateJobSpecUpdate in pkg/apis/batch/validation of Kubernetes.
    """
    return _is_remote(pod) and (all_jobs or _is_dkms(pod) or _is_emulated(pod))


def _is_remote(pod: PodView) -> bool:
    return any(value.strip() for value in pod.values_of("REMOTE_BUILD_NODE"))


def _is_emulated(pod: PodView) -> bool:
    return "aarch64" in pod.values_of("BUILD_ARCH")


def _is_dkms(pod: PodView) -> bool:
    """By the variable; templates of packer and old ones do not have it, but ServiceAccount and sshd's privilege."""
    if any(value.lower() == "true" for value in pod.values_of("JOB_ENABLE_DKMS")):
        return True
    return pod.service_account == SERVICE_ACCOUNT or any(item.text("name") == "sshd" for item in pod.privileged)


def _recipe(pod: PodView) -> Recipe:
    return "kiwi-ng" if any(item.text("name") == "wait-for-repos" for item in pod.containers) else "packer"
