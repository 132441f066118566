"""A finding about a Dockerfile stands on its own line: in the file, and in a ConfigMap that holds it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fleets import FleetFolder
from tests.renderer.checking import check, findings

BUILD = "build: {dockerfile: ./nic.Dockerfile}\n"
DOCKERFILE = """\
ARG DTK_AUTO
FROM ${DTK_AUTO}
ARG KERNEL_FULL_VERSION
RUN make && \\
    depmod -b /opt

FROM quay.io/acme/base:1
RUN echo ${KERNEL_FULL_VERSION}
"""
LINES = {("DKF103", 2), ("DKF105", 5), ("DKF101", 8)}


def test_in_a_file_of_the_fleet(fleet: FleetFolder) -> None:
    fleet.driver("nic", BUILD)
    fleet.write("drivers/nic.Dockerfile", DOCKERFILE)
    found = [item for item in findings(check(fleet.root, ".", "--format", "json")) if item["rule"].startswith("DKF")]
    assert {(item["rule"], item["line"]) for item in found} == LINES
    assert {item["file"] for item in found} == {"drivers/nic.Dockerfile"}


def test_in_a_config_map(tmp_path: Path) -> None:
    fleet = FleetFolder(tmp_path)
    (tmp_path / "kmodgate.yaml").unlink()
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\ndata:\n  dockerfile: |\n"
    block = head + "".join(f"    {line}\n" for line in DOCKERFILE.splitlines())
    quoted = head.replace("|\n", json.dumps(DOCKERFILE) + "\n")
    for text, lines in ((block, {("DKF105", 10), ("DKF101", 13)}), (quoted, {("DKF105", 5), ("DKF101", 5)})):
        fleet.write("map.yaml", text)
        found = [
            item for item in findings(check(fleet.root, "map.yaml", "--format", "json")) if item["rule"][:3] == "DKF"
        ]
        assert {(item["rule"], item["line"]) for item in found} == lines


def test_one_slip_of_a_dockerfile_is_told_once(fleet: FleetFolder) -> None:
    fleet.driver("nic", BUILD)
    for text, told in (
        ("FROM ${DTK_AUTO}\nRUN make\n", [("DKF103", 1)]),  # an ARG would not fill it here
        ("# from the vendor\nRUN make\nRUN make install\n", [("DKF112", 1)]),
        ("", [("REF003", 12)]),
    ):
        fleet.write("drivers/nic.Dockerfile", text)
        found = findings(check(fleet.root, ".", "--format", "json"))
        assert [(item["rule"], item["line"]) for item in found if item["mode"] != "audit"] == told


def test_an_empty_dockerfile_in_a_config_map_is_told(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\ndata: {dockerfile: ''}\n")
    (finding,) = findings(check(tmp_path, "map.yaml", "--format", "json"))
    assert (finding["rule"], finding["mode"]) == ("DKF112", "warn")
