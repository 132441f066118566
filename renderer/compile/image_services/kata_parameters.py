"""What an ImageService says of Kata on its cluster, as `parameters.kata` of the cluster's policy.

It is stated once: in the ImageService. A DriverPolicy may say the same, or more, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding, format_path, value_at
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.ims.templates import XATTR, XATTR_VALUES
from kmodgate.policy.parameters import Kata
from kmodgate.renderer.compile.image_services.runtime_classes import class_names, runtime_classes
from kmodgate.renderer.fleet.image_services.service_targets import ServiceTarget
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import DriverPolicy, JsonMap

_PARAMETERS: FieldPath = ("spec", "parameters", "kata")
_FIELDS: dict[str, FieldPath] = {
    "runtimeClasses": ("kata", "runtimeClass"),
    "annotations": ("kata", "permits"),
    "handlers": ("kata", "handler"),
    "imsNamespace": ("namespaces", "jobs"),
}
"""Field of the policy → field of the ImageService that says it."""


@dataclass(frozen=True)
class StatedKata:
    """What an ImageService says; `annotations` is None where those that pods have may stay as they are."""

    runtime_classes: tuple[str, ...]
    annotations: tuple[tuple[str, str], ...] | None
    handlers: tuple[tuple[str, str], ...]
    ims_namespace: str

    def over(self, kata: Kata) -> Kata:
        """Return the parameters of a policy that does not contradict, with what is stated here."""
        ours, theirs = self.runtime_classes, kata.runtime_classes
        annotations = kata.annotations
        if self.annotations is not None:
            annotations = {**(annotations or {}), **dict(self.annotations)}
        is_more = theirs[0] == ours[0] and {*ours} <= {*theirs}
        return replace(
            kata,
            runtime_classes=theirs if is_more else ours,
            annotations=annotations,
            handlers={**kata.handlers, **{name: (handler,) for name, handler in self.handlers}},
            ims_namespace=self.ims_namespace,
        )  # fmt: skip


def stated_kata(target: ServiceTarget) -> StatedKata:
    """Return what the ImageService of a cluster says of Kata there."""
    kata: dict[str, Any] = target.spec.get("kata", {})
    annotations: tuple[tuple[str, str], ...] | None = None
    if kata.get("xattr"):
        annotations = ((XATTR, XATTR_VALUES[kata.get("flavour", "go")]),)
    elif "permits" in kata and XATTR.rpartition(".")[2] not in kata["permits"]:
        annotations = ()
    handlers = tuple(
        (str(value_at(item, ("metadata", "name"))), str(item["handler"])) for item in runtime_classes(target)
    )
    namespace = target.spec.get("namespaces", {}).get("jobs", "ims")
    return StatedKata(class_names(target), annotations, handlers, namespace)  # fmt: skip


def contradictions(target: ServiceTarget, policy: DriverPolicy) -> Iterator[Finding]:
    """Yield what the policy of a cluster says of Kata and its ImageService says differently, with both places."""
    written: JsonMap = value_at(policy.document.value, _PARAMETERS, {})
    stated = stated_kata(target)
    for name, is_different, ours in _differences(written, stated):
        if is_different:
            place = target.merged.origin(_FIELDS[name])
            field = format_path(place.path)
            message = (
                f"the ImageService of cluster {target.cluster.name} says {ours} ({place.file}:{place.line}: {field})"
            )
            fix = f"remove parameters.kata.{name}: the ImageService says it once, for ims-config and for the policy"
            yield finding_at(policy.document, (*_PARAMETERS, name), "IMS506", message, fix)


def _differences(written: JsonMap, stated: StatedKata) -> Iterator[tuple[str, bool, str]]:
    """Yield each field that the policy has, whether it contradicts, and what is stated."""
    classes, annotations = written.get("runtimeClasses"), written.get("annotations")
    handlers, namespace = written.get("handlers"), written.get("imsNamespace")
    if isinstance(classes, list):
        ours = stated.runtime_classes
        yield "runtimeClasses", classes[:1] != [ours[0]] or not {*ours} <= {*map(str, classes)}, ", ".join(ours)
    if isinstance(annotations, dict) and stated.annotations is not None:
        wanted = dict[str, Json](stated.annotations)
        shown = ", ".join(f"{key}: {value}" for key, value in stated.annotations) or "no annotation"
        yield "annotations", _differs(annotations, wanted), shown
    if isinstance(handlers, dict):
        known = {name: [handler] for name, handler in stated.handlers}
        shown = ", ".join(f"{name}: {handler}" for name, handler in stated.handlers)
        yield "handlers", any(handlers.get(name, handler) != handler for name, handler in known.items()), shown
    if namespace is not None:
        yield "imsNamespace", namespace != stated.ims_namespace, stated.ims_namespace


def _differs(annotations: JsonMap, stated: JsonMap) -> bool:
    """Whether a policy has another value than the stated one, or extended attributes where none are asked for."""
    return any(annotations.get(name) != value for name, value in stated.items()) or (
        XATTR in annotations and XATTR not in stated
    )
