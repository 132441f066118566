"""`kmodgate init`."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from kmodgate.renderer.scaffold import ATTRIBUTES
from tests.command import run
from tests.fleets import REPOSITORY, FleetFolder, git
from tests.image_services import ImageServiceFleet


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["init", "fleet", "sub/x"], "lies inside the fleet"),
        (["init", "fleet", ""], "is empty"),
        (["init", "fleet", "kmodgate.yaml"], "is a file"),
        (["init", "driver", "a" * 50], "is too long"),
        (["init", "driver", "gpu", "--driver-version", "a b"], "not a version"),
        (["init", "driver", "gpu", "--driver-version", "y"], "not a version"),
        (["init", "driver", "gpu", "--delivery", "daemonset", "--driver-version", "1.0"], "no ordered upgrade"),
        (["init", "driver", "gpu", "--boot", "a b"], "not the name of a MachineConfigPool"),
        (["init", "driver", "gpu", "--boot", ""], "not the name of a MachineConfigPool"),
        (["init", "cluster", "rome", "--boot", "worker"], "it is for a driver"),
        (["init", "image-service", "ims"], "1.4.0, "),
        (["init", "image-service", "ims", "--release", "1.9.0"], "not a release that kmodgate knows"),
        (["init", "image-service", "a b", "--release", "1.6.0"], "cannot be a name"),
    ],
)
def test_init_writes_nothing_that_render_would_refuse(fleet: FleetFolder, arguments: list[str], words: str) -> None:
    before = sorted(fleet.root.rglob("*"))
    result = fleet.run(*arguments)
    assert result.returncode == 2
    assert words in result.stderr
    assert sorted(fleet.root.rglob("*")) == before


def test_a_new_fleet_renders_as_it_stands_and_grows(tmp_path: Path) -> None:
    assert run("init", "fleet", "new", cwd=tmp_path).returncode == 0
    fleet = FleetFolder(tmp_path / "new")
    fleet.render()
    assert fleet.run("init", "driver", "nic", "--driver-version", "1.0").returncode == 0
    assert fleet.run("init", "cluster", "lyon", cwd=fleet.root / "drivers").returncode == 0
    fleet.render()
    module = fleet.object("lyon/nic/module-nic.yaml")
    assert module["spec"]["moduleLoader"]["container"]["version"] == "1.0"
    for spec in [*fleet.root.glob("*/*.yaml")]:
        first = spec.read_text().splitlines()[0]
        assert (spec.parent / first.removeprefix("# yaml-language-server: $schema=")).is_file()


CLUSTER = """\
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata: {name: paris, labels: {tier: edge}}
spec:
  platform: %s
  nodeGroups:
  - {name: workers, kernels: [5.14.0-427.13.1.el9_4.x86_64], labels: {node-role.kubernetes.io/worker: ""}}
