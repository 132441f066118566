"""Files of an import: where they go, and that nothing else is overwritten."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from pathlib import Path

import pytest
import yaml

from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.importer import writing
from tests.command import run, start_forked
from tests.fleets import FleetFolder
from tests.fork_client import COMMAND
from tests.renderer.importer.import_runs import imported, module, rendered, spec


def test_files_of_clusters_that_are_only_named(here: Path) -> None:
    imported(here, "module.yaml", "--cluster", "paris", "--cluster", "lyon", "--output", "fleet")
    assert spec(here / "fleet/drivers/nic.yaml")["clusters"] == {"names": ["paris", "lyon"]}


def test_without_a_cluster_the_fleet_gets_one_and_renders_as_it_stands(here: Path) -> None:
    imported(here, "module.yaml", "--output", "fleet")
    assert "review" in (here / "fleet/clusters/imported.yaml").read_text()
    assert spec(here / "fleet/drivers/nic.yaml")["clusters"] == {"matchLabels": {}}
    result = run("render", "fleet", cwd=here)
    assert result.returncode == 0, result.stderr
    assert rendered(here / "fleet/rendered/imported") == ["module-nic.yaml"]


def test_nothing_is_overwritten(here: Path) -> None:
    fleet = FleetFolder(here / "fleet")
    fleet.cluster("paris")
    fleet.write("drivers/nic.yaml", "# mine\nkind: ConfigMap\n")
    result = imported(here, "--cluster=paris=module.yaml", "--output=fleet", code=2)
    assert "drivers/nic.yaml exists; nothing is overwritten" in result.stderr
    assert fleet.files(".") == {
        "kmodgate.yaml": b"", "drivers/nic.yaml": b"# mine\nkind: ConfigMap\n",
        "clusters/paris.yaml": (fleet.root / "clusters/paris.yaml").read_bytes(),
    }  # fmt: skip


def test_a_driver_that_the_fleet_has_is_not_imported_again(here: Path) -> None:
    fleet = FleetFolder(here / "fleet")
    fleet.cluster("paris")
    fleet.driver("nic").rename(fleet.root / "other.yaml")
    result = imported(here, "--cluster=paris=module.yaml", "--output=fleet", code=2)
    assert "the fleet has a driver nic already, in other.yaml" in result.stderr


def test_the_same_import_again_changes_nothing(here: Path) -> None:
    imported(here, "--cluster=paris=module.yaml", "--output=fleet")
    (here / "fleet/clusters/paris.yaml").rename(here / "paris.yaml")  # as if it had been stopped before
    (here / "paris.yaml").rename(here / "fleet/clusters/paris.yaml")
    (here / "fleet/kmodgate.yaml").unlink()
    result = imported(here, "--cluster=paris=module.yaml", "--output=fleet")
    assert "1 file written" in result.stderr


def test_a_fleet_is_found_from_below_and_its_clusters_are_kept(here: Path) -> None:
    fleet = FleetFolder(here)
    fleet.cluster("paris", platform="openshift")
    before = (here / "clusters/paris.yaml").read_bytes()
    imported(here / "clusters", "--cluster=paris=../module.yaml")
    assert (here / "clusters/paris.yaml").read_bytes() == before
    assert (here / "drivers/nic.yaml").is_file()


def test_dry_run_prints_specs_and_writes_nothing(here: Path) -> None:
    result = imported(here, "--cluster=paris=module.yaml", "--dry-run")
    documents = list(yaml.safe_load_all(result.stdout))
    assert [item["kind"] for item in documents if item] == ["Cluster", "KernelDriver"]
    assert os.listdir(here) == ["module.yaml"]


def test_a_place_that_cannot_be_written_is_a_failure_of_the_environment(here: Path) -> None:
    assert "module.yaml/fleet" in imported(here, "module.yaml", "--output=module.yaml/fleet", code=3).stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_a_failure_of_the_environment(here: Path) -> None:
    (here / "fleet").mkdir(mode=0o500)
    assert "fleet" in imported(here, "module.yaml", "--output=fleet", code=3).stderr


@pytest.mark.timing
def test_a_run_that_is_ended_leaves_nothing_half_written(here: Path) -> None:
    text = "---\n".join(module(f"nic-{index}") for index in range(60))
    (here / "many.yaml").write_text(text)
    command = "import many.yaml --output fleet"
    stages = (".kmodgate-import-*", ".kmodgate-import-*/*", "drivers/*", "drivers/nic-30.yaml")
    for stage, number in itertools.product(stages, (signal.SIGINT, signal.SIGTERM)):
        shutil.rmtree(here / "fleet", ignore_errors=True)
        with (here / "told").open("w") as told:
            process = start_forked(COMMAND, *command.split(), folder=here, stdout=told.fileno(), stderr=told.fileno())
        while process.poll() is None and not any((here / "fleet").glob(stage)):
            pass
        process.send_signal(number)
        process.wait()
        assert not list((here / "fleet").glob(".kmodgate-import-*"))
        for path in (here / "fleet").rglob("*.yaml"):
            assert path.name == "kmodgate.yaml" or path.read_text().endswith("\n")
        assert run("import", "many.yaml", "--output", "fleet", cwd=here).returncode == 0
        assert run("render", "fleet", "--dry-run", cwd=here).returncode == 0


@pytest.mark.parametrize("name", ["drivers", ".schemas"])
def test_nothing_is_written_through_a_link_out_of_the_fleet(name: str, here: Path) -> None:
    (here / "outside").mkdir()
    (here / "fleet").mkdir()
    (here / "fleet" / name).symlink_to("../outside")
    (here / "all.yaml").write_text(module())
    result = imported(here, "--cluster=paris=all.yaml", "--output=fleet", code=2)
    assert "leads out of the fleet" in result.stderr
    assert list((here / "outside").iterdir()) == []
    assert [path.name for path in (here / "fleet").iterdir()] == [name]


def test_a_file_in_the_place_of_a_folder_is_seen_before_anything_is_written(here: Path) -> None:
    (here / "fleet").mkdir()
    (here / "fleet/drivers").touch()
    (here / "all.yaml").write_text(module())
    result = imported(here, "--cluster=paris=all.yaml", "--output=fleet", code=2)
    assert "fleet/drivers exists; nothing is overwritten" in result.stderr
    assert [path.name for path in (here / "fleet").iterdir()] == ["drivers"]


@pytest.mark.parametrize("is_linkable", [True, False], ids=["with links", "without links"])
def test_what_comes_while_files_are_written_is_neither_followed_nor_overwritten(
    is_linkable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, outside = tmp_path / "fleet", tmp_path / "outside"
    outside.mkdir()
    make = writing.temporary_folder

    def beside_others(prefix: str, inside: str | None = None) -> str:
        (root / "clusters").symlink_to(outside)
        (root / "theirs.yaml").write_text("theirs\n")
        return make(prefix, inside)

    def no_link(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(writing, "temporary_folder", beside_others)
    if not is_linkable:
        monkeypatch.setattr(os, "link", no_link)
    for name in ("clusters/paris.yaml", "theirs.yaml"):
        with pytest.raises(Unusable, match=name):
            writing.write_files(root, {"drivers/nic.yaml": "ours\n", name: "ours\n"})
        assert (root / "drivers/nic.yaml").read_text() == "ours\n"
        assert (root / "theirs.yaml").read_text() == "theirs\n"
        assert list(outside.iterdir()) == []
        shutil.rmtree(root)
