"""Jobs and pods as the Image Management Service makes them, and the RuntimeClass of Kata."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.objects import job, runtime_class

Json: TypeAlias = dict[str, Any]

UUID = "5c2ad2a5-0c58-4a3b-9a3c-1fd5e0b8e5b{:x}"
CLASS = runtime_class("kata-qemu", memory="160Mi", node_selector={"katacontainers.io/kata-runtime": "true"})


def ims_job(number: int, *, dkms: bool = True, **pod: Any) -> Json:
    """A job as IMS makes it, of one container."""
    uuid = UUID.format(number)
    found = job(f"cray-ims-{uuid}-customize", "ims", **pod)
    template = found["spec"]["template"]
    template["metadata"] = {"labels": {"app": f"ims-{uuid}-customize"}}
    template["spec"]["containers"][0]["env"] = [{"name": "JOB_ENABLE_DKMS", "value": str(dkms)}]
    return found


def pod_text(number: int, **pod: Any) -> str:
    """The pod of such a job, as JSON."""
    found = ims_job(number, **pod)
    template = found["spec"]["template"]
    name = found["metadata"]["name"]
    metadata = template["metadata"] | {"name": name, "namespace": "ims"}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})


def dry_run() -> tuple[str, ...]:
    return ("create", "--filename=-", "--dry-run=server", "--output=name")


def pods_of(control_plane: ControlPlane, found: Json) -> list[Json]:
    selector = f"batch.kubernetes.io/job-name={found['metadata']['name']}"
    return list(control_plane.get("pods", "-n", "ims", "-l", selector)["items"])
