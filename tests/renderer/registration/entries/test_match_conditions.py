"""`kmodgate webhook-config` for API servers that know no `matchConditions`: what they ask then, and what waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.command import run
from tests.fleets import FleetFolder
from tests.renderer.registration.reaching import Request
from tests.renderer.registration.registering import COMES_UP, answer, generated, made, mutating, policy, validating


def of_version(fleet: FleetFolder, version: str, platform: str = "kubernetes") -> FleetFolder:
    """The fleet, its cluster on that version of Kubernetes."""
    path = fleet.cluster("paris", platform=platform)
    path.write_text(path.read_text().replace("spec:\n", f'spec:\n  kubernetes: {{version: "{version}"}}\n'))
    return fleet


def conditions(objects: dict[str, Any]) -> list[Any]:
    entries = [*validating(objects)["webhooks"], *mutating(objects)["webhooks"]]
    return [item["matchConditions"] for item in entries if "matchConditions" in item]


@pytest.mark.parametrize(
    ("version", "has_conditions"),
    [("1.27", False), ("1.27.16", False), ("1.9", False), ("1.28", True), ("1.28.0", True)],
)
def test_conditions_are_left_out_for_api_servers_that_do_not_know_them(
    fleet: FleetFolder, tmp_path: Path, version: str, has_conditions: bool
) -> None:
    assert bool(conditions(generated(of_version(fleet, version)))) is has_conditions
    named = run("webhook-config", "--namespace=drivers", f"--kubernetes=v{version}+k3s1", cwd=tmp_path)
    assert bool(conditions(made(named))) is has_conditions


def test_without_conditions_all_that_was_asked_is_asked_still(fleet: FleetFolder) -> None:
    newer = {item["name"]: item for item in validating(generated(fleet))["webhooks"]}
    older = {item["name"]: item for item in validating(generated(of_version(fleet, "1.27")))["webhooks"]}
    changed = {"matchConditions", "failurePolicy"}
    assert newer.keys() == older.keys()
    for name, item in newer.items():
        assert {k: v for k, v in item.items() if k not in changed} == {
            k: v for k, v in older[name].items() if k not in changed
        }
    loosened = {name for name, item in newer.items() if item["failurePolicy"] != older[name]["failurePolicy"]}
    assert loosened == {
        f"{name}.kmodgate.io"
        for name in (
            "overrides",
            "inner-kinds",
            "definitions",
            "emptied",
            "quotas",
            "labelled-emptied",
            "limits",
            "labelled-quotas",
            "labelled-limits",
        )
    }


@pytest.fixture(scope="module")
def unconditional(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is generated for namespace `kmm-tests` of a cluster without conditions."""
    folder = tmp_path_factory.mktemp("unconditional")
    return made(run("webhook-config", "--namespace=kmm-tests", "--kubernetes=1.27", cwd=folder))


@pytest.mark.parametrize("request_", COMES_UP, ids=lambda item: f"{item.operation} {item.resource} {item.namespace}")
def test_without_conditions_nothing_outside_the_namespaces_of_drivers_waits_for_the_webhook(
    unconditional: dict[str, Any], request_: Request
) -> None:
    blocked = [name for name, failure in answer(unconditional, request_) if failure == "Fail"]
    assert blocked == (["modules"] if request_.resource == "modules" else [])


def test_a_policy_that_would_refuse_the_platforms_workloads_generates_nothing_without_conditions(
    fleet: FleetFolder,
) -> None:
    policy(fleet, "modes: {PRV: enforce}")
    assert fleet.run("webhook-config").returncode == 0
    assert of_version(fleet, "1.27").run("webhook-config").returncode == 0  # plain Kubernetes keeps three names only
    result = of_version(fleet, "1.27", "openshift").run("webhook-config")
    assert (result.returncode, result.stdout) == (2, "")
    assert "paris: Kubernetes 1.27 has no matchConditions (1.28 has), without which PRV101" in result.stderr
    assert "\n    fix: set PRV to audit or warn under gates.admit" in result.stderr


def test_what_refuses_elsewhere_than_at_admission_needs_no_conditions(fleet: FleetFolder) -> None:
    policy(fleet, "modes: {PRV: enforce}\n  gates: {admit: {PRV: warn}}")
    assert not conditions(generated(of_version(fleet, "1.27")))
