"""The policy of a cluster as the webhook there mounts it, so that the commit and the cluster are judged alike."""

from __future__ import annotations

from collections.abc import Callable

from kmodgate.policy.config import Policy
from kmodgate.policy.findings import FieldPath, value_at
from kmodgate.policy.formats.yaml_documents import Document, Json
from kmodgate.policy.parameters import Kata, SignedElsewhere
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.files import MARKER
from kmodgate.renderer.fleet.specs import DriverPolicy, JsonMap
from kmodgate.renderer.manifests import argo
from kmodgate.renderer.manifests.emit_yaml import emit
from kmodgate.renderer.manifests.manifest import Manifest
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY

NAMESPACE = "kmodgate-system"
CONFIG_MAP = "kmodgate-policy"
HASH_ANNOTATION = "kmodgate.io/policy-hash"


def manifests(source: DriverPolicy | None, effective: Policy) -> list[Manifest]:
    """Namespace and ConfigMap; the data is the DriverPolicy without its clusters, with the profile that holds.

    What the fleet's drivers say is signed elsewhere is part of it: at admission nothing else is believed. So are the
    users that are KMM's by the Cluster, the accounts that load drivers by DaemonSets, and what the cluster's
    ImageService says of Kata.

    Where nobody has written one, it is the built-in profile, and leads to the marker of the fleet.
    """
    document: JsonMap = {
        "apiVersion": "kmodgate.io/v1alpha1",
        "kind": "DriverPolicy",
        "metadata": {"name": source.name if source else effective.profile},
        "spec": _with_fleet({**(_written(source) if source else {}), "profile": effective.profile}, source, effective),
    }
    config_map: JsonMap = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": CONFIG_MAP,
            "namespace": NAMESPACE,
            "labels": dict(MANAGED_BY),
            "annotations": {**argo.sync_annotations("ConfigMap"), HASH_ANNOTATION: effective.digest},
        },
        "data": {"policy.yaml": emit(document)},
    }
    file = source.document.file if source else MARKER
    trace = _trace(source.document) if source else _built_in
    return [Manifest(value, None, file, trace) for value in (_namespace(), config_map)]


def _written(source: DriverPolicy) -> JsonMap:
    spec: JsonMap = source.document.value["spec"]  # type: ignore[index,call-overload,assignment]
    return {key: value for key, value in spec.items() if key != "clusters"}


def _with_fleet(spec: JsonMap, source: DriverPolicy | None, effective: Policy) -> JsonMap:
    """The spec with the parameters to which the fleet adds something."""
    added: JsonMap = {}
    if effective.parameters.kata != (source.policy if source else Policy()).parameters.kata:
        written: JsonMap = value_at(spec, ("parameters", "kata"), {})
        added["kata"] = {**written, **_kata(effective.parameters.kata)}
    if entries := effective.parameters.signed_elsewhere:
        added["signedElsewhere"] = [_signed(entry) for entry in entries]
    if users := effective.parameters.controllers:
        added["controllers"] = list[Json](users)
    if effective.parameters.kernel_access != (source.policy if source else Policy()).parameters.kernel_access:
        accounts = effective.parameters.kernel_access
        access: JsonMap = value_at(spec, ("parameters", "kernelAccess"), {})
        approved: list[Json] = [{"namespace": namespace, "serviceAccount": name} for namespace, name in accounts]
        added["kernelAccess"] = {**access, "approved": approved}
    if not added:
        return spec
    parameters = spec.get("parameters")
    return {**spec, "parameters": {**(parameters if isinstance(parameters, dict) else {}), **added}}


def _kata(kata: Kata) -> JsonMap:
    """The parameters that an ImageService says, as a policy has them."""
    spec: JsonMap = {"runtimeClasses": list[Json](kata.runtime_classes)}
    if kata.handlers:
        spec["handlers"] = {name: list[Json](handlers) for name, handlers in kata.handlers.items()}
    if kata.annotations is not None:
        spec["annotations"] = {**kata.annotations}
    return {**spec, "imsNamespace": kata.ims_namespace}


def _signed(entry: SignedElsewhere) -> Json:
    fingerprint: JsonMap = {"fingerprint": entry.fingerprint} if entry.fingerprint else {}
    modules: JsonMap = {"modules": list[Json](entry.modules)} if entry.modules else {}
    writer: JsonMap = {"writer": entry.writer} if entry.writer else {}
    return {"driver": entry.driver, "images": list[Json](entry.images), **fingerprint, **modules, **writer}


def _namespace() -> JsonMap:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": NAMESPACE,
            "labels": dict(MANAGED_BY),
            "annotations": argo.sync_annotations("Namespace", argo.NEVER_REMOVED),
        },
    }


def _trace(document: Document) -> Callable[[FieldPath], Origin]:
    def trace(path: FieldPath) -> Origin:
        place: FieldPath = ("spec",) if path[:1] == ("data",) else ("metadata", "name")
        line, column = document.position(place)
        return Origin(document.file, line, column, "driver" if len(place) == 1 else "default", place)

    return trace


def _built_in(_: FieldPath) -> Origin:
    """Nobody wrote the object; what makes a folder a fleet is the closest thing that was said."""
    return Origin(MARKER, 1, 1, "default", ())
