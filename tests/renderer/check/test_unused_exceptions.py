"""An exception that matches nothing is a note, where a whole fleet was judged."""

from __future__ import annotations

import json

import pytest

from tests.fleets import FleetFolder

POLICY = """\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {{name: p}}
spec:
  clusters: {{matchLabels: {{}}}}
  exceptions:
  - {{rule: {rule}, object: {object}, owner: team, ticket: T-1, expires: "2099-01-01"}}
"""


def notes(fleet: FleetFolder, rule: str, object: str, *arguments: str) -> list[str]:
    fleet.write("policy.yaml", POLICY.format(rule=rule, object=object))
    report = json.loads(fleet.run("check", "--format", "json", *arguments).stdout)
    return [item["field"] for item in report["findings"] if item["rule"] == "POL103" and item["mode"] == "audit"]


@pytest.fixture
def unanchored(fleet: FleetFolder) -> FleetFolder:
    path = fleet.driver("nic")
    path.write_text(path.read_text().replace("^5\\.14\\..+$", "5\\.14\\."))
    return fleet


@pytest.mark.parametrize(
    ("rule", "object"),
    [("MAP202", "{kind: Module, name: gpu}"), ("MAP204", "{kind: Module}"), ("MAP202", "{kind: Module, namespace: x}")],
)
def test_an_exception_that_matches_nothing_is_a_note(unanchored: FleetFolder, rule: str, object: str) -> None:
    assert notes(unanchored, rule, object) == ["spec.exceptions[0]"]


@pytest.mark.parametrize(
    ("rule", "object"),
    [
        ("MAP202", "{kind: Module}"),
        ("MAP202", "{kind: Module, namespace: kmm-tests, name: nic}"),
        ("KTA101", "{kind: Pod}"),
        ("SGN202", "{kind: Module}"),
        ("KMM301", "{kind: Pod}"),
    ],
)
def test_one_that_holds_or_that_a_fleet_cannot_show_is_silent(unanchored: FleetFolder, rule: str, object: str) -> None:
    assert notes(unanchored, rule, object) == []


def test_where_a_part_of_the_fleet_was_judged_nothing_is_said(unanchored: FleetFolder) -> None:
    assert notes(unanchored, "MAP204", "{kind: Module}", "--cluster", "paris") == []


def test_where_a_spec_is_faulty_nothing_is_said(unanchored: FleetFolder) -> None:
    unanchored.driver("gpu", "removel: auto")
    assert notes(unanchored, "MAP204", "{kind: Module}") == []
