"""JSON Schemas: documents that a person writes, custom kinds that are rendered, and a few of Kubernetes' own kinds.

The files lie as kubeconform's catalogs do: `<group>/<kind>_<version>.json`, draft-07, each complete in itself.
What they take from Kubernetes' own types is filled in by `tools/compose_schemas.py`.
"""

from pathlib import Path

KINDS: dict[str, str] = {
    "KernelDriver": "kmodgate.io/kerneldriver_v1alpha1",
    "Cluster": "kmodgate.io/cluster_v1alpha1",
    "ImageService": "kmodgate.io/imageservice_v1alpha1",
    "DriverPolicy": "kmodgate.io/driverpolicy_v1alpha1",
    "Removals": "kmodgate.io/removals_v1alpha1",
    "Module": "kmm.sigs.x-k8s.io/module_v1beta1",
    "ManagedClusterModule": "hub.kmm.sigs.x-k8s.io/managedclustermodule_v1beta1",
    "PreflightValidation": "kmm.sigs.x-k8s.io/preflightvalidation_v1beta2",
}
"""Kind → name of its schema, for the kinds whose schema is printed."""

KUBERNETES: dict[tuple[str, str], str] = {
    ("batch/v1", "Job"): "batch/job_v1",
    ("v1", "ConfigMap"): "core/configmap_v1",
    ("v1", "PersistentVolumeClaim"): "core/persistentvolumeclaim_v1",
    ("v1", "Service"): "core/service_v1",
}
"""apiVersion and kind → name of its schema, for Kubernetes' own kinds that the templates of other programs make."""


def name_of(api_version: str, kind: str) -> str:
    """The name that a schema of this kind has or would have: `kmm.sigs.x-k8s.io/module_v1beta1`."""
    group, _, version = api_version.rpartition("/")
    return f"{group}/{kind.lower()}_{version}"


_ROOT = Path(__file__).resolve().parent  # the repository has links to it


def path(name: str) -> Path:
    """The file of the schema `name`, such as `kmm.sigs.x-k8s.io/module_v1beta1`. It need not exist."""
    return _ROOT / f"{name}.json"


def read(name: str) -> bytes:
    """The JSON text of the schema `name`. Raises FileNotFoundError when there is none."""
    return path(name).read_bytes()
