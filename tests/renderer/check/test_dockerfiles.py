"""A finding about a Dockerfile stands on its own line: in the file, and in a ConfigMap that holds it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    ("text", "rule", "fix"),
    [
        ("FROM Quay.io/Acme/Builder:1", "DKF113", "write quay.io/acme/builder:1"),
        ("FROM quay.io/acme/builder: 1", "DKF113", "write FROM quay.io/acme/builder:1"),
        ("FROM quay.io/acme/builder:", "DKF113", "write a tag after the colon, or quay.io/acme/builder alone"),
        ("FROM quay.io/acme/builder:1 base", "DKF113", "write FROM quay.io/acme/builder:1 AS base"),
        ("FROM https://quay.io/acme/builder:1", "DKF113", "write quay.io/acme/builder:1"),
        ("FROM a:1\nCOPY --from=quay.io/Acme/b:1 /a /", "DKF113", "write quay.io/acme/b:1"),
        ("FROM a:1 AS builder\nFROM b:1\nCOPY --from=Biulder /a /", "DKF109", "write builder"),
        ("FROM a:1\nRNU make", "DKF110", "did you mean RUN?"),
        ("FROM a:1\nCMDS make", "DKF110", "did you mean CMD?"),
        ("FROM a:1\nRUN make\ncd /src", "DKF110", "end the line before with \\, or remove this one"),
        ("FROM a:1\nRUN make\nuseradd me", "DKF110", "end the line before with \\, or remove this one"),
    ],
)
def test_the_fix_of_a_line_says_what_was_meant(tmp_path: Path, text: str, rule: str, fix: str) -> None:
    value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}}
    (tmp_path / "map.json").write_text(json.dumps({**value, "data": {"dockerfile": f"{text}\n"}}))
    (finding,) = findings(check(tmp_path, "map.json", "--format", "json"))
    assert (finding["rule"], finding["fix"]) == (rule, fix)
