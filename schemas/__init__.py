"""JSON Schemas of the documents a person writes and of the custom kinds that are rendered.

The files lie as kubeconform's catalogs do: `<group>/<kind>_<version>.json`, draft-07, each complete in itself.
What they take from Kubernetes' own types is filled in by `schemas.compose`.
"""

from pathlib import Path

KINDS: dict[str, str] = {
    "KernelDriver": "kmodgate.io/kerneldriver_v1alpha1",
    "Cluster": "kmodgate.io/cluster_v1alpha1",
    "Module": "kmm.sigs.x-k8s.io/module_v1beta1",
}
"""Kind → name of its schema, for the kinds whose schema is printed."""

_ROOT = Path(__file__).parent


def path(name: str) -> Path:
    """The file of the schema `name`, such as `kmm.sigs.x-k8s.io/module_v1beta1`. It need not exist."""
    return _ROOT / f"{name}.json"


def read(name: str) -> bytes:
    """The JSON text of the schema `name`. Raises FileNotFoundError when there is none."""
    return path(name).read_bytes()
