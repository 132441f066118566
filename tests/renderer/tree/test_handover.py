"""The second tree, beside the first: owned, compared, written and removed by the same rules."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.fleets import git
from tests.image_services import PLAIN, ImageServiceFleet
from tests.renderer.tree.killed_render import interrupt

FRAGMENT = "handover/alps/cray-ims/customizations.yaml"


@pytest.fixture
def site(tmp_path: Path) -> ImageServiceFleet:
    """A fleet of two clusters, rendered."""
    fleet = ImageServiceFleet(tmp_path / "fleet")
    fleet.site("jura")
    fleet.service(f"{PLAIN}\nrecipes: {{default: {{requireDkms: true}}}}", clusters="{matchLabels: {}}")
    fleet.render()
    return fleet


def files(fleet: ImageServiceFleet) -> dict[str, bytes]:
    return {name: content for part in ("rendered", "handover") for name, content in _below(fleet, part).items()}


def _below(fleet: ImageServiceFleet, part: str) -> dict[str, bytes]:
    return {f"{part}/{name}": content for name, content in fleet.files(part).items()}


def change(fleet: ImageServiceFleet) -> None:
    fleet.service(f"{PLAIN}\nsizes: {{imageGiB: 90}}\ndkms: {{enabled: false}}", clusters="{matchLabels: {}}")


def test_nothing_of_it_lies_below_the_tree_that_argo_cd_applies(site: ImageServiceFleet) -> None:
    assert not any("cray-ims" in name for name in site.files())
    assert sorted(site.files("handover")) == sorted(
        f"{cluster}/{name}"
        for cluster in ("alps", "jura")
        for name in (
            ".index",
            "cray-ims/customizations.yaml",
            "cray-ims/expected-ims-config.yaml",
            "cray-ims/recipe-flags.json",
        )
    )


def test_a_second_render_changes_nothing(site: ImageServiceFleet) -> None:
    before = files(site)
    assert site.run("render", "--check").returncode == 0
    site.render()
    assert files(site) == before


def test_a_change_is_shown_and_not_written_before_it_is_rendered(site: ImageServiceFleet) -> None:
    before = files(site)
    change(site)
    check, dry = site.run("render", "--check"), site.run("render", "--dry-run")
    assert (check.returncode, dry.returncode) == (1, 0)
    for result in (check, dry):
        assert f"changed: {FRAGMENT}\n" in result.stdout
        assert "missing: handover/alps/cray-ims/ims-config-site.yaml\n" in result.stdout
        assert "extra: handover/jura/cray-ims/recipe-flags.json\n" in result.stdout
    assert files(site) == before
    site.render()
    assert site.run("render", "--check").returncode == 0


def test_diff_shows_what_the_chart_and_the_site_get(site: ImageServiceFleet) -> None:
    git(site.root, "init", "-q")
    git(site.root, "add", "-A")
    git(site.root, "commit", "-qm", "first")
    change(site)
    result = site.run("diff")
    assert "~ ConfigMap services/ims-config  2 clusters (alps, jura)" in result.stdout
    assert "data.JOB_ENABLE_DKMS: true → false  services/ims.yaml:9" in result.stdout
    assert "+ ConfigMap services/ims-config-site  2 clusters (alps, jura)" in result.stdout


LAYERS = '{"name": "compute", "layers": [{"name": "a", "clone_url": "x"}, {"name": "gpu", "clone_url": "y"}]}'
FLAGS = (
    "recipes: {{flags: [{{pattern: '*-gpu-*', requireDkms: {0}}}]}}\n"
    "cfs: [{{file: cfs/compute.json, layers: {{gpu: {0}}}}}]"
)


@pytest.mark.parametrize("form", ["text", "markdown", "json", "html"])
def test_diff_shows_the_flags_of_recipes_and_layers_and_the_fragment(site: ImageServiceFleet, form: str) -> None:
    site.write("services/cfs/compute.json", LAYERS)
    site.service(f"{PLAIN}\n{FLAGS.format('true')}\nnetwork: {{subnet: cmn}}")
    git(site.root, "init", "-q")
    git(site.root, "add", "-A")
    git(site.root, "commit", "-qm", "first")
    site.service(f"{PLAIN}\n{FLAGS.format('false')}\nnetwork: {{subnet: chn}}")
    text = site.run("diff", "--format", form).stdout
    for kind, field in (
        ("RecipeFlags", "flags[*-gpu-*].requireDkms"),
        ("CfsConfiguration", "layers[gpu].special_parameters.ims_require_dkms"),
        ("Customizations", "spec.kubernetes.services.cray-ims.customer_access.subnet_name"),
    ):
        assert kind in text
        assert field.replace("*", "\\*") in text or field in text
    if form == "json":
        places = {(item["kind"], field["line"]) for item in json.loads(text)["objects"] for field in item["fields"]}
        assert {("RecipeFlags", 8), ("CfsConfiguration", 9), ("Customizations", 10)} <= places


def test_one_cluster_can_be_rendered(site: ImageServiceFleet) -> None:
    before = files(site)
    change(site)
    site.render("--cluster", "jura")
    after = files(site)
    assert {name for name in before if before[name] != after.get(name)} == {
        "handover/jura/.index",
        "handover/jura/cray-ims/customizations.yaml",
        "handover/jura/cray-ims/expected-ims-config.yaml",
        "handover/jura/cray-ims/recipe-flags.json",
    }


def test_a_service_that_is_removed_leaves_nothing_behind(site: ImageServiceFleet) -> None:
    (site.root / "services/ims.yaml").unlink()
    assert site.run("render", "--check").returncode == 1
    site.render()
    assert not (site.root / "handover").exists()
    assert site.run("render", "--check").returncode == 0


def test_a_file_of_somebody_else_is_named_and_left_alone(site: ImageServiceFleet) -> None:
    path = site.write("handover/alps/cray-ims/notes.yaml", "a: 1\n")
    check = site.run("render", "--check")
    assert check.returncode == 1
    assert "extra (not written by kmodgate): handover/alps/cray-ims/notes.yaml\n" in check.stdout
    assert [item["rule"] for item in site.findings()] == ["GIT006"]
    (site.root / "services/ims.yaml").unlink()
    site.render()
    assert path.exists()


def test_a_file_of_somebody_else_in_the_way_is_refused(site: ImageServiceFleet) -> None:
    site.write("handover/alps/cray-ims/ims-config-site.yaml", "mine\n")
    before = files(site)
    change(site)
    result = site.run("render")
    assert (result.returncode, "error[GIT002]" in result.stderr) == (2, True)
    assert files(site) == before


def test_a_folder_of_that_name_is_anybodys_where_no_service_is(tmp_path: Path) -> None:
    fleet = ImageServiceFleet(tmp_path)
    fleet.write("handover/notes.yaml", "a: 1\n")
    fleet.render()
    assert (fleet.run("render", "--check").returncode, fleet.findings()) == (0, [])


def test_a_spec_in_it_is_an_error(site: ImageServiceFleet) -> None:
    shutil.move(site.root / "services/ims.yaml", site.root / "handover/ims.yaml")
    result = site.run("render")
    assert (result.returncode, "handover/ims.yaml: error[GIT003]" in result.stderr) == (2, True)


def test_an_edited_file_is_judged_as_it_stands(site: ImageServiceFleet) -> None:
    path = site.root / FRAGMENT
    path.write_text(path.read_text() + "apiVersion: v1\nkind: ConfigMap\n")
    assert site.run("check").returncode == 0
    index = site.root / "handover/alps/.index"
    index.write_text("no index\n")
    assert site.run("check").returncode == 2


def test_what_the_commit_would_not_have_is_named(site: ImageServiceFleet) -> None:
    git(site.root, "init", "-q")
    git(site.root, "add", "-A")
    assert site.run("render", "--staged").returncode == 0
    change(site)
    result = site.run("render", "--staged")
    assert (result.returncode, f"{FRAGMENT}: not staged" in result.stderr) == (1, True)


@pytest.mark.parametrize("name", ["", "/alps", "/alps/cray-ims", "/alps/.index", "/alps/cray-ims/customizations.yaml"])
@pytest.mark.parametrize("verb", [["render"], ["render", "--check"], ["check"]], ids=" ".join)
def test_no_link_is_followed(
    site: ImageServiceFleet, tmp_path: Path, name: str, verb: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "file").write_text("not yours\n")
    change(site)
    link = site.root / f"handover{name}"
    link.rename(tmp_path / "aside")
    link.symlink_to(outside if (tmp_path / "aside").is_dir() else outside / "file")
    result = site.run(*verb)
    assert result.returncode in (0, 1, 2)
    assert "Traceback" not in result.stderr
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert (outside / "file").read_text() == "not yours\n"
    if name in ("", "/alps", "/alps/cray-ims") and verb[0] == "render":
        assert result.returncode == 2


@pytest.mark.timing
def test_a_render_killed_at_any_point_is_finished_by_the_next(site: ImageServiceFleet, tmp_path: Path) -> None:
    change(site)
    goal = ImageServiceFleet(tmp_path / "goal")
    shutil.copytree(site.root, goal.root, dirs_exist_ok=True)
    goal.render()
    wanted, point, journals = files(goal), 2, 0
    while True:
        victim = ImageServiceFleet(tmp_path / "victim")
        shutil.copytree(site.root, victim.root, dirs_exist_ok=True)
        if interrupt(victim, point) == 99:
            break
        journals += (victim.root / "handover/.journal").exists()
        victim.render()
        assert files(victim) == wanted, f"killed at point {point}"
        shutil.rmtree(victim.root)
        point += 7  # before a change and after one, in turn
    assert journals > 1
