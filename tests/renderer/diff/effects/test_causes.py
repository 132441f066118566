"""`kmodgate diff`: the file and line of a consequence are those of the field that changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fleets import FleetFolder, git
from tests.renderer.diff.three_sites import diff, edit

DRIVER = """\
apiVersion: kmodgate.io/v1alpha1
kind: KernelDriver
metadata: {name: nic}
spec:
  clusters: {matchLabels: {tier: edge}}
  namespace: {name: drivers}
  selector:
    pool: nics
  tolerations:
  - {key: a, operator: Exists}
  modprobe:
    moduleName: nic
    parameters: [a=1]
  inTreeModulesToRemove: [old_nic]
  containerImage: registry.example.com/nic:1.0-${KERNEL_FULL_VERSION}
  imagePullPolicy: IfNotPresent
  build:
    dockerfile: ./Dockerfile
    buildArgs: {A: b}
  kernelMappings:
  - name: el9
    regexp: '^5\\.14\\..+$'
  - name: el10
    regexp: '^6\\.12\\..+$'
    containerImage: registry.example.com/nic:el10-${KERNEL_FULL_VERSION}
  devicePlugin:
    container: {image: "registry.example.com/plugin:1"}
  serviceAccountName: nic
  overrides:
  - clusters: {names: [lab]}
    patch:
      containerImage: mirror.example.com/nic:1.0-${KERNEL_FULL_VERSION}
      devicePlugin: null
  attach: [./job.yaml]
"""
JOB = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: after
  annotations: {argocd.argoproj.io/sync-options: Replace=true}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: a, image: "registry.example.com/job:1"}]
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A committed fleet: nic on the clusters prod and lab."""
    folder = FleetFolder(tmp_path)
    for name in ("prod", "lab"):
        path = folder.cluster(name)
        labels = "labels: {pool: nics}, kernels: [5.14.0-1.x86_64, 6.12.0-1.x86_64]"
        path.write_text(path.read_text().replace('labels: {node-role.kubernetes.io/worker: ""}', labels))
    folder.write("drivers/nic.yaml", DRIVER)
    folder.write("drivers/job.yaml", JOB)
    folder.write("drivers/Dockerfile", "ARG A\nARG KERNEL_FULL_VERSION\nFROM registry.example.com/base:1\n")
    git(tmp_path, "init")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-m", "first")
    return tmp_path


def places(fleet: Path) -> dict[str, tuple[str, str]]:
    """Effect → file and text of the line."""
    found: dict[str, tuple[str, str]] = {}
    for item in diff(fleet)["consequences"]:
        lines = (fleet / item["file"]).read_text().splitlines()
        found.setdefault(item["effect"], (item["file"], lines[item["line"] - 1].strip()))
    return found


SPEC = "drivers/nic.yaml"


@pytest.mark.parametrize(
    ("old", "new", "effects", "line"),
    [
        (
            "registry.example.com/nic:1.0",
            "registry.example.com/nic:1.1",
            ("reload", "build"),
            "containerImage: registry.example.com/nic:1.1-",
        ),
        ("nic:el10-", "nic:el10.1-", ("reload", "build"), "containerImage: registry.example.com/nic:el10.1-"),
        ("parameters: [a=1]", "parameters: [a=2]", ("reload",), "parameters: [a=2]"),
        ("[old_nic]", "[old_nic, older]", ("reload",), "inTreeModulesToRemove: [old_nic, older]"),
        ("[old_nic]", "[]", ("reload", "away"), "inTreeModulesToRemove: []"),
        ("IfNotPresent", "Always", ("reload",), "imagePullPolicy: Always"),
        ("pool: nics", "pool: none", ("unload",), "pool: none"),
        (r"'^5\.14\..+$'", r"'^5\.15\..+$'", ("unload",), r"regexp: '^5\.15\..+$'"),
        ("buildArgs: {A: b}", "buildArgs: {A: c}", ("stale",), "buildArgs: {A: c}"),
        ("plugin:1", "plugin:2", ("restart",), 'container: {image: "registry.example.com/plugin:2"}'),
        ("key: a", "key: b", ("restart",), "- {key: b, operator: Exists}"),
        ("AccountName: nic", "AccountName: other", ("stale",), "serviceAccountName: other"),
        ("  build:\n", '  version: "1"\n  build:\n', ("recreate",), 'version: "1"'),
        ("{matchLabels: {tier: edge}}", "{names: [lab]}", ("unload",), "clusters: {names: [lab]}"),
        ("  build:\n", "  state: absent\n  build:\n", ("unload",), "state: absent"),
        ("name: drivers", "name: others", ("rename",), "namespace: {name: others}"),
        (
            "  build:\n",
            "  imageRebuildTriggerGeneration: 1\n  build:\n",
            ("stale",),
            "imageRebuildTriggerGeneration: 1",
        ),
    ],
)
def test_a_field_of_the_driver(fleet: Path, old: str, new: str, effects: tuple[str, ...], line: str) -> None:
    edit(fleet / SPEC, (old, new))
    found = places(fleet)
    for effect in effects:
        assert (found[effect][0], found[effect][1][: len(line)]) == (SPEC, line)


