"""Links and files that a stranger's change puts where kmodgate writes: nothing outside is written, and nothing is hidden."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kmodgate.renderer.commands import render
from tests.fleets import FleetFolder, git

KEPT = b"not yours\n"


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder beside the checkout with a file that must stay as it is."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "file").write_bytes(KEPT)
    return folder


def is_untouched(outside: Path) -> bool:
    return [path.name for path in outside.iterdir()] == ["file"] and (outside / "file").read_bytes() == KEPT


NAMES = (
    ".kmodgate-tmp",
    ".journal",
    "paris/.index",
    "paris/nic/module-nic.yaml",
    "paris/cluster/configmap-kmodgate-policy.yaml",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_link_is_replaced_or_refused_and_never_followed(
    fleet: FleetFolder, outside: Path, name: str
) -> None:
    link = fleet.root / "rendered" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside / "file")
    result = fleet.run("render")
    assert is_untouched(outside)
    assert "not yours" not in result.stdout + result.stderr
    assert (result.returncode, link.is_symlink()) in ((0, False), (2, True), (0, name == ".kmodgate-tmp"))


@pytest.mark.parametrize("name", ["paris", "paris/nic", "paris/cluster"])
def test_a_link_in_the_place_of_a_folder_is_refused(fleet: FleetFolder, outside: Path, name: str) -> None:
    link = fleet.root / "rendered" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    for verb in (["render"], ["render", "--check"]):
        assert fleet.run(*verb).returncode == 2
    assert is_untouched(outside)


VERBS = (["render"], ["render", "--check"], ["check"], ["plan"], ["explain", "nic"], ["diff"])


@pytest.mark.parametrize("target", ["outside", "drivers", "/nowhere"])
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_an_output_folder_that_is_a_link_is_refused(
    fleet: FleetFolder, outside: Path, target: str, verb: list[str]
) -> None:
    git(fleet.root, "init", "-q")
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-qm", "first")
    (fleet.root / "rendered").symlink_to(outside if target == "outside" else target)
    before = {path: path.read_bytes() for path in fleet.root.rglob("*.yaml") if not path.is_symlink()}
    result = fleet.run(*verb)
    assert (result.returncode, "rendered is a symbolic link" in result.stderr) == (2, True)
    assert is_untouched(outside)
    assert before == {path: path.read_bytes() for path in before}


def test_a_person_may_choose_a_link(fleet: FleetFolder, outside: Path) -> None:
    (fleet.root / "elsewhere").symlink_to(outside)
    assert fleet.run("render", "--output", "elsewhere").returncode == 0
    assert (outside / "paris/nic/module-nic.yaml").is_file()


@pytest.mark.parametrize("name", ["", "paris", "paris/nic"])
def test_a_folder_that_becomes_a_link_during_the_run_is_not_followed(
    fleet: FleetFolder, outside: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.render()
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("1.0-", "2.0-"))
    place = fleet.root / "rendered" / name

    def swapped(*arguments: object, **options: object) -> object:
        change = compare(*arguments, **options)  # type: ignore[arg-type]
        place.rename(fleet.root / "aside")
        place.symlink_to(outside)
        return change

    compare = render.compare
    monkeypatch.setattr(render, "compare", swapped)
    fleet.run("render")
    assert is_untouched(outside)


def test_a_removal_is_not_written_through_a_link(fleet: FleetFolder, outside: Path) -> None:
    fleet.render()
    for name in (".removals.yaml.kmodgate-tmp", ".kmodgate-tmp"):
        (fleet.root / name).symlink_to(outside / "file")
    (fleet.root / "drivers/nic.yaml").unlink()
    fleet.render("--allow-removal", "nic")
    assert is_untouched(outside)
    assert "name: nic" in (fleet.root / "removals.yaml").read_text()


@pytest.mark.parametrize("target", ["outside", ".git/config", ".gitattributes"])
def test_a_list_of_removals_that_is_a_link_is_refused(fleet: FleetFolder, outside: Path, target: str) -> None:
    fleet.render()
    git(fleet.root, "init", "-q")
    fleet.write(".gitattributes", "")
    (fleet.root / "removals.yaml").symlink_to(outside / "file" if target == "outside" else target)
    before = (fleet.root / ".git/config").read_bytes()
    (fleet.root / "drivers/nic.yaml").unlink()
    assert fleet.run("render", "--allow-removal", "nic").returncode == 2
    assert is_untouched(outside)
    assert (fleet.root / ".git/config").read_bytes() == before


# -- reports --------------------------------------------------------------------------------------

REPORTS = (["diff"], ["plan"], ["check", "--format", "json"], ["plan", "--format", "html"])


@pytest.mark.parametrize("verb", REPORTS, ids=" ".join)
@pytest.mark.parametrize("name", ["report.md", "out/report.md"])
def test_a_report_is_not_written_through_a_committed_link(
    fleet: FleetFolder, outside: Path, verb: list[str], name: str
) -> None:
    git(fleet.root, "init", "-q")
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-qm", "first")
    first = fleet.root / name.partition("/")[0]
    first.symlink_to(outside / "file" if first.name == name else outside)
    result = fleet.run(*verb, "--output", name)
    assert (result.returncode, "symbolic link" in result.stderr) == (2, True)
    assert is_untouched(outside)


def test_a_report_goes_to_files_and_streams_that_a_person_names(fleet: FleetFolder, outside: Path) -> None:
    assert fleet.run("plan", "--output", str(outside / "plan.txt")).returncode == 0
    assert "No kernels are known" in (outside / "plan.txt").read_text()
    assert fleet.run("plan", "--output", "/dev/null").returncode == 0
    (fleet.root / "reports").mkdir()
    assert fleet.run("plan", "--output", "reports/plan.txt").returncode == 0
    assert fleet.run("plan", "--output", "reports/plan.txt").returncode == 0  # which replaces it


def test_new_specs_and_schemas_are_not_written_through_links(fleet: FleetFolder, outside: Path) -> None:
    (fleet.root / "drivers").rename(fleet.root / "others")
    (fleet.root / "drivers").symlink_to(outside)
    (fleet.root / ".schemas").symlink_to(outside)
    assert fleet.run("init", "driver", "gpu").returncode == 2
    assert fleet.run("init", "cluster", "rome").returncode == 2
    assert is_untouched(outside)


@pytest.mark.parametrize("name", ["preflight", "preflight/paris"])
def test_preflight_objects_are_not_written_through_links(fleet: FleetFolder, outside: Path, name: str) -> None:
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(path.read_text().replace("count: 3", "count: 3, kernels: [5.14.0-1.x86_64]"))
    link = fleet.root / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside)
    result = fleet.run("plan", "--kernel", "5.14.0-2.x86_64", "--preflight", "preflight")
    assert (result.returncode, is_untouched(outside)) == (2, True), result.stderr


# -- what lies beside the rendered files ----------------------------------------------------------

PRIVILEGED = """\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: evil, namespace: kmm-tests}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec: {containers: [{name: c, image: "a.example/b:1", securityContext: {privileged: true}}]}
"""


def as_folder(tree: Path, _: Path) -> None:
    (tree / "evil-1/sub").mkdir(parents=True)
    (tree / "evil-1/sub/evil.yaml").write_text(PRIVILEGED)


def as_file(tree: Path, _: Path) -> None:
    (tree / "evil.yaml").write_text(PRIVILEGED)


def as_hidden_folder(tree: Path, _: Path) -> None:
    (tree / "paris/.evil").mkdir()
    (tree / "paris/.evil/evil.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": []}))


def as_jsonnet(tree: Path, _: Path) -> None:
    (tree / "paris/evil.jsonnet").write_text("{}")


@pytest.mark.parametrize("put", [as_folder, as_file, as_hidden_folder, as_jsonnet])
def test_a_file_that_no_render_has_written_is_seen(
    fleet: FleetFolder, outside: Path, put: Callable[[Path, Path], None]
) -> None:
    fleet.render()
    put(fleet.root / "rendered", outside)
    result = fleet.run("render", "--check")
    assert (result.returncode, "evil" in result.stdout) == (1, True)
    found = json.loads(fleet.run("check", "--format", "json").stdout)["findings"]
    assert [item["rule"] for item in found if "evil" in item["file"] and item["mode"] == "warn"] == ["GIT006"]
    assert fleet.run("render").returncode == 0
    assert "Argo CD would apply it" in fleet.run("render").stderr


@pytest.mark.parametrize("name", ["evil-1", "paris/evil", "evil.yaml"])
def test_a_link_in_the_tree_is_seen(fleet: FleetFolder, outside: Path, name: str) -> None:
    fleet.render()
    (fleet.root / "rendered" / name).symlink_to(outside)
    result = fleet.run("render", "--check")
    assert (result.returncode, "evil" in result.stdout) == (1, True)


def test_a_file_that_its_index_claims_is_judged_all_the_same(fleet: FleetFolder) -> None:
    fleet.render()
    module = fleet.root / "rendered/paris/nic/module-nic.yaml"
    module.write_text(module.read_text().replace("^5", "^(5"))
    evil = fleet.write("rendered/paris/nic/module-evil.yaml", module.read_text().replace("name: nic", "name: evil"))
    index = fleet.root / "rendered/paris/.index"
    index.write_text(index.read_text() + f"{'0' * 64} nic/module-evil.yaml kmm.sigs.x-k8s.io/Module kmm-tests evil\n")
    found = json.loads(fleet.run("check", "--format", "json").stdout)["findings"]
    files = {os.path.basename(item["file"]) for item in found if item["rule"] == "KMM203"}
    assert files == {module.name, evil.name}
    assert fleet.run("render", "--check").returncode == 1


def test_a_tree_as_the_specs_make_it_is_judged_once(fleet: FleetFolder) -> None:
    before = fleet.run("check")
    fleet.render()
    fleet.write("rendered/README.md", "ours\n")
    fleet.write("rendered/paris/notes.txt", "ours\n")
    assert (fleet.run("check").stdout, fleet.run("check").stderr) == (before.stdout, before.stderr)
    assert fleet.run("render", "--check").returncode == 0
