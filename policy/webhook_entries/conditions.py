"""Conditions in CEL under which the API server asks the webhook: an older API server asks without them.

Source: Kubernetes, Dynamic Admission Control (matchConditions).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from typing import Literal

from kmodgate.policy.cluster.controllers import COLLECTORS, KMM, OLM
from kmodgate.policy.cluster.facts import MANAGED_BY
from kmodgate.policy.cluster.override_annotation import ANNOTATION
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.kata.ims_jobs import LABEL, LABEL_VALUE
from kmodgate.policy.kmm.misnamed_kinds import KMM_GROUP
from kmodgate.policy.kmm.worker_pods import OF_QUOTAS
from kmodgate.policy.views.boot_config import POOL_LABEL
from kmodgate.policy.views.definition import CONTENTS, HOLDERS

FailurePolicy = Literal["Fail", "Ignore"]

CONDITIONS_SINCE = "1.28"
"""The first version of Kubernetes that heeds conditions: 1.27 drops them by default, older ones know none."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of an object so that the API server asks about it, in CEL; it fails for none.

    An older API server asks about all that it might hold for. `otherwise` is what such a one does when nobody answers:
    what lies outside the namespaces of drivers does not wait for the webhook. The word `CONTROLLERS` in the expression
    stands for the list of the users that count as KMM's and as Kubernetes' own controllers, and `ENDERS` for those of
    them that only end what ends anyway: all but the garbage collector. `KEEPERS` are the controllers and whoever
    usually is KMM.
    """

    name: str
    expression: str
    otherwise: FailurePolicy

    def text(self, controllers: Collection[str]) -> str:
        """Return the expression, with the names of controllers in it."""
        counting = set(controllers)
        users = {
            "CONTROLLERS": sorted(counting),
            "ENDERS": sorted(counting - COLLECTORS),
            "KEEPERS": sorted(counting | KMM),
        }
        return re.sub("|".join(users), lambda word: json.dumps(users[word[0]]), self.expression)


def _differs(*fields: str) -> str:
    """That one of the fields is another one than before, in CEL; a field that may be missing is asked for first."""
    return " || ".join(
        f"has(object.{field}) != has(oldObject.{field}) || "
        f"(has(object.{field}) && has(oldObject.{field}) && object.{field} != oldObject.{field})"
        for field in fields
    )


_NOT_ALONE = _differs("metadata.labels", "metadata.annotations", "metadata.finalizers", "metadata.ownerReferences")
"""That more of the metadata changes than the record of who manages which field."""

_BY_OTHERS = "!(request.userInfo.username in CONTROLLERS)"

IS_WRITTEN = Condition(
    "changes-more-than-a-controller",
    f"request.operation != 'UPDATE' || {_differs('spec')} || "
    f"(!(request.userInfo.username in KEEPERS) && ({_NOT_ALONE}))",
    otherwise="Fail",
)

# in one expression, which ends where it is false: an error in another one would keep KMM waiting
IS_BY_OTHERS = Condition(
    "is-not-by-kmm",
    f"{_BY_OTHERS} && (request.operation != 'UPDATE' || {_differs('spec', 'status')} || {_NOT_ALONE})",
    otherwise="Ignore",
)


def is_of_another_kind(known: Iterable[str]) -> Condition:
    """That a resource is none of those that are known."""
    expression = f"!(request.resource.resource in {json.dumps(sorted(known))})"
    return Condition("is-of-an-unknown-kind", expression, otherwise="Ignore")


def _has_fields(version: str, holder: tuple[str, ...], *last: str) -> tuple[str, str]:
    """Return where the schema of a version lists the contents of a field, and that it does, in CEL."""
    steps = ["schema", "openAPIV3Schema", *(step for name in holder for step in ("properties", name)), *last]
    paths = [".".join((version, *steps[:end])) for end in range(1, len(steps) + 1)]
    return paths[-1], " && ".join(f"has({path})" for path in paths)


def _loses_a_field(holder: tuple[str, ...]) -> str:
    """That version `new` lists not all fields of an object that version `old` does."""
    (old, had), (new, has) = _has_fields("old", holder, "properties"), _has_fields("new", holder, "properties")
    return f"({had} && !({has} && !{old}.exists(field, !(field in {new}))))"


def _loses_contents(field: tuple[str, ...], last: tuple[str, ...]) -> str:
    """That version `new` lists nothing in a field of which version `old` lists the contents."""
    return f"({_has_fields('old', field, *last)[1]} && !({_has_fields('new', field, *last)[1]}))"


_LOSES_SOMETHING = " || ".join((*map(_loses_a_field, HOLDERS), *(_loses_contents(*item) for item in CONTENTS)))

_IS_SAME = (
    "new.name == old.name && (new.served || !old.served) && new.storage == old.storage && "
    "(!has(old.subresources) || !has(old.subresources.status) || "
    f"(has(new.subresources) && has(new.subresources.status))) && !({_LOSES_SOMETHING})"
)
_OF_TWO_VERSIONS = [f"{name}.{KMM_GROUP}" for name in ("preflightvalidations", "preflightvalidationsocp")]
"""The kinds of which KMM itself moves the storage to another version; nobody's driver depends on them."""