@pytest.mark.parametrize(
    ("old", "new", "effect", "line"),
    [
        (
            "mirror.example.com/nic:1.0",
            "mirror.example.com/nic:1.1",
            "reload",
            "containerImage: mirror.example.com/nic:1.1",
        ),
        ("devicePlugin: null", "inTreeModulesToRemove: null", "away", "inTreeModulesToRemove: null"),
        ("devicePlugin: null", "modprobe: {parameters: null}", "reload", "modprobe: {parameters: null}"),
        ("devicePlugin: null", "selector: {pool: null, other: a}", "unload", "selector: {pool: null, other: a}"),
        ("devicePlugin: null", "devicePlugin: null\n      state: absent", "unload", "state: absent"),
    ],
)
def test_a_field_of_an_override(fleet: Path, old: str, new: str, effect: str, line: str) -> None:
    edit(fleet / SPEC, (old, new))
    file, text = places(fleet)[effect]
    assert (file, text[: len(line)]) == (SPEC, line)


def test_what_an_override_takes_away_restarts_by_its_line(fleet: Path) -> None:
    edit(fleet / SPEC, ("clusters: {names: [lab]}", "clusters: {names: [lab, prod]}"))
    assert places(fleet)["restart"] == (SPEC, "devicePlugin: null")


def test_a_line_that_goes_is_named_where_it_was(fleet: Path) -> None:
    number = 1 + DRIVER.splitlines().index("  inTreeModulesToRemove: [old_nic]")
    edit(fleet / SPEC, ("  inTreeModulesToRemove: [old_nic]\n", ""))
    (item,) = [item for item in diff(fleet)["consequences"] if item["effect"] == "away"]
    assert (item["file"], item["line"]) == (SPEC, number)


def test_a_content_tag_leads_to_what_it_was_made_of(fleet: Path) -> None:
    edit(fleet / SPEC, ("  build:\n", "  contentTag: true\n  build:\n"))
    git(fleet, "commit", "-am", "second")
    edit(fleet / "drivers/Dockerfile", ("base:1", "base:2"))
    assert places(fleet)["reload"] == (SPEC, "dockerfile: ./Dockerfile")
    git(fleet, "commit", "-am", "third")
    edit(fleet / SPEC, ("{A: b}", "{A: c}"))
    assert places(fleet)["build"] == (SPEC, "buildArgs: {A: c}")


def test_other_files_than_the_drivers(fleet: Path) -> None:
    edit(fleet / "drivers/job.yaml", ("job:1", "job:2"))
    assert places(fleet)["job"] == ("drivers/job.yaml", 'containers: [{name: a, image: "registry.example.com/job:2"}]')
    git(fleet, "commit", "-am", "second")
    edit(fleet / SPEC, ("names: [lab]", "matchLabels: {}"))
    git(fleet, "commit", "-am", "third")
    edit(fleet / "clusters/lab.yaml", ('{"tier": "edge"}', '{"tier": "none"}'))
    found = places(fleet)["unload"]
    assert found[0] == "clusters/lab.yaml"
    assert "none" in found[1]


def test_a_driver_that_is_new_or_goes_is_named_itself(fleet: Path) -> None:
    FleetFolder(fleet).driver("extra", clusters="{names: [lab]}")
    found: Any = [item for item in diff(fleet)["consequences"] if item["driver"] == "extra"]
    assert {(item["file"], item["line"]) for item in found} <= {("drivers/extra.yaml", 3)}
