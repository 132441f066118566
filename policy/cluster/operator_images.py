"""The images of workloads that a fleet's clusters run for it: DaemonSets of drivers, kmodgate's Jobs, KMM's operator.

The operator names its worker, signer and builder by variables. Source: config/manager-base of Kernel Module Management.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster.controllers import runs_kmm
from kmodgate.policy.cluster.facts import MANAGED_BY
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.views.boot_config import DRIVER_LABEL
from kmodgate.policy.views.pod import PodView

RUNNING_KINDS = ("apps/DaemonSet", "apps/Deployment", "batch/Job")
"""The kinds by which they run."""

_RELATED = "RELATED_IMAGE_"


def operator_images(pod: PodView) -> Iterator[tuple[FieldPath, str]]:
    """Yield the images of KMM's operator, or of a Job or driver's DaemonSet that kmodgate renders; else none."""
    key, value = MANAGED_BY
    labels = pod.object.map("labels")
    is_own = pod.kind != "apps/Deployment" and labels.text(key) == value
    is_own = is_own and (pod.kind == "batch/Job" or bool(labels.text(DRIVER_LABEL)))
    if not is_own and not (pod.kind == "apps/Deployment" and runs_kmm(pod.spec.value)):
        return
    for container in pod.containers:
        if image := container.text("image"):
            yield (*container.path, "image"), image
        for variable in container.maps("env"):
            if variable.text("name").startswith(_RELATED) and (image := variable.text("value")):
                yield (*variable.path, "value"), image
