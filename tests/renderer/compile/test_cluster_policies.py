"""DriverPolicies of a fleet: which holds on which cluster, and what the cluster gets of it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from kmodgate.policy.cluster.controllers import controllers_of
from kmodgate.policy.config import read_policy
from kmodgate.renderer.compile.cluster_policies import exception_findings, read_choice
from tests.command import run
from tests.fleets import FleetFolder


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    folder = FleetFolder(tmp_path)
    folder.cluster("paris")
    folder.cluster("lab", labels={"tier": "edge", "site": "lab"})
    folder.driver("nic")
    path = folder.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace(r"^5\.14\..+$", "5\\.14"))
    return folder


def policy(fleet: FleetFolder, spec: str, name: str = "p", clusters: str = "{matchLabels: {tier: edge}}") -> Path:
    indented = "".join(f"  {line}\n" for line in spec.splitlines())
    head = f"apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {{name: {name}}}\nspec:\n  clusters: {clusters}\n"
    return fleet.write(f"policies/{name}.yaml", head + indented)


def found(fleet: FleetFolder, *arguments: str) -> list[dict[str, Any]]:
    report = json.loads(fleet.run("check", *arguments, "--format", "json").stdout)
    return [item for item in report["findings"] if item["mode"] != "audit"]


def test_a_policy_of_the_fleet_holds_at_render_and_check_on_its_clusters(fleet: FleetFolder) -> None:
    assert [(item["rule"], item["mode"]) for item in found(fleet)] == [("MAP202", "warn")]
    policy(fleet, "modes: {MAP202: enforce}", clusters="{names: [lab]}")
    assert {(item["rule"], item["mode"]) for item in found(fleet)} == {("MAP202", "warn"), ("MAP202", "enforce")}
    result = fleet.run("render")
    assert result.returncode == 1
    assert "warning[MAP202] (enforce) spec.kernelMappings[0].regexp" in result.stderr
    policy(fleet, "modes: {MAP202: disabled}")
    assert found(fleet) == []


def test_a_gate_may_have_modes_of_its_own(fleet: FleetFolder) -> None:
    policy(fleet, "gates: {check: {MAP: enforce}}")
    assert fleet.run("check").returncode == 1
    fleet.render()


def test_options_override_the_policy_of_the_fleet(fleet: FleetFolder) -> None:
    policy(fleet, "modes: {MAP202: disabled}")
    other = policy(fleet, "profile: strict", name="other", clusters="{names: [nowhere]}")
    moved = other.rename(fleet.root.parent / f"{fleet.root.name}-other.yaml")
    assert found(fleet, "--policy", str(moved)) != []
    assert found(fleet, "--policy", str(moved), "--profile", "parity") == []
    assert {item["mode"] for item in found(fleet, "--policy", str(moved))} == {"enforce"}


def test_a_rendered_tree_is_judged_by_the_policy_and_the_version_of_its_cluster(fleet: FleetFolder) -> None:
    policy(fleet, "modes: {MAP202: audit}", clusters="{names: [lab]}")
    fleet.render()
    assert [item["file"] for item in found(fleet, "rendered")] == ["rendered/paris/nic/module-nic.yaml"]


KMM = list(controllers_of("upstream"))
"""The users that are KMM's on the clusters of these tests, by their specs."""


@pytest.mark.parametrize(
    ("kmm", "users"),
    [
        ("{flavour: redhat}", controllers_of("redhat")),
        ("{namespace: kmm}", controllers_of("upstream", "kmm")),
        ("{flavour: upstream}", controllers_of("upstream")),
    ],
)
def test_the_policy_of_a_cluster_names_kmm_as_its_spec_does(
    fleet: FleetFolder, kmm: str, users: tuple[str, ...]
) -> None:
    path = fleet.cluster("paris")
    lines = [line for line in path.read_text().splitlines(keepends=True) if not line.startswith("  kmm:")]
    path.write_text("".join(lines) + f"  kmm: {kmm}\n")
    policy(fleet, "parameters: {controllers: [site]}")
    fleet.render()
    text = fleet.object("paris/cluster/configmap-kmodgate-policy.yaml")["data"]["policy.yaml"]
    assert yaml.safe_load(text)["spec"]["parameters"]["controllers"] == ["site", *users]
    assert fleet.run("render", "--check").returncode == 0


def test_the_cluster_gets_the_policy_that_held(fleet: FleetFolder) -> None:
    policy(fleet, "profile: strict\nmodes: {MAP202: warn}", clusters="{names: [lab]}")
    fleet.render()
    config_map = fleet.object("lab/cluster/configmap-kmodgate-policy.yaml")
    assert config_map["metadata"]["namespace"] == "kmodgate-system"
    spec = yaml.safe_load(config_map["data"]["policy.yaml"])["spec"]
    assert spec == {"profile": "strict", "modes": {"MAP202": "warn"}, "parameters": {"controllers": KMM}}
    assert config_map["metadata"]["annotations"]["kmodgate.io/policy-hash"] == read_policy(spec).digest
    report = json.loads(fleet.run("check", "--format", "json").stdout)
    assert {item["name"]: item["hash"] for item in report["policies"]}["p"] == read_policy(spec).digest
    assert fleet.object("lab/cluster/namespace-kmodgate-system.yaml")["kind"] == "Namespace"
    assert fleet.run("render", "--check").returncode == 0


