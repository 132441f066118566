"""The Cluster specs of an import: those that the fleet has, and new ones as far as the objects tell."""

from __future__ import annotations

from kmodgate.policy.formats.kubernetes_names import is_dns1123_subdomain
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.kmm.versions import Release, unsupported
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.fleet.specs import Cluster, JsonMap
from kmodgate.renderer.importer.companions import is_openshift
from kmodgate.renderer.importer.reading import Objects

_REDHAT = Release(redhat=True)

PLACEHOLDER = "imported"
"""The cluster of a new fleet whose objects were given without one."""


def check_name(name: str) -> None:
    """Raises Unusable for what cannot name a cluster and its folder."""
    if not is_dns1123_subdomain(name) or len(name) > 63:
        fix = "use lower-case letters, digits, '-' and '.', at most 63"
        raise Unusable(f"--cluster {name!r}: cannot be the name of a cluster", fix)


def cluster_value(name: str, objects: Objects) -> JsonMap:
    """The spec of a cluster with these objects; on OpenShift with Red Hat's KMM, unless that ignores a field."""
    openshift = is_openshift(objects)
    modules = [defaulted(found.value) for found in objects.values() if found.is_module]  # type: ignore[arg-type]
    redhat = openshift and not any(problem for module in modules for problem in unsupported(module, _REDHAT))
    kmm: JsonMap = {"flavour": "redhat"} if redhat else {}
    return {
        "apiVersion": "kmodgate.io/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": name, "annotations": {"config.kubernetes.io/local-config": "true"}},
        "spec": {"platform": "openshift" if openshift else "kubernetes", "kmm": kmm},
    }


def runs_openshift(cluster: Cluster | None, objects: Objects) -> bool:
    """What the fleet says of the cluster, else what its objects tell."""
    return is_openshift(objects) if cluster is None else cluster.platform == "openshift"
