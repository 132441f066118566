"""The entry `limits` of `kmodgate webhook-config`: which LimitRanges the API server asks about."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from kmodgate.policy.formats.quantities import cpus
from kmodgate.policy.kmm.worker_pods import constraints_against_workers
from tests.fleets import FleetFolder
from tests.renderer.registration.reaching import Request
from tests.renderer.registration.registering import answer, generated

UNITS = ("", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "e-3", "e3")
NUMBERS = (0, 1, 2, 8, 49, 64, 65, 67, 127, 128, 129, 499, 500, 501, 600, 999, 1000, 1500, 9999, 67108865, 134217727)
FIELDS = ("max", "min", "maxLimitRequestRatio")


def canonical(number: int, unit: str) -> bool:
    """Whether the API server would pass the amount on as it stands: with the largest unit that needs no fraction."""
    larger = {"n": 1000, "u": 1000, "m": 1000, "": 1000, "k": 1000, "M": 1000, "Ki": 1024, "Mi": 1024}
    return unit == "" or number % larger.get(unit, 10**12) != 0


def limits(kind: str, field: str, resource: str, amount: str) -> dict[str, Any]:
    return {"spec": {"limits": [{"type": kind, field: {resource: amount}}]}}


@pytest.mark.parametrize("field", FIELDS)
def test_all_that_refuses_workers_is_asked_about(fleet: FleetFolder, field: str) -> None:
    objects, refusing = generated(fleet), 0
    amounts = [f"{number}{unit}" for number in NUMBERS for unit in UNITS if canonical(number, unit)]
    for kind in ("Container", "Pod"):
        for resource in ("cpu", "memory", "ephemeral-storage"):
            for amount in amounts:
                content = limits(kind, field, resource, amount)
                if any(constraints_against_workers(content)):
                    refusing += 1
                    request = Request("CREATE", "limitranges", namespace="kmm-tests", content=content)
                    assert answer(objects, request) == [("limits", "Fail")], content
    assert refusing > 100


@pytest.mark.parametrize(
    "content",
    [
        limits("Container", "max", "cpu", "2"),
        limits("Container", "max", "cpu", "1500m"),
        limits("Container", "max", "memory", "2Gi"),
        limits("Container", "min", "cpu", "100m"),
        limits("Container", "min", "memory", "64Mi"),
        limits("Container", "max", "ephemeral-storage", "1Gi"),
        limits("Pod", "maxLimitRequestRatio", "cpu", "10"),
        limits("PersistentVolumeClaim", "max", "storage", "1Mi"),
        {"spec": {"limits": [{"type": "Container", "default": {"cpu": "10m"}, "defaultRequest": {"cpu": "1m"}}]}},
        {"spec": {}},
    ],
)
def test_usual_limits_wait_for_nobody(fleet: FleetFolder, content: dict[str, Any]) -> None:
    assert not any(constraints_against_workers(content))
    assert answer(generated(fleet), Request("CREATE", "limitranges", namespace="kmm-tests", content=content)) == []


def test_removing_and_labelling_limits_waits_for_nobody(fleet: FleetFolder) -> None:
    objects, small = generated(fleet), limits("Container", "max", "cpu", "1m")
    labelled = Request("UPDATE", "limitranges", namespace="kmm-tests", old={}, content=small, old_content=small)
    removed = Request("DELETE", "limitranges", namespace="kmm-tests", labels=None, old={}, old_content=small)
    changed = Request("UPDATE", "limitranges", namespace="kmm-tests", old={}, content=small, old_content={"spec": {}})
    assert [answer(objects, request) for request in (labelled, removed, changed)] == [[], [], [("limits", "Fail")]]


def test_amounts_are_compared_as_numbers() -> None:
    assert cpus("1000m") == Fraction(1)
    assert not any(constraints_against_workers(limits("Container", "max", "cpu", "1000m")))
    assert not any(constraints_against_workers(limits("Pod", "max", "memory", "131072Ki")))
