"""`kmodgate ims compare`."""

from __future__ import annotations

import json

import pytest

from tests.command import run

CONFIG = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "ims-config"},
    "data": {"JOB_ENABLE_DKMS": "true"},
}


def recipe(name, flag=False, **fields):
    return {"id": f"id-{name}", "name": name, "recipe_type": "kiwi-ng", "arch": "x86_64", "require_dkms": flag} | fields


def compare(folder, *arguments, recipes=None, config=CONFIG, releases=("1.5.2", "1.6.0")):
    given = []
    for option, value in (("recipes", recipes), ("config", config)):
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            (folder / f"{option}.json").write_text(text)
            given += [f"--{option}", f"{option}.json"]
    return run("ims", "compare", "--from", releases[0], "--to", releases[1], *given, *arguments, cwd=folder)


def test_recipes_that_leave_their_vm_are_named(tmp_path):
    recipes = [recipe("gpu"), recipe("plain", True), recipe("arm", arch="aarch64"), recipe("old", recipe_type="packer")]
    result = compare(tmp_path, recipes=recipes)
    assert result.returncode == 1
    assert (
        "LEAVE THEIR VM (1)\n  recipe gpu (x86_64, id-gpu): VM kata-qemu → WORKER, PRIVILEGED (build-image)"
        in result.stdout
    )
    assert "plain" not in result.stdout
    assert "sync-recipes" in result.stdout


def test_recipes_in_step_are_no_finding(tmp_path):
    result = compare(tmp_path, recipes=[recipe("gpu", True)])
    assert (result.returncode, result.stderr) == (0, "")
    assert "LEAVE" not in result.stdout


def test_ten_thousand_recipes(tmp_path):
    result = compare(
        tmp_path, "--format", "json", recipes=[recipe(f"r{number}", number % 2 == 0) for number in range(10_000)]
    )
    report = json.loads(result.stdout)
    assert len(report["jobs"]) == 5_000
    assert {job["change"] for job in report["jobs"]} == {"leaves its VM"}


def test_without_recipes_the_usual_jobs_are_compared(tmp_path):
    result = compare(tmp_path)
    assert result.returncode == 1
    assert "create, x86_64, recipe with require_dkms false" in result.stdout


def test_config_after_is_taken_as_it_is(tmp_path):
    after = CONFIG | {"data": {"JOB_ENABLE_DKMS": "yes"}}
    (tmp_path / "after.json").write_text(json.dumps(after))
    result = compare(tmp_path, "--config-after", "after.json", recipes=[])
    assert result.returncode == 1
    assert (
        "customize, x86_64, request without require_dkms: VM kata-qemu → WORKER, PRIVILEGED (prepare)" in result.stdout
    )


def test_cfs_flags_of_false_do_nothing(tmp_path):
    layers = [{"name": "gpu", "special_parameters": {"ims_require_dkms": False}}]
    (tmp_path / "cfs.json").write_text(json.dumps({"name": "compute", "layers": layers}))
    result = compare(tmp_path, "--cfs", "cfs.json", recipes=[recipe("gpu", True)])
    assert "CFS configuration compute: ims_require_dkms: false of gpu does nothing" in result.stdout
    assert result.returncode == 0


def test_template_with_the_old_placeholder_fails_every_job(tmp_path):
    template = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "cray-configmap-ims-v2-image-customize"},
        "data": {"image_job_customize.yaml.template": "add: [$security_capabilites]"},
    }
    config = {"apiVersion": "v1", "kind": "List", "items": [CONFIG, template]}
    result = compare(tmp_path, config=config, recipes=[])
    assert result.returncode == 1
    assert "EVERY JOB IS ANSWERED WITH 500\n  cray-configmap-ims-v2-image-customize" in result.stdout
    assert compare(tmp_path, config=config, recipes=[], releases=("1.5.0", "1.5.2")).returncode == 0


def test_config_map_of_our_own_stays(tmp_path):
    sizes = CONFIG | {"metadata": {"name": "ims-config-site"}, "data": {"DEFAULT_IMS_IMAGE_SIZE": "100"}}
    chart = CONFIG | {"data": {"JOB_ENABLE_DKMS": "true", "DEFAULT_IMS_IMAGE_SIZE": "30"}}
    config = {"apiVersion": "v1", "kind": "List", "items": [chart, sizes]}
    result = compare(tmp_path, config=config, recipes=[])
    assert "IMAGE_SIZE" not in result.stdout


def test_releases_may_be_versions_of_ims(tmp_path):
    assert compare(tmp_path, recipes=[recipe("gpu")], releases=("3.16.2", "3.33.0")).returncode == 1


@pytest.mark.parametrize("releases", [("1.5.2", "1.7.0"), ("1.3.0", "1.6.0"), ("x", "1.6.0"), ("1.6.0", "1.5.2")])
def test_unusable_releases(tmp_path, releases):
    result = compare(tmp_path, releases=releases)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("releases", "meant"), [(("1.5.2", "3.20"), "3.20.0"), (("v1.5.2", "1.6.0"), "1.5.2")])
def test_releases_that_come_near_are_asked_back(tmp_path, releases, meant):
    assert f"did you mean {meant}?" in compare(tmp_path, releases=releases).stderr


