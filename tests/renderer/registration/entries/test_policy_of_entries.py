"""Entries that the policy wants."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmodgate.policy.cluster.controllers import controllers_of
from kmodgate.policy.config import Policy, read_policy
from kmodgate.policy.findings import Mode
from kmodgate.policy.rule import RULES, load_rules
from kmodgate.policy.views.pod import POD_KINDS
from kmodgate.policy.webhook_entries.entry_table import ROWS
from tests.command import run
from tests.fleets import FleetFolder
from tests.renderer.registration.reaching import Request
from tests.renderer.registration.registering import (
    answer,
    generated,
    policy,
    validating,
)


@pytest.mark.parametrize(
    ("spec", "left"),
    [
        ("modes: {REF: disabled}", "modules dkms-pods workloads"),
        (
            "gates: {admit: {'*': disabled, REF: warn}}",
            "modules inner-kinds new-kinds definitions schemas protection labelled-namespaces labelled-contents other-namespaces "
            "emptied quotas limits dockerfiles labelled-emptied labelled-quotas labelled-limits labelled-dockerfiles overrides",
        ),
        ("profile: parity", "modules"),
    ],
)  # fmt: skip
def test_a_family_that_the_policy_disables_is_not_registered(fleet: FleetFolder, spec: str, left: str) -> None:
    policy(fleet, spec)
    objects = generated(fleet)
    names = [item["name"].removesuffix(".kmodgate.io") for item in validating(objects)["webhooks"]]
    assert names == left.split()
    assert ("MutatingWebhookConfiguration/kmodgate" in objects) is ("dkms-pods" in names)


@pytest.mark.parametrize(
    ("name", "family"),
    [("dkms-pods", "KTA"), ("labelled-dkms-pods", "KTA"), ("protection", "REF"), ("overrides", "REF")],
)
def test_a_row_goes_by_the_modes_of_its_family(name: str, family: str) -> None:
    rows = [row for row in ROWS if row.name == name]
    assert rows
    for row in rows:
        assert row.is_wanted(Policy())
        assert not row.is_wanted(read_policy({"modes": {family: "disabled"}}))
        assert not row.is_wanted(read_policy({"gates": {"admit": {family: "disabled"}}}))
        assert row.is_wanted(read_policy({"gates": {"render": {family: "disabled"}}}))


@pytest.mark.parametrize("left", ["KTA103", "KTA107", "PRV105"])
def test_workloads_are_asked_about_as_long_as_one_rule_about_them_is_in_force(left: str) -> None:
    row = next(row for row in ROWS if row.name == "workloads")
    assert row.is_wanted(read_policy({"modes": {"PRV": "disabled"}}))
    assert row.is_wanted(read_policy({"modes": {"KTA": "disabled"}}))
    assert row.is_wanted(read_policy({"modes": {"*": "disabled", left: "warn"}}))
    assert not row.is_wanted(read_policy({"modes": {"PRV": "disabled", "KTA": "disabled"}}))


def test_a_workload_that_kata_cannot_take_is_asked_about_without_the_rules_of_ring_0(fleet: FleetFolder) -> None:
    policy(fleet, "modes: {PRV: disabled}")
    request = Request("CREATE", "deployments", "apps", namespace="ims")
    assert answer(generated(fleet), request) == [("workloads", "Ignore")]


def test_a_rule_whose_parameter_is_not_set_keeps_no_row() -> None:
    row, modes = next(row for row in ROWS if row.name == "workloads"), {"*": "disabled", "KTA113": "warn"}
    assert not row.is_wanted(read_policy({"modes": modes}))
    registries = {"allowedRegistries": ["registry.example.com"]}
    assert row.is_wanted(read_policy({"modes": modes, "parameters": registries}))


def test_every_rule_about_pods_and_what_makes_them_keeps_the_row_that_asks_about_those() -> None:
    load_rules()
    row = next(row for row in ROWS if row.name == "workloads")
    asked = [rule for rule in RULES.values() if Policy().mode(rule.id, rule.severity, "admit") is not Mode.DISABLED]
    warnings_only = {"SEL209"}  # of a node that lacks a label: told along with others, and worth no call of its own
    families = {rule.id[:3] for rule in asked if set(rule.kinds) & set(POD_KINDS) and rule.id not in warnings_only}
    assert families == {family[:3] for family in row.families}


def test_one_guarding_rule_is_enough_for_the_protection_to_stay() -> None:
    row = next(row for row in ROWS if row.name == "protection")
    assert row.is_wanted(read_policy({"modes": {"REF": "disabled", "REF204": "audit"}}))
    assert not row.is_wanted(read_policy({"modes": {"*": "disabled"}}))
    assert row.is_wanted(Policy())


def test_options_say_which_policy_holds(fleet: FleetFolder) -> None:
    policy(fleet, "modes: {REF: disabled}")
    assert len(validating(generated(fleet, "--profile", "parity"))["webhooks"]) == 1
    policies = fleet.root / "policies/p.yaml"
    policies.rename(fleet.root.parent / "p.yaml")
    names = [item["name"] for item in validating(generated(fleet, "--policy", "../p.yaml"))["webhooks"]]
    assert "protection.kmodgate.io" not in names


def test_the_configuration_names_the_policy_that_it_was_made_for(fleet: FleetFolder) -> None:
    metadata = validating(generated(fleet))["metadata"]
    policy = Policy().with_controllers(controllers_of("upstream"))
    assert metadata["annotations"]["kmodgate.io/policy-hash"] == policy.digest


def test_the_policy_that_the_webhook_mounts_generates_what_the_fleet_generates(fleet: FleetFolder) -> None:
    policy(fleet, "modes: {KTA: disabled}")
    fleet.render()
    config_map = fleet.object("paris/cluster/configmap-kmodgate-policy.yaml")
    fleet.write("../policy.yaml", config_map["data"]["policy.yaml"])
    wanted = fleet.run("webhook-config").stdout
    (fleet.root / "policies/p.yaml").unlink()
    result = fleet.run("webhook-config", "--policy", "../policy.yaml")
    assert (result.returncode, result.stdout) == (0, wanted), result.stderr


def test_a_mistake_in_a_mounted_policy_is_still_an_error_with_its_place(tmp_path: Path) -> None:
    head = "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: p}\n"
    (tmp_path / "policy.yaml").write_text(f"{head}spec:\n  profil: strict\n")
    result = run("webhook-config", "--namespace", "drivers", "--policy", "policy.yaml", cwd=tmp_path)
    assert result.returncode == 2
    assert "policy.yaml:5:3: error[SCH101] spec.profil" in result.stderr