_IS_LESS = (
    f"!(request.userInfo.username in {json.dumps(sorted(OLM))}) && has(oldObject.spec.versions) && "
    f"has(object.spec.versions) && !(oldObject.metadata.name in {json.dumps(_OF_TWO_VERSIONS)}) && "
    f"oldObject.spec.versions.exists(old, !object.spec.versions.exists(new, {_IS_SAME}))"
)

_OVERRIDDEN = f"has(object.metadata.annotations) && '{ANNOTATION}' in object.metadata.annotations"

_SETS_OVERRIDE = (
    f"(request.operation != 'DELETE' && {_OVERRIDDEN} && (request.operation == 'CREATE' || "
    f"!({_OVERRIDDEN.replace('object', 'oldObject')} && "
    f"object.metadata.annotations['{ANNOTATION}'] == oldObject.metadata.annotations['{ANNOTATION}'])))"
)

_IS_OF_KMM = f"object.metadata.name.endsWith('.{KMM_GROUP}')"

IS_KMMS = Condition(
    "defines-a-kind-of-kmm",
    f"(request.operation != 'CREATE' && has(oldObject.metadata.name) && {_IS_OF_KMM.replace('object', 'oldObject')} && "
    f"(request.operation == 'DELETE' || {_SETS_OVERRIDE} || ({_IS_LESS}))) || "
    f"(request.operation == 'CREATE' && has(object.metadata.name) && {_IS_OF_KMM} && {_OVERRIDDEN})",
    otherwise="Ignore",
)
"""That a definition of KMM is deleted, gets an override, or keeps less than it did, as no upgrade of KMM has it."""

CHANGES_A_DEFINITION = Condition(
    "changes-a-kind-of-kmm",
    f"!(request.userInfo.username in {json.dumps(sorted(OLM))}) && has(object.metadata.name) && {_IS_OF_KMM} && "
    f"!(object.metadata.name in {json.dumps(_OF_TWO_VERSIONS)}) && ({_differs('spec')})",
    otherwise="Ignore",
)
"""That anything changes of what a definition of KMM says: only the rule sees deep into schemas."""

_IS_KMM = "startsWith('kernel-module-management')"

INSTALLS_KMM = Condition(
    "installs-kmm",
    f"(!(request.userInfo.username in {json.dumps(sorted(OLM))}) && {_SETS_OVERRIDE}) || "
    "(request.operation == 'DELETE' && (request.resource.resource == 'operatorgroups' || "
    f"(has(oldObject.metadata.name) && oldObject.metadata.name.{_IS_KMM} && "
    "!(has(oldObject.metadata.labels) && 'olm.copiedFrom' in oldObject.metadata.labels)) || "
    f"(has(oldObject.spec) && ((has(oldObject.spec.name) && oldObject.spec.name.{_IS_KMM}) || "
    "(has(oldObject.spec.clusterServiceVersionNames) && "
    f"oldObject.spec.clusterServiceVersionNames.exists(item, item.{_IS_KMM}))))))",
    otherwise="Ignore",
)
"""That an object is deleted by which the Operator Lifecycle Manager installs KMM, or any gets an override."""

IS_OVERRIDDEN = Condition("carries-an-override", _OVERRIDDEN, otherwise="Ignore")

IS_DECIDED = Condition(
    "is-not-a-controllers-upkeep",
    f"!((request.operation == 'UPDATE' && request.userInfo.username in CONTROLLERS && !({_OVERRIDDEN})) || "
    "(request.operation == 'DELETE' && request.resource.resource != 'namespaces' && "
    "request.userInfo.username in ENDERS))",
    otherwise="Fail",
)
"""What a controller is never refused it does not wait for: KMM's label, finalizing a namespace, emptying one."""


_UNITS = "object.spec.config.systemd.units"

_HAS_UNITS = " && ".join(f"has({_UNITS.rsplit('.', left)[0]})" for left in (3, 2, 1, 0))

LOADS_AT_BOOT = Condition(
    "loads-a-module-at-boot",
    f"has(object.metadata.labels) && '{POOL_LABEL}' in object.metadata.labels && {_HAS_UNITS} && "
    f"{_UNITS}.exists(unit, has(unit.contents) && unit.contents.contains('KERNEL_MODULE_IMAGE')) && "
    f"(request.operation != 'UPDATE' || {_differs('metadata.labels', 'spec')})",
    otherwise="Ignore",
)
"""A MachineConfig of a pool, not the one that the operator merges of them, whose units name the image of a module."""

