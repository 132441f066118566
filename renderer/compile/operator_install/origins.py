"""Which field of a Cluster's spec says a field of the operator's objects."""

from __future__ import annotations

from collections.abc import Callable

from kmodgate.policy.findings import FieldPath
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.specs import Cluster, JsonMap

_KMM: FieldPath = ("spec", "kmm")
_INSTALL: FieldPath = (*_KMM, "install")
_IMAGE: FieldPath = ("spec", "template", "spec", "containers", 0, "image")

_CAUSES: dict[tuple[str, FieldPath], FieldPath] = {
    ("Subscription", ("spec", "channel")): (*_INSTALL, "channel"),
    ("Subscription", ("spec", "source")): (*_INSTALL, "source"),
    ("Subscription", ("spec", "sourceNamespace")): (*_INSTALL, "sourceNamespace"),
    ("Subscription", ("spec", "startingCSV")): (*_INSTALL, "csv"),
    ("Subscription", ("spec", "config", "tolerations")): (*_INSTALL, "tolerations"),
    ("Job", _IMAGE): ("spec", "tools", "kubectl"),
    ("Job", ("spec", "template", "spec", "tolerations")): (*_INSTALL, "tolerations"),
    ("ConfigMap", ("data",)): (*_KMM, "config"),
    ("PrometheusRule", ("spec",)): (*_INSTALL, "alerts"),
    ("Kustomization", ("resources", 0)): (*_INSTALL, "kustomize"),
    ("Kustomization", ("patches",)): _INSTALL,
    ("Namespace", ("metadata", "name")): (*_KMM, "namespace"),
}
"""Kind and path of an object → the field that says it, with all below the path."""


def trace(cluster: Cluster, value: JsonMap) -> Callable[[FieldPath], Origin]:
    """Return the origins of an object: the field that says one, or else the part of the spec that the object is for."""
    document, kind = cluster.document, str(value["kind"])
    own = (*_KMM, "config") if kind == "ConfigMap" else _INSTALL

    def origin(path: FieldPath) -> Origin:
        cause = next(
            (field for (of, above), field in _CAUSES.items() if of == kind and path[: len(above)] == above), own
        )
        is_said = cause != own and document.has(cause)
        place = next(cause[:length] for length in range(len(cause), -1, -1) if document.has(cause[:length]))
        line, column = document.position(place)
        return Origin(
            document.file, line, column, "driver" if is_said or cause[-1:] == ("config",) else "default", place
        )

    return origin
