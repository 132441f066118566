"""PLG: variables and resources of plugins' containers that the API server refuses with their DaemonSet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.formats.kubernetes_names import is_qualified_name, near_name
from kmodgate.policy.formats.quantities import amount
from kmodgate.policy.kmm.versions import numbers
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.present import PLUGINS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.plugins.volumes import object_name_problems
from kmodgate.policy.views.part import Part

_OLD_NAME = lazy_regex(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_NAME = lazy_regex(r"[ -<>-~]+")
_RELAXED = "1.32"
"""The first Kubernetes that takes any printable name of a variable without `=`: KEP 4369."""

_SOURCES = "fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef"
_KEY = lazy_regex(r"[-._a-zA-Z0-9]{1,253}")
_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
_FIELDS_BY_KEY = lazy_regex(r"metadata\.(?:labels|annotations)\['.+'\]")
_STANDARD = ("cpu", "memory", "ephemeral-storage")
_HUGE = "hugepages-"


@rule("PLG110", needs=PLUGINS)
def variable_refused(review: Review) -> Iterator[Problem]:
    """An environment variable that the API server does not take. The DaemonSet is refused, and no status tells.

    That is one without a name, with a `=` in its name, with both `value` and `valueFrom`, or with a `valueFrom` that
    names no source or several, an unknown field of the pod, or a key that no ConfigMap or Secret can have. Names with
    spaces, or that begin with a digit, are taken from Kubernetes 1.32 on.

    Fix: correct it as the message says.
    Source: ValidateEnv in pkg/apis/core/validation/validation.go of Kubernetes.
    """
    for container in review.module.containers:
        for variable in container.maps("env"):
            yield from _name_problems(variable, review.cluster.release.kubernetes)
            yield from _source_problems(variable)


def _name_problems(variable: Part, kubernetes: str) -> Iterator[Problem]:
    name = variable.text("name")
    if not name:
        if variable.value.get("name") == "":
            yield variable.problem("name", "the variable has no name", "write its name, or remove the entry")
        return
    before, sign, after = name.partition("=")
    if sign and _OLD_NAME.fullmatch(before.strip()) and not (variable.text("value") or "valueFrom" in variable.value):
        fix = f"write name: {before.strip()} and value: {after.strip()!r}"
        yield variable.problem("name", f"{name!r} is a name and its value", fix)
    elif not _NAME.fullmatch(name):
        yield variable.problem("name", f"{name!r} cannot name a variable", _better(name))
    elif not _OLD_NAME.fullmatch(name) and (not kubernetes or numbers(kubernetes) < numbers(_RELAXED)):
        message = f"{name!r} names no variable before Kubernetes {_RELAXED}"
        problem = variable.problem("name", message, _better(name))
        yield problem if kubernetes else problem._replace(severity=Severity.WARNING)


def _better(name: str) -> str:
    better = re.sub("[^A-Za-z0-9._-]+", "_", name.strip()).strip("_")
    return f"write {better}" if _OLD_NAME.fullmatch(better) else "use letters, digits and '_', and no digit first"


def _source_problems(variable: Part) -> Iterator[Problem]:
    source = variable.optional("valueFrom")
    if source is None:
        return
    if variable.text("value"):
        yield variable.problem("valueFrom", "beside a value, which excludes it", "keep one of the two")
        return
    kinds = [key for key, value in source.value.items() if type(value) is dict]
    if len(kinds) != 1:
        what = f"names {len(kinds)} sources" if kinds else "names no source"
        yield variable.problem("valueFrom", what, f"name one of {_SOURCES}")
        return
    inner = source.map(kinds[0])
    if kinds[0] == "fieldRef":
        yield from _field_problems(inner)
    elif kinds[0] in ("configMapKeyRef", "secretKeyRef"):
        yield from _key_problems(inner, "ConfigMap" if kinds[0] == "configMapKeyRef" else "Secret")


def _field_problems(part: Part) -> Iterator[Problem]:
    path = part.text("fieldPath")
    if "fieldPath" in part.value and path not in _FIELDS and not _FIELDS_BY_KEY.fullmatch(path):
        better = near_name(path, _FIELDS)
        fix = f"write {better}" if better else f"one of: {', '.join(_FIELDS)}, metadata.labels['KEY']"
        yield part.problem("fieldPath", f"{path!r} is no field that a variable can have", fix)


def _key_problems(part: Part, kind: str) -> Iterator[Problem]:
    yield from object_name_problems(part, "name", kind, f"write the name of the {kind}")
    key = part.text("key")
    if "key" in part.value and not _KEY.fullmatch(key):
        better = key.strip()
        fix = f"write {better}" if _KEY.fullmatch(better) else "use letters, digits, '-', '_' and '.'"
        yield part.problem("key", f"no key of a {kind} can be {key!r}", fix)


@rule("PLG111", needs=PLUGINS)
def resources_refused(review: Review) -> Iterator[Problem]:
    """Resources that the API server does not take. The DaemonSet is refused, and the Module shows nothing of it.

    That is an unknown name such as `CPU`, a negative amount, a request above its limit, an extended resource in parts
    or with a request that is not its limit, huge pages without cpu or memory, or a claim: KMM's pods have none. An
    amount of memory in thousandths of a byte (`512m`) is taken, and a warning.

    Fix: correct it as the message says.
    Source: ValidateContainerResourceRequirements in pkg/apis/core/validation/validation.go of Kubernetes.
    """
    for container in review.module.containers:
        resources = container.optional("resources")
        if resources is None:
            continue
        for part in (resources.map("limits"), resources.map("requests")):
            for name, value in part.value.items():
                yield from _amount_problems(part, name, value)
        yield from _pair_problems(resources)
        if resources.value.get("claims"):
            yield resources.problem("claims", "the pods that KMM makes have no resource claims", "remove it")


def _amount_problems(part: Part, name: str, value: object) -> Iterator[Problem]:
    size = amount(value)
    if not _is_known(name):
        better = near_name(name, _STANDARD)
        known = better and better not in part.value
        fix = f"write {better}" if known else f"use one of: {', '.join(_STANDARD)}, or DOMAIN/NAME of a device"
        yield part.problem(name, f"there is no resource {name!r}", fix)
    elif size is not None and size < 0:
        yield part.problem(name, f"{value} is less than nothing", f"write {str(value).removeprefix('-')}")
    elif size is not None and size.denominator != 1 and "/" in name:
        yield part.problem(name, f"{value} is not a whole number, and {name} is counted", "write a whole number")
    elif size is not None and size.denominator != 1 and name == "memory" and str(value).endswith("m"):
        problem = part.problem(name, f"{value} is in thousandths of a byte", f"write {str(value)[:-1]}Mi")
        yield problem._replace(severity=Severity.WARNING)


def _is_known(name: str) -> bool:
    if "/" in name:
        return is_qualified_name(name) and not name.startswith("requests.")
    return name in _STANDARD or (name.startswith(_HUGE) and is_qualified_name(name))


def _pair_problems(resources: Part) -> Iterator[Problem]:
    limits, requests = resources.map("limits"), resources.map("requests")
    for name, value in requests.value.items():
        asked, most = _known_amount(name, value), _known_amount(name, limits.value.get(name))
        is_whole = "/" in name or name.startswith(_HUGE)
        if asked is None:
            continue
        if most is not None and asked > most:
            message = f"{value} is more than the limit, {limits.value[name]}"
            yield requests.problem(name, message, "raise the limit, or lower the request")
        elif is_whole and most is None and name not in limits.value:
            yield requests.problem(name, f"{name} needs a limit", f"write it below limits: {name}: {value}")
        elif is_whole and most is not None and asked != most:
            message = f"{value} is not the limit, {limits.value[name]}: {name} cannot be shared"
            yield requests.problem(name, message, f"write {limits.value[name]}")
    names = {*limits.value, *requests.value}
    huge = next((name for name in sorted(names) if name.startswith(_HUGE)), "")
    if huge and not names & {"cpu", "memory"}:
        part = limits if huge in limits.value else requests
        yield part.problem(huge, "huge pages need cpu or memory beside them", "add a limit of memory")


def _known_amount(name: str, value: object) -> Fraction | None:
    size = amount(value)
    return size if size is not None and size >= 0 and _is_known(name) else None
