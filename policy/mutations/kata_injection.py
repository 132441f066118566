"""Puts DKMS work into Kata: a RuntimeClass and the annotations that the policy permits.

What is never written: overhead, nodeSelector and tolerations, which Kubernetes' own RuntimeClass admission adds when it
is asked again; privileges, capabilities and the ServiceAccount, which DKMS needs and which are the guest's then.

An annotation is removed only where all of this holds: the policy names those that are permitted, this one is not among
them, it is one that a node must permit, and the pod runs in Kata, where it would keep the sandbox from starting. The
one that names Kata's configuration among the files of the node is removed in any case, unless the policy has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kmodgate.policy.cluster.facts import UNKNOWN
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.kata.view import CONFIG_PATH, HYPERVISOR, KataView, Reason
from kmodgate.policy.review import Review

Operation = dict[str, Any]
"""One operation of RFC 6902: op, path and, but for `remove`, value."""


@dataclass(frozen=True, slots=True)
class Injection:
    """The JSON Patch, empty where nothing is to be changed, and why."""

    patch: list[Operation]
    reason: Reason


def inject(review: Review) -> Injection:
    """What makes a new pod of DKMS work run in Kata; the review has the policy's parameters.

    The second time the patch is empty. Never raises, whatever the object is.

    Sources: docs/Limitations.md and docs/how-to of kata-containers/kata-containers; plugin/pkg/admission/runtimeclass
    of Kubernetes, which refuses a class that is exchanged after its overhead was added.
    """
    reason = _reason(review)
    if reason is Reason.INJECTED:
        name = {"op": "add", "path": "/spec/runtimeClassName", "value": review.kata.wanted_class}
        return Injection([name, *_annotations(review)], reason)
    changes = list(_annotations(review)) if reason is Reason.ALREADY_KATA else []
    return Injection(changes, Reason.ANNOTATED if changes else reason)


def _reason(review: Review) -> Reason:
    if review.kind != "Pod" or review.operation != "CREATE" or review.subresource:
        return Reason.NOT_A_NEW_POD
    kata = review.kata
    if not kata.work:
        return Reason.NOT_DKMS_WORK
    if not _is_well_formed(review.object):
        return Reason.MALFORMED
    if kata.stays_out is not None:
        return kata.stays_out
    if kata.pod.runtime_class:
        if kata.is_inside:
            return Reason.ALREADY_KATA
        return Reason.CLASS_NOT_KATA if kata.is_named else Reason.OTHER_CLASS
    if kata.obstacles:
        return kata.obstacles[0][0]
    return _class_problem(kata) or Reason.INJECTED


def _class_problem(kata: KataView) -> Reason | None:
    if kata.found_class is UNKNOWN:
        return Reason.CLASS_UNKNOWN
    if kata.found_class is None:
        return Reason.CLASS_MISSING
    if not kata.has_handler_of_kata:
        return Reason.CLASS_NOT_KATA
    return Reason.NODE_SELECTOR if kata.excluded_label else None


def _is_well_formed(pod: Mapping[str, Any]) -> bool:
    """Whether the places that are written are what Kubernetes has there, so that a patch can be applied."""
    metadata, spec = pod.get("metadata"), pod.get("spec")
    if not isinstance(metadata, dict) or not isinstance(spec, dict):
        return False
    annotations = metadata.get("annotations")
    return (annotations is None or isinstance(annotations, dict)) and isinstance(
        spec.get("runtimeClassName", ""), str | None
    )


def _annotations(review: Review) -> Iterator[Operation]:
    """The permitted annotations as the policy has them, in place of all that a node must permit."""
    permitted = review.parameters.kata.annotations or {}
    present = review.object["metadata"].get("annotations")
    if present is None:
        if permitted:
            yield {"op": "add", "path": "/metadata/annotations", "value": dict(permitted)}
        return
    for key, value in sorted(permitted.items()):
        if present.get(key) != value:
            yield {"op": "replace" if key in present else "add", "path": _pointer(key), "value": value}
    are_named = review.parameters.names_kata_annotations
    for key in present:
        is_refused = key == CONFIG_PATH or (are_named and type(key) is str and key.startswith(HYPERVISOR))
        if is_refused and key not in permitted:
            yield {"op": "remove", "path": _pointer(key)}


def _pointer(key: str) -> str:
    """RFC 6901: the name of an annotation has a slash."""
    return "/metadata/annotations/" + key.replace("~", "~0").replace("/", "~1")
