"""The worker pods of KMM, which load and unload drivers: what they take, and what a LimitRange has against them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from kmodgate.policy.findings import FieldPath, plain_text
from kmodgate.policy.formats.quantities import cpus as quantity

Map = Mapping[str, Any]
Amounts = Mapping[str, Fraction]

_REQUESTS: Amounts = {"cpu": Fraction(1, 2), "memory": Fraction(64 * 2**20)}
_LIMITS: Amounts = {"cpu": Fraction(1), "memory": Fraction(128 * 2**20)}
"""CPUs and bytes of each of a worker's containers, and of the pod: its two containers run one after the other.

Source: internal/pod/workerpodmanager.go of Kernel Module Management.
"""


OF_QUOTAS: Amounts = {
    **dict.fromkeys(("pods", "count/pods"), Fraction(1)),
    **{f"{prefix}{key}": amount for prefix in ("", "requests.") for key, amount in _REQUESTS.items()},
    **{f"limits.{key}": amount for key, amount in _LIMITS.items()},
}
"""What a worker takes of a ResourceQuota, by the keys of one: of a quota with less than this no worker is made.

Source: pkg/quota/v1/evaluator/core/pods.go of Kubernetes.
"""


def constraints_against_workers(limit_range: Map) -> Iterator[tuple[FieldPath, str]]:
    """Yield path and text of each constraint of a LimitRange that a worker pod does not meet.

    A pod that lacks the request or limit that is bounded is refused as well; containers get the defaults of the type
    `Container` for what they do not say.

    Source: plugin/pkg/admission/limitranger/admission.go and pkg/apis/core/v1/defaults.go of Kubernetes.
    """
    spec = limit_range.get("spec")
    found = spec.get("limits") if isinstance(spec, Mapping) else None
    items = [item if isinstance(item, Mapping) else {} for item in (found if isinstance(found, list) else ())]
    requests, limits = _with_defaults([item for item in items if item.get("type") == "Container"])
    for index, item in enumerate(items):
        for field, is_broken in _CONSTRAINTS.items() if item.get("type") in ("Container", "Pod") else ():
            for resource, bound in _amounts(item, field).items():
                if is_broken(bound, requests.get(resource), limits.get(resource)):
                    text = f"{field} {plain_text(resource)}: {plain_text(item[field][resource])} of a {item['type']}"
                    yield ("spec", "limits", index, field, resource), text


def _with_defaults(containers: Sequence[Map]) -> tuple[Amounts, Amounts]:
    """Requests and limits of a worker, with the defaults for resources that it does not name."""
    requests: dict[str, Fraction] = {}
    limits: dict[str, Fraction] = {}
    for item in containers:
        most = {**_amounts(item, "max"), **_amounts(item, "default")}
        limits |= most
        requests |= {**_amounts(item, "min"), **most, **_amounts(item, "defaultRequest")}
    return {**requests, **_REQUESTS}, {**limits, **_LIMITS}


def _amounts(item: Map, field: str) -> dict[str, Fraction]:
    found = item.get(field)
    amounts = {str(key): quantity(value) for key, value in found.items()} if isinstance(found, Mapping) else {}
    return {key: amount for key, amount in amounts.items() if amount is not None}


def _is_over(bound: Fraction, request: Fraction | None, limit: Fraction | None) -> bool:
    return limit is None or max(limit, request or limit) > bound


def _is_under(bound: Fraction, request: Fraction | None, limit: Fraction | None) -> bool:
    return request is None or min(request, request if limit is None else limit) < bound


def _is_apart(bound: Fraction, request: Fraction | None, limit: Fraction | None) -> bool:
    return not request or not limit or limit / request > bound


_CONSTRAINTS: dict[str, Callable[[Fraction, Fraction | None, Fraction | None], bool]] = {
    "max": _is_over,
    "min": _is_under,
    "maxLimitRequestRatio": _is_apart,
}
"""Field of an item → whether a pod with a request and a limit is refused because of its value."""