def test_a_cluster_without_a_driver_policy_gets_the_built_in_profile(fleet: FleetFolder) -> None:
    policy(fleet, "profile: parity", clusters="{names: [lab]}")
    fleet.render()
    config_map = fleet.object("paris/cluster/configmap-kmodgate-policy.yaml")
    spec = yaml.safe_load(config_map["data"]["policy.yaml"])["spec"]
    assert spec == {"profile": "default", "parameters": {"controllers": KMM}}
    assert config_map["metadata"]["annotations"]["kmodgate.io/policy-hash"] == read_policy(spec).digest
    fleet.render("--profile", "parity")
    assert "profile: parity" in fleet.object("paris/cluster/configmap-kmodgate-policy.yaml")["data"]["policy.yaml"]
    assert fleet.run("check", "rendered/paris/cluster/configmap-kmodgate-policy.yaml").returncode == 0


def test_a_cluster_without_a_driver_gets_no_policy_that_nobody_wrote(fleet: FleetFolder) -> None:
    fleet.cluster("empty", labels={"tier": "none"})
    fleet.render()
    assert [path for path in fleet.files() if path.startswith("empty")] == ["empty/.index"]
    policy(fleet, "profile: strict", clusters="{names: [empty]}")
    fleet.render()
    assert "empty/cluster/configmap-kmodgate-policy.yaml" in fleet.files()


@pytest.mark.parametrize(
    ("spec", "place", "words"),
    [
        ("modes: {MAP299: warn}", "6:19", "there is no rule MAP299"),
        ("modes: {mapping: warn}", "6:11", "is neither a rule nor a prefix"),
        ("modes: {MAP: deny}", "6:16", "is not one of enforce, warn, audit, disabled"),
        ("exceptions: [{rule: MAP202, object: {name: nic}, owner: a, ticket: b}]", "", "spec.exceptions[0].expires: missing"),
        ("exceptions: [{rule: MAP202, object: {}, owner: a, ticket: b, expires: '2026-02-03'}]", "", "the map is empty"),
        ("exceptions: [{rule: MAP202, object: {name: nic}, owner: a, ticket: b, expires: '2026-02-31'}]", "", "is not a day"),
        ("exceptions: [{rule: MAP202, object: {name: nic}, owner: a, ticket: b, expires: 2026-02-03}]", "", "a date"),
        ("profile: lax", "6:12", "is not one of parity"),
        ("parameters: {kata: {runtimeClasses: [Kata]}}", "", "is not a DNS-1123 subdomain"),
        ("parameters: {kata: {runtimeClasses: []}}", "", "the list is too short"),
        ("parameters: {kata: {annotations: {example.com/a: b}}}", "", "is no annotation of Kata"),
        ("parameters: {kata: {work: {serviceAccounts: [dkms]}}}", "", "is not a ServiceAccount"),
        ("parameters: {kata: {work: {podLabels: [{}]}}}", "", "the map is empty"),
        ("parameters: {kernelAccess: {approved: [{namespace: a}]}}", "", "approved[0].serviceAccount: missing"),
        ("parameters: {maxNodeShare: 101}", "", "is not a percentage"),
        ("parameters: {maxMappings: 0}", "", "is not a number of mappings"),
        ("parameters: {override: {maxHours: 25}}", "", "is not a number of hours up to a day"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_policy_is_an_error_with_its_place(
    fleet: FleetFolder, spec: str, place: str, words: str
) -> None:
    policy(fleet, spec)
    result = fleet.run("render")
    assert result.returncode == 2
    assert words in result.stderr
    assert f"policies/p.yaml:{place}" in result.stderr


def test_a_cluster_has_one_policy(fleet: FleetFolder) -> None:
    policy(fleet, "profile: strict", name="a")
    policy(fleet, "profile: parity", name="b", clusters="{names: [lab]}")
    result = fleet.run("check")
    assert result.returncode == 1
    assert (
        "policies/b.yaml:5:3: error[REF007] spec.clusters: cluster lab has a DriverPolicy already: a in policies/a.yaml"
        in result.stdout
    )


EXCEPTION = (
    "exceptions: [{{rule: MAP202, object: {{kind: Module, name: nic}}, owner: ops, ticket: T-1, expires: '{0}'}}]"
)


def test_an_exception_bears_a_finding_until_its_day(fleet: FleetFolder) -> None:
    policy(fleet, "modes: {MAP: enforce}\n" + EXCEPTION.format("2999-01-01"))
    assert found(fleet) == []
    fleet.render()
    policy(fleet, "modes: {MAP: enforce}\n" + EXCEPTION.format("2020-01-01"))
    assert [(item["rule"], item["line"]) for item in found(fleet)] == [("MAP202", 11), ("POL102", 7)]
    policy(fleet, "modes: {MAP: enforce}\n" + EXCEPTION.format("2999-01-01").replace("name: nic", "name: other"))
    assert [item["rule"] for item in found(fleet)] == ["MAP202"]


def test_an_exception_is_warned_of_in_its_last_two_weeks(fleet: FleetFolder) -> None:
    source = read_choice(str(policy(fleet, EXCEPTION.format("2026-06-15"))), None).policy
    assert source is not None

    def rules(today: date) -> list[tuple[str, str]]:
        return [(finding.rule, finding.mode) for finding in exception_findings([source], today)]

    assert rules(date(2026, 5, 31)) == []
    assert rules(date(2026, 6, 1)) == [("POL101", "warn")]
    assert rules(date(2026, 6, 15)) == [("POL101", "warn")]
    assert rules(date(2026, 6, 16)) == [("POL102", "enforce")]


def test_a_file_that_is_no_policy_is_refused(fleet: FleetFolder) -> None:
    for name, words in (
        ("clusters/paris.yaml", "SCH104"),
        ("missing.yaml", "no such file"),
        ("kmodgate.yaml", "holds 0"),
    ):
        result = run("check", "--policy", name, cwd=fleet.root)
        assert result.returncode == 2
        assert words in result.stderr