"""


@pytest.mark.parametrize(
    ("options", "platform", "files"),
    [
        (["--delivery", "kmm"], "kubernetes\n  kmm: {}", {"module-gpu"}),
        (["--delivery", "daemonset"], "kubernetes", {"daemonset-gpu"}),
        (["--delivery", "hub"], "openshift\n  kmm: {}\n  acm: {role: hub}", {"managedclustermodule-gpu"}),
        (
            ["--boot", "worker"],
            "openshift\n  kmm: {}",
            {"machineconfig-99-worker-kmodgate-gpu", "module-gpu"},
        ),
        (["--delivery", "daemonset", "--boot", "worker"], "openshift", {"machineconfig-99-worker-kmodgate-gpu"}),
    ],
    ids=["kmm", "daemonset", "hub", "boot", "daemonset at boot"],
)
def test_a_new_driver_of_each_delivery_renders_as_it_stands(
    fleet: FleetFolder, options: list[str], platform: str, files: set[str]
) -> None:
    (fleet.root / "drivers/nic.yaml").unlink()
    fleet.write("clusters/paris.yaml", CLUSTER % platform)
    result = fleet.run("init", "driver", "gpu", *options)
    assert result.returncode == 0, result.stderr
    fleet.render()
    names = [path.name for path in (fleet.root / "rendered/paris/gpu").iterdir()]
    assert all(any(name.startswith(start) for name in names) for start in files), names
    assert (fleet.root / "drivers/gpu.Dockerfile").exists() is (
        options in (["--delivery", "kmm"], ["--delivery", "hub"])
    )


@pytest.mark.parametrize("name", ["1e3", "on", "123", "a.b"])
def test_names_that_yaml_could_misread_are_written_safely(fleet: FleetFolder, name: str) -> None:
    assert fleet.run("init", "driver", name).returncode == 0
    assert fleet.run("init", "cluster", name).returncode == 0
    fleet.render()


@pytest.mark.parametrize("release", ["1.4.4", "1.5.2", "1.6.0", "3.9.4", "3.33.0"])
@pytest.mark.parametrize("owner", ["loftsman", "argocd"])
def test_a_new_image_service_renders_as_it_stands(tmp_path: Path, release: str, owner: str) -> None:
    fleet = ImageServiceFleet(tmp_path)
    assert fleet.run("init", "image-service", "ims", "--release", release, "--owner", owner).returncode == 0
    fleet.render()
    assert fleet.findings() == []
    assert (fleet.root / "handover/alps").exists() is (owner == "loftsman" or release != "1.4.4")
    first = (fleet.root / "services/ims.yaml").read_text().splitlines()[0]
    assert (fleet.root / "services" / first.removeprefix("# yaml-language-server: $schema=")).is_file()


@pytest.mark.timing
def test_init_asks_for_release_and_owner_on_a_terminal(fleet: FleetFolder) -> None:
    assert on_a_terminal(fleet, b"1.7\n1.6.0\nargocd\n", "init", "image-service", "ims") == 0
    text = (fleet.root / "services/ims.yaml").read_text()
    assert '  csm: "1.6.0"\n  owner: argocd ' in text


@pytest.mark.timing
def test_init_asks_for_a_version_on_a_terminal(fleet: FleetFolder) -> None:
    assert on_a_terminal(fleet, b"3.1\n", "init", "driver", "gpu") == 0
    assert '  version: "3.1"\n' in (fleet.root / "drivers/gpu.yaml").read_text()


def on_a_terminal(fleet: FleetFolder, answers: bytes, *arguments: str) -> int:
    """Run the command on a terminal on which somebody types; the exit code."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "kmodgate.renderer.start", *arguments],
        cwd=fleet.root,
        stdin=terminal,
        stderr=terminal,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
    )
    os.write(controller, answers)
    code = process.wait(timeout=120)
    os.close(terminal)
    os.close(controller)
    return code


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, []),
        ("*.png binary", ["*.png binary"]),
        ("*.png binary\n", ["*.png binary"]),
        ("/rendered/** -text linguist-generated gitlab-generated\n*.png binary\n", None),
    ],
)
def test_a_new_fleet_tells_git_that_its_tree_is_generated(
    tmp_path: Path, before: str | None, after: list[str] | None
) -> None:
    attributes = tmp_path / ".gitattributes"
    if before is not None:
        attributes.write_text(before)
    assert run("init", "fleet", ".", cwd=tmp_path).returncode == 0
    kept = (before or "").splitlines() if after is None else after
    expected = [*kept, *(line for line in ATTRIBUTES if line not in kept)]
    assert attributes.read_text().splitlines() == expected


def test_git_keeps_every_byte_of_a_tree_and_no_other_attribute_changes(tmp_path: Path) -> None:
    assert run("init", "fleet", "fleet", cwd=tmp_path).returncode == 0
    git(tmp_path, "init")
    for name, text, generated in (
        ("fleet/rendered/a/b.yaml", "unset", "set"),
        ("fleet/drivers/rendered/a.yaml", "unspecified", "unspecified"),
        ("rendered/a.yaml", "unspecified", "unspecified"),
    ):
        command = ["git", "check-attr", "text", "linguist-generated", "--", name]
        lines = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
        assert [line.rsplit(": ", 1)[1] for line in lines] == [text, generated]
