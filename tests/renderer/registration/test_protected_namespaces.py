"""Namespaces that the webhook protects: those of the drivers of the fleet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import run
from tests.fleets import FleetFolder
from tests.renderer.registration.reaching import Request
from tests.renderer.registration.registering import (
    LABEL,
    answer,
    generated,
    made,
    policy,
    protected,
)


def test_the_namespaces_are_those_of_the_drivers_of_the_cluster_overrides_applied(fleet: FleetFolder) -> None:
    fleet.cluster("lab", labels={"tier": "lab"})
    override = "overrides:\n- clusters: {names: [lab]}\n  patch: {namespace: {name: lab-drivers}}\n"
    fleet.driver("nic", override, clusters="{matchLabels: {}}")
    fleet.driver("gone", "state: absent")
    text = (fleet.root / "drivers/gone.yaml").read_text().replace("kmm-tests", "unloading")
    fleet.write("drivers/gone.yaml", text)
    found = {name: protected(generated(fleet, "--cluster", name)) for name in ("paris", "lab")}
    assert found == {"paris": ["kmm-tests", "unloading"], "lab": ["lab-drivers"]}


@pytest.mark.parametrize(
    ("namespace", "whose"), [("kmodgate-system", "the webhook's own"), ("kube-system", "the platform's")]
)
def test_a_driver_in_a_namespace_that_is_never_guarded_is_told_of(
    fleet: FleetFolder, namespace: str, whose: str
) -> None:
    path = fleet.driver("odd")
    path.write_text(path.read_text().replace("kmm-tests", namespace))
    result = fleet.run("webhook-config")
    assert protected(made(result)) == ["kmm-tests"]
    assert f"warning: cluster paris: namespace {namespace} is {whose}, and is never guarded" in result.stderr
    assert "neither the namespace nor what its drivers need is protected there" in result.stderr


def test_dkms_work_in_a_namespace_that_is_never_guarded_is_told_of(fleet: FleetFolder) -> None:
    policy(fleet, "parameters: {kata: {imsNamespace: kube-system}}")
    result = fleet.run("webhook-config")
    assert "warning: cluster paris: namespace kube-system is the platform's" in result.stderr
    assert "its pods are not put into Kata, nor refused outside of it" in result.stderr


def test_what_the_policy_does_not_want_guarded_is_not_told_of(fleet: FleetFolder) -> None:
    policy(fleet, "modes: {KTA: disabled, REF: disabled}\n  parameters: {kata: {imsNamespace: kube-system}}")
    path = fleet.driver("odd")
    path.write_text(path.read_text().replace("kmm-tests", "kube-system"))
    result = fleet.run("webhook-config")
    assert (result.returncode, result.stderr) == (0, "")


def test_a_cluster_without_drivers_protects_what_kmm_has_labelled(fleet: FleetFolder) -> None:
    fleet.cluster("empty", labels={"tier": "none"})
    objects = generated(fleet, "--cluster", "empty")
    assert protected(objects) == []
    gone = Request("DELETE", "namespaces", name="a", labels=None, old={LABEL: ""}, place={LABEL: ""})
    assert answer(objects, gone) == [("labelled-namespaces", "Fail")]


def test_without_a_fleet_the_namespaces_are_named(tmp_path: Path) -> None:
    result = run("webhook-config", "--namespace=b", "--namespace=a", "--namespace=b", cwd=tmp_path)
    assert protected(made(result)) == ["a", "b"]
