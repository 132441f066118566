"""The image of the Jobs that install KMM's operator, against what the policy of the cluster allows."""

from __future__ import annotations

import pytest

from tests.fleets import FleetFolder
from tests.renderer.compile.operator_install.fleet import cluster, redhat

POLICY = (
    "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: p}\nspec:\n"
    "  clusters: {matchLabels: {}}\n  parameters: {{{parameters}}}\n"
)
DIGEST = f"registry.example.com/tools/kubectl@sha256:{'0' * 64}"


def installing(fleet: FleetFolder, parameters: str, **more: str) -> None:
    cluster(fleet, redhat(), **more)
    fleet.write("policies/p.yaml", POLICY.replace("{{{parameters}}}", f"{{{parameters}}}"))


def told(fleet: FleetFolder) -> list[str]:
    """The lines of a render about the Cluster."""
    return [line for line in fleet.run("render").stderr.splitlines() if line.startswith("clusters/")]


@pytest.mark.parametrize(
    ("parameters", "rule"), [("allowedRegistries: [quay.io]", "IMG301"), ("requireDigest: true", "IMG302")]
)
def test_what_the_policy_does_not_allow_is_an_error_at_the_field_that_names_it(
    fleet: FleetFolder, parameters: str, rule: str
) -> None:
    installing(fleet, parameters)
    (line,) = told(fleet)
    assert line.startswith("clusters/paris.yaml:8:20: error")
    assert f"[{rule}] spec.tools.kubectl: registry.example.com/tools/kubectl:1.34 is not" in line


def test_a_digest_of_an_allowed_registry_is_none(fleet: FleetFolder) -> None:
    installing(fleet, "allowedRegistries: [registry.example.com], requireDigest: true", kubectl=DIGEST)
    assert told(fleet) == []


def test_what_counts_is_the_name_that_is_pulled(fleet: FleetFolder) -> None:
    installing(fleet, "allowedRegistries: [m.example]")
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(path.read_text() + "  mirrors: [{source: registry.example.com, mirror: m.example, type: tag}]\n")
    assert told(fleet) == []
