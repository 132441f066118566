"""Mirrors that cannot be meant."""

from __future__ import annotations

import pytest

from tests.fleets import FleetFolder
from tests.renderer.compile.mirrors.test_rewriting import DIGESTS, TAGS, mirrored
from tests.renderer.rendering import errors


@pytest.mark.parametrize(
    ("mirrors", "place", "words"),
    [
        ((TAGS, TAGS), "SCH105] spec.mirrors[1]:", "is the mirror of quay.io/acme for type tag already"),
        (
            (TAGS, "{source: 'm.example:5000', mirror: quay.io/acme, type: tag}"),
            "SCH104] spec.mirrors[0].mirror:",
            "is mirrored itself, by the mirror of m.example:5000",
        ),
        (
            ("{source: quay.io, mirror: quay.io/mirror, type: tag}",),
            "SCH104] spec.mirrors[0].mirror:",
            "below its own source",
        ),
        (
            ("{source: 'quay.io/acme/nic:1', mirror: m.example, type: tag}",),
            "SCH104] spec.mirrors[0].source:",
            "registry",
        ),
        (("{source: quay.io/, mirror: m.example, type: tag}",), "SCH104] spec.mirrors[0].source:", "registry"),
        (("{source: acme, mirror: m.example, type: tag}",), "SCH104] spec.mirrors[0].source:", "registry"),
        (("{source: quay.io, mirror: '*.example', type: tag}",), "SCH104] spec.mirrors[0].mirror:", "registry"),
        (("{source: quay.io, mirror: m.example}",), "SCH103] spec.mirrors[0]", "type"),
        (
            ("{source: quay.io, mirror: m.example, type: tag, mirrorSourcePolicy: NeverContactSource}",),
            "SCH103] spec.mirrors[0].mirrorSourcePolicy:",
            "nothing without mirrorObjects",
        ),
    ],
)
def test_a_mirror_is_an_error_at_its_field(
    fleet: FleetFolder, mirrors: tuple[str, ...], place: str, words: str
) -> None:
    mirrored(fleet, *mirrors)
    fleet.driver("nic")
    found = errors(fleet)
    assert any(line.startswith("clusters/paris.yaml:9:") and place in line and words in line for line in found), found


def test_a_faulty_entry_does_not_move_what_is_said_of_the_others(fleet: FleetFolder) -> None:
    mirrored(fleet, "{source: quay.io/, mirror: m.example, type: tag}", TAGS, TAGS)
    fleet.driver("nic")
    (line,) = [item for item in errors(fleet) if "SCH105" in item]
    assert "spec.mirrors[2]: " in line
    assert "mirrors[0]" not in line
    assert "mirrors[1]" not in line


def test_the_two_types_of_one_source_are_two_mirrors(fleet: FleetFolder) -> None:
    mirrored(fleet, TAGS, DIGESTS)
    fleet.driver("nic")
    fleet.render()


@pytest.mark.parametrize(("platform", "mirrors"), [("kubernetes", (TAGS,)), ("openshift", ())])
def test_objects_without_openshift_or_mirrors_are_an_error(
    fleet: FleetFolder, platform: str, mirrors: tuple[str, ...]
) -> None:
    fleet.cluster("paris", platform=platform)
    mirrored(fleet, *mirrors, more="  mirrorObjects: true\n")
    fleet.driver("nic")
    (line,) = errors(fleet)
    assert line.startswith("clusters/paris.yaml:10:")
    assert "spec.mirrorObjects" in line


def test_objects_on_microshift_are_an_error_that_says_where_its_mirrors_are(fleet: FleetFolder) -> None:
    fleet.cluster("paris", platform="openshift", nodes=1)
    mirrored(fleet, TAGS, more="  mirrorObjects: true\n  topology: microshift\n")
    fleet.driver("nic")
    (line,) = errors(fleet)
    assert "spec.mirrorObjects: MicroShift has no objects for mirrors" in line
