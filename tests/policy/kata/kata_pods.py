"""Pods of IMS with DKMS work, RuntimeClasses, and the call that patches such a pod."""

from __future__ import annotations

from typing import Any

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import read_policy
from kmodgate.policy.kata.view import HYPERVISOR
from kmodgate.policy.mutations.kata_injection import Injection, inject
from kmodgate.policy.parameters import Parameters
from kmodgate.policy.review import Review

ID = "0d1e2f3a-1111-2222-3333-444455556666"
XATTR = f"{HYPERVISOR}virtio_fs_extra_args"
MEMORY = f"{HYPERVISOR}default_memory"
SECCOMP = "io.katacontainers.config.runtime.disable_guest_seccomp"

KATA_QEMU = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "kata-qemu"},
    "handler": "kata-qemu",
    "overhead": {"podFixed": {"cpu": "250m", "memory": "160Mi"}},
    "scheduling": {"nodeSelector": {"katacontainers.io/kata-runtime": "true"}},
}

GVISOR = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "gvisor"}, "handler": "runsc"}
FACTS = SnapshotFacts([KATA_QEMU, GVISOR], {"RuntimeClass"})


def parameters(**kata: Any) -> Parameters:
    return read_policy({"parameters": {"kata": kata}}).parameters


def dkms_pod(**spec: Any) -> dict[str, Any]:
    """A pod of IMS with DKMS, as the Job controller sends it: without a name."""
    sshd = {
        "name": "sshd",
        "image": "registry.local/sshd:1",
        "env": [{"name": "JOB_ENABLE_DKMS", "value": "True"}],
        "securityContext": {"privileged": True, "capabilities": {"add": ["SYS_ADMIN"]}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": "ims",
            "generateName": f"cray-ims-{ID}-create-",
            "labels": {"app": f"ims-{ID}-create"},
        },
        "spec": {"containers": [sshd], "serviceAccountName": "ims-service-job-mount", **spec},
    }


def injection(pod: Any, facts: SnapshotFacts | None = FACTS, **more: Any) -> Injection:
    return inject(Review(pod, facts=facts, **{"parameters": Parameters(), **more}))