def test_config_may_come_from_stdin(tmp_path):
    arguments = "ims compare --from 1.5.2 --to 1.6.0 --config -".split()
    assert run(*arguments, cwd=tmp_path, stdin=json.dumps(CONFIG)).returncode == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<html>login</html>", "recipes.json"),
        ("", "recipes.json"),
        ("[", "recipes.json"),
        ('[{"id": "x"}]', "recipes.json"),
        (
            "[\n" + json.dumps(recipe("a")) + ",\n" + json.dumps(recipe("b", "false")) + "]",
            "recipes.json:3:1: error[SCH102] record 1: require_dkms is no boolean",
        ),
        ('{"detail": "Not found"}', "recipes.json"),
        ("5", "recipes.json"),
    ],
)
def test_unusable_recipe_lists(tmp_path, text, said):
    result = compare(tmp_path, recipes=text)
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_empty_list_of_recipes_is_said_and_hides_no_trap(tmp_path):
    result = compare(tmp_path, recipes=[])
    assert result.returncode == 1
    assert "recipes.json holds no recipe" in result.stdout
    assert "create, x86_64, recipe with require_dkms false: VM kata-qemu → WORKER, PRIVILEGED" in result.stdout


@pytest.mark.parametrize(
    "data",
    [
        {"JOB_CUSTOMER_ACCESS_NETWORK_DOMAIN": "a: b"},
        {"JOB_CUSTOMER_ACCESS_NETWORK_ACCESS_POOL": "*x"},
        {"S3_CONNECT_TIMEOUT": "1m"},
    ],
)
def test_recipes_leave_their_vm_whatever_else_is_wrong_in_the_config(tmp_path, data):
    config = CONFIG | {"data": CONFIG["data"] | data}
    result = compare(tmp_path, recipes=[recipe("gpu")], config=config)
    assert result.returncode == 1
    assert "recipe gpu (x86_64, id-gpu): VM kata-qemu → WORKER, PRIVILEGED (build-image)" in result.stdout
    in_step = compare(tmp_path, "--format", "json", recipes=[recipe("gpu", True)], config=config)
    report = json.loads(in_step.stdout)
    assert (in_step.returncode, report["leavesVm"], report["unchanged"]) == (1, False, 0)
    assert [line.split(": ")[:2] for line in report["notMade"]] == [
        [when, *data] for when in ("as it is", "as it will be")
    ]


def test_packer_recipe_that_no_config_helps_is_named_and_no_finding(tmp_path):
    result = compare(tmp_path, recipes=[recipe("gpu", True), recipe("old", recipe_type="packer")])
    assert result.returncode == 0
    assert "CANNOT BE MADE, BEFORE OR AFTER (1)\n  recipe old (x86_64, id-old)" in result.stdout


def test_expressions_of_the_site_are_unknown(tmp_path):
    keys = ("JOB_CUSTOMER_ACCESS_NETWORK_DOMAIN", "JOB_CUSTOMER_ACCESS_NETWORK_ACCESS_POOL", "S3_READ_TIMEOUT")
    config = CONFIG | {"data": CONFIG["data"] | dict.fromkeys(keys, "{{ a.b }}")}
    result = compare(tmp_path, recipes=[recipe("gpu", True)], config=config)
    assert result.returncode == 0
    note = "config.json: expressions of the site, whose values are unknown here and taken to be sound"
    assert f"{note}: {', '.join(keys)}" in result.stdout
    result = compare(tmp_path, config=CONFIG | {"data": {"JOB_ENABLE_DKMS": "{{ a }}"}})
    assert result.returncode == 2
    assert "config.json: JOB_ENABLE_DKMS is a Jinja expression" in result.stderr


def test_privileges_that_change_are_named(tmp_path):
    result = compare(tmp_path, recipes=[recipe("gpu", True)], releases=("1.4.1", "1.6.0"))
    assert "VM kata-qemu → VM kata-qemu: prepare becomes privileged" in result.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--recipes", "config.json"], "config.json:1:1: error[SCH102] no list of recipes; it holds ConfigMap ims-config (line 1)"),
        (["--config-after", "other.yaml"], "other.yaml:2:1: error[SCH102] no ConfigMap ims-config; it holds ConfigMap x (line 2)"),
        (["--config-after", "recipes.json"], "no ConfigMap ims-config; it holds a list of 1 recipe (line 1)"),
        (["--config-after", "empty.json"], "no ConfigMap ims-config; it holds an empty list (line 1)"),
        (["--cfs", "toml"], "toml:1:1: error[SCH002] is TOML"),
    ],
)  # fmt: skip
def test_files_of_something_else_are_named_for_what_they_hold(tmp_path, options, said):
    (tmp_path / "other.yaml").write_text("# a\n{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}\n")
    (tmp_path / "empty.json").write_text("[]")
    (tmp_path / "toml").write_text('name = "compute"\n\n[[layers]]\nname = "gpu"\n')
    result = compare(tmp_path, *options, recipes=[recipe("gpu", True)])
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "<html/>",
        "[]",
        '{"layers": 5}',
        '{"layers": [5]}',
        '{"layers": [{"special_parameters": {"ims_require_dkms": "true"}}]}',
    ],
)
def test_unusable_cfs_configurations(tmp_path, text):
    (tmp_path / "cfs.json").write_text(text)
    result = compare(tmp_path, "--cfs", "cfs.json", recipes=[])
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