CHANGES_LABELS = Condition("changes-labels", _differs("metadata.labels"), otherwise="Ignore")

HAS_ANOTHER_DOCKERFILE = Condition(
    "has-another-dockerfile",
    "has(object.data) && has(oldObject.data) && 'dockerfile' in object.data && 'dockerfile' in oldObject.data && "
    "object.data['dockerfile'] != oldObject.data['dockerfile']",
    otherwise="Ignore",
)

_FEW_CPUS = "^([.0].*|[0-9]{1,3}m|.*[uneE].*)$"
_LITTLE_MEMORY = "^([.0].*|[0-9]{1,9}|[0-9]{1,6}(k|Ki)|[0-9]{1,3}(M|Mi)|.*[.muneE].*)$"
_MORE_CPUS = "^([^0]|[1-9][0-9]*[^0-9m].*|[1-9][0-9]+|50[1-9]m|5[1-9][0-9]m|[6-9][0-9]{2}m|[0-9]{4,}m)$"
_MORE_MEMORY = "^([0-9]{8,}|[0-9]{5,}(k|Ki)|(6[5-9]|[7-9][0-9]|[0-9]{3,})(M|Mi)|.*[.muneEGTP].*)$"
_LOW_RATIO = "^([01]|.*[^0-9].*)$"


_TOO_LITTLE = {"pods": "^0", "cpu": _FEW_CPUS, "memory": _LITTLE_MEMORY}


def _allows_little(amount: str) -> str:
    """That a ResourceQuota has too little of an amount that may stand under several keys."""
    keys = [key for key in OF_QUOTAS if re.split("[./]", key)[-1] == amount]
    value = "string(object.spec.hard[key])"
    return f"{json.dumps(keys)}.exists(key, key in object.spec.hard && {value}.matches('{_TOO_LITTLE[amount]}'))"


ALLOWS_NO_POD = Condition(
    "allows-no-pod", f"has(object.spec.hard) && ({' || '.join(map(_allows_little, _TOO_LITTLE))})", otherwise="Ignore"
)
"""A ResourceQuota of which none of KMM's workers may be made: amounts in Kubernetes' canonical form, as in limits."""


def _bounds(field: str, of_cpus: str, of_memory: str, of_others: str) -> str:
    """That a field of an item of a LimitRange has an amount that may be too little, or too much, for KMM's workers."""
    named = (
        f"('{key}' in item.{field} && string(item.{field}['{key}']).matches('{amount}'))"
        for key, amount in (("cpu", of_cpus), ("memory", of_memory))
    )
    others = f"({of_others} && item.{field}.exists(key, !(key in ['cpu', 'memory'])))"
    return f"(has(item.{field}) && ({' || '.join((*named, others))}))"


_OF_PODS = "item.type == 'Pod'"
_BOUNDS = (
    _bounds("max", _FEW_CPUS, _LITTLE_MEMORY, _OF_PODS),
    _bounds("min", _MORE_CPUS, _MORE_MEMORY, _OF_PODS),
    _bounds("maxLimitRequestRatio", _LOW_RATIO, _LOW_RATIO, "true"),
)

BOUNDS_WORKERS = Condition(
    "bounds-kmms-workers",
    f"has(object.spec.limits) && (request.operation != 'UPDATE' || {_differs('spec')}) && object.spec.limits.exists("
    f"item, item.type in ['Container', 'Pod'] && ({' || '.join(_BOUNDS)}))",
    otherwise="Ignore",
)
"""A LimitRange that may refuse KMM's workers: amounts in Kubernetes' canonical form, in which no unit has a fraction.

Every amount that the rule finds fault with is let in (`policy/kmm/worker_pods.py`), and no usual one beside them.
"""

_LABELS = "object.metadata.labels"
_OWN_KEY, _OWN_VALUE = MANAGED_BY
_CONTAINERS = "object.spec.template.spec.containers"

IS_OF_AN_OPERATOR = Condition(
    "is-of-an-operator",
    f"request.namespace.startsWith('openshift-') && ((has({_LABELS}) && '{_OWN_KEY}' in {_LABELS} && "
    f"{_LABELS}['{_OWN_KEY}'] == '{_OWN_VALUE}') || (has({_CONTAINERS}) && {_CONTAINERS}.exists(item, "
    "(has(item.image) && item.image.contains('kernel-module-management')) || "
    "(has(item.env) && item.env.exists(entry, entry.name == 'RELATED_IMAGE_WORKER')))))",
    otherwise="Ignore",
)
"""That a workload of OpenShift's own namespaces is a Job of kmodgate or KMM's operator, in whatever namespace it is."""

IS_OF_IMS = f"has({_LABELS}) && '{LABEL}' in {_LABELS} && {_LABELS}['{LABEL}'].matches('^{LABEL_VALUE}$')"
"""That a pod is one of a job of IMS, in CEL: the label that its selectors ask for has many values elsewhere."""
