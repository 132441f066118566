"""The next kernels of a plan → PreflightValidation objects, by which KMM itself proves that every Module is ready.

Sources: docs/mkdocs/documentation/preflight_validation.md and api/v1beta2 of Kernel Module Management.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.kmm.kernel import dns_safe, trimmed
from kmodgate.renderer.fleet.specs import Cluster, JsonMap
from kmodgate.renderer.local_files.writing import put_below, refuse_links
from kmodgate.renderer.manifests.argo import sync_annotations
from kmodgate.renderer.manifests.emit_yaml import emit
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY
from kmodgate.renderer.plan.plan import Plan

_SINCE = "2.4"  # of v1beta2


def objects(plan: Plan) -> Iterator[tuple[str, JsonMap]]:
    """Cluster and object, for every next kernel of every cluster that has KMM."""
    kernels: dict[tuple[str, str], bool] = {}
    clusters = {cluster.name: cluster for cluster in plan.clusters}
    for cell in plan.cells:
        if cell.phase == "next" and cell.group.cluster.kmm is not None:
            key = (cell.group.cluster.name, trimmed(cell.kernel))  # KMM trims that of nodes, and not this one
            kernels[key] = kernels.get(key, False) or cell.work not in ("", "prebuilt")
    for (name, kernel), is_made in sorted(kernels.items()):
        yield name, _object(clusters[name], kernel, push=is_made)


def _object(cluster: Cluster, kernel: str, *, push: bool) -> JsonMap:
    release = cluster.release
    version = "v1beta2" if release is None or release.has(_SINCE) else "v1beta1"
    return {
        "apiVersion": f"kmm.sigs.x-k8s.io/{version}",
        "kind": "PreflightValidation",
        "metadata": {
            "name": f"preflight-{dns_safe(kernel)}",
            "labels": {**MANAGED_BY},
            "annotations": {**sync_annotations("PreflightValidation")},
        },
        # without the push, an image that is built and then signed could not be: signing pulls what was built
        "spec": {"kernelVersion": kernel, "pushBuiltImage": push},
    }


def write(plan: Plan, folder: Path) -> int:
    """Writes `folder/CLUSTER/preflight-KERNEL.yaml` for each; how many there are. Raises OSError."""
    refuse_links("--preflight", str(folder))
    count = 0
    for cluster, value in objects(plan):
        folder.mkdir(parents=True, exist_ok=True)
        put_below(folder, f"{cluster}/{metadata_of(value)['name']}.yaml", emit(value).encode())
        count += 1
    return count
