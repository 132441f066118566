"""`kmodgate check` on what people have of the Image Management Service: dumps, bare values, lists of `cray`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kmodgate.policy.ims.settings import chart_values
from kmodgate.policy.ims.versions import ims_release
from tests.renderer.checking import check, findings

RECIPE = {"id": "1", "name": "compute", "recipe_type": "kiwi-ng", "arch": "x86_64", "require_dkms": True}
CHART = chart_values(ims_release("3.20.0"))


def told(folder: Path, *arguments: str) -> list[tuple[str, str, int]]:
    """Rule, file and line of each finding that a person sees."""
    found = findings(check(folder, *arguments, "--format", "json"))
    return [(item["rule"], item["file"], item["line"]) for item in found if item["mode"] in ("enforce", "warn")]


def config_map(name: str = "ims-config", **changes: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "services"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {**CHART, **changes}}


def deployment(version: str, *sources: str) -> dict[str, Any]:
    image = f"registry.local/csm/cray-ims-service:{version}"
    container = {"name": "cray-ims", "image": image, "envFrom": [{"configMapRef": {"name": name}} for name in sources]}
    metadata = {"name": "cray-ims", "namespace": "services"}
    spec = {"template": {"spec": {"containers": [container]}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def write(folder: Path, name: str, value: Any) -> str:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(value, indent=1))
    return name


@pytest.mark.parametrize(
    "text",
    [
        'JOB_ENABLE_DKMS: "yes"\nJOB_KATA_RUNTIME: kata-qemu\n',
        '{"JOB_ENABLE_DKMS": "yes", "S3_READ_TIMEOUT": "60"}',
        'data: {JOB_ENABLE_DKMS: "yes"}\n',
    ],
)
def test_bare_values_are_judged_as_ims_config(tmp_path: Path, text: str) -> None:
    (tmp_path / "values.yaml").write_text(text)
    assert told(tmp_path, "values.yaml") == [("IMS103", "values.yaml", 1)]


def test_the_last_source_of_the_deployment_wins_for_a_key(tmp_path: Path) -> None:
    write(tmp_path, "a.json", config_map(JOB_ENABLE_DKMS="yes"))
    write(tmp_path, "b.json", config_map("site"))
    assert {rule for rule, *_ in told(tmp_path, "a.json", "b.json")} == {"IMS103", "IMS112"}
    write(tmp_path, "c.json", deployment("3.20.0", "ims-config", "site"))
    assert told(tmp_path, "a.json", "b.json", "c.json") == []
    write(tmp_path, "c.json", deployment("3.20.0", "site", "ims-config"))
    assert told(tmp_path, "a.json", "b.json", "c.json") == [("IMS103", "a.json", 17)]


def test_a_source_of_the_deployment_is_judged_whatever_its_name_and_file(tmp_path: Path) -> None:
    metadata = {"name": "more", "namespace": "services"}
    data = {"DEFAULT_IMS_IMAGE_SIZE": "90Gi"}
    write(tmp_path, "more.json", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    assert told(tmp_path, "more.json") == []
    write(tmp_path, "deployment.json", deployment("3.20.0", "ims-config", "more"))
    assert told(tmp_path, "more.json", "deployment.json") == [("IMS102", "more.json", 9)]


def test_the_release_is_that_of_the_deployment_or_of_an_option(tmp_path: Path) -> None:
    write(tmp_path, "a.json", config_map(DEFAULT_IMS_JOB_REMOTE_TIMEOUT_COUNT="24"))
    assert told(tmp_path, "a.json") == []
    assert [rule for rule, *_ in told(tmp_path, "a.json", "--csm", "1.6.0")] == ["IMS110"]
    assert told(tmp_path, "a.json", "--ims-version", "3.33.0") == []
    write(tmp_path, "b.json", deployment("3.20.0_20250101", "ims-config"))
    assert [rule for rule, *_ in told(tmp_path, "a.json", "b.json")] == ["IMS110"]
    result = check(tmp_path, "a.json", "--csm", "9.9")
    assert (result.returncode, "1.6.0" in result.stderr) == (2, True)


def test_files_of_two_sites_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for site, version in (("one", "3.20.0"), ("other", "3.33.0")):
        write(tmp_path, f"{site}/config.json", config_map(DEFAULT_IMS_JOB_REMOTE_TIMEOUT_COUNT="24"))
        write(tmp_path, f"{site}/deployment.json", deployment(version, "ims-config"))
    assert {file for _, file, _ in told(tmp_path, ".")} == {"one/config.json"}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([{"job_type": "create", "id": "1"}], "jobs of IMS"),
        ([{"id": "1", "link": {}, "created": "x", "name": "image"}], "images of IMS"),
        ({"title": "Not Found", "status": 404, "detail": "x"}, "404 Not Found"),
        ({"results": [RECIPE]}, "jq .results"),
        ({"a": 1}, "not a Kubernetes object"),
        (5, "not a Kubernetes object"),
    ],
)
def test_a_list_of_something_else_is_an_error(tmp_path: Path, value: Any, words: str) -> None:
    write(tmp_path, "list.json", value)
    (found,) = findings(check(tmp_path, "list.json", "--format", "json"))
    assert (found["rule"], found["mode"], found["file"]) == ("SCH102", "enforce", "list.json")
    assert words in found["message"] + found["fix"]


SPECIAL = {"v2": ("specialParameters", "imsRequireDkms"), "v3": ("special_parameters", "ims_require_dkms")}


def configuration(api: str, flag: object) -> dict[str, Any]:
    outer, inner = SPECIAL[api]
    url = "cloneUrl" if api == "v2" else "clone_url"
    return {"name": "gpu", "layers": [{"name": "driver", url: "https://a", outer: {inner: flag}}]}


@pytest.mark.parametrize("api", SPECIAL)
@pytest.mark.parametrize("shape", ["list", "page", "describe"])
def test_configurations_are_known_in_all_shapes_of_both_versions(tmp_path: Path, api: str, shape: str) -> None:
    one = configuration(api, "true")
    value = {"list": [one], "page": {"configurations": [one], "next": None}, "describe": one}[shape]
    text = (tmp_path / write(tmp_path, "cfs.json", value)).read_text()
    ((rule, _, line),) = told(tmp_path, "cfs.json")
    assert (rule, '"true"' in text.split("\n")[line - 1]) == ("IMS413", True)


def test_recipes_are_judged_beside_the_settings_whatever_the_order_of_the_files(tmp_path: Path) -> None:
    recipes = [RECIPE, RECIPE | {"id": "2", "name": "other", "require_dkms": False, "template_dictionary": None}]
    write(tmp_path, "recipes.json", recipes)
    write(tmp_path, "config.json", config_map(JOB_ENABLE_DKMS="true"))
    expected = [("IMS401", "recipes.json", 14), ("IMS405", "recipes.json", 15)]
    assert sorted(told(tmp_path, "recipes.json", "config.json")) == expected
    assert sorted(told(tmp_path, ".", "--csm", "1.6.0")) == [(rule, file, line) for rule, file, line in expected]
    assert [rule for rule, *_ in told(tmp_path, ".", "--csm", "1.5.2")] == ["IMS405"]
    write(tmp_path, "one.json", recipes[1])
    assert ("IMS401", "one.json", 6) in told(tmp_path, "one.json", "config.json")


def test_what_the_cluster_lacks_is_found_beside_what_needs_it(tmp_path: Path) -> None:
    class_ = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "kata"}, "handler": "kata"}
    write(tmp_path, "classes.json", {"apiVersion": "v1", "kind": "List", "items": [class_]})
    write(tmp_path, "config.json", config_map())
    write(tmp_path, "recipes.json", [RECIPE])
    write(tmp_path, "cfs.json", [configuration("v3", True)])
    names = ("classes.json", "config.json", "recipes.json", "cfs.json")
    assert {rule for rule, *_ in told(tmp_path, *names)} == {"IMS301", "IMS310", "IMS311"}
    assert {rule for rule, *_ in told(tmp_path, *names[1:], "--facts", "classes.json")} == {
        "IMS301",
        "IMS310",
        "IMS311",
    }
    write(tmp_path, "classes.json", class_)  # which says nothing of others
    assert told(tmp_path, *names) == []


def test_a_list_of_ten_thousand_recipes_is_judged(tmp_path: Path) -> None:
    write(
        tmp_path, "recipes.json", [RECIPE | {"id": str(number), "name": f"r{number}"} for number in range(9_999)] + [5]
    )
    ((rule, _, line),) = told(tmp_path, "recipes.json")
    assert (rule, line) == ("IMS406", 7 * 9_999 + 2)


def test_sound_files_of_a_site_give_nothing(tmp_path: Path) -> None:
    class_ = {
        "metadata": {"name": "kata-qemu"},
        "scheduling": {"nodeSelector": {"kata": "true"}},
        "handler": "kata-qemu",
    }
    node = {"metadata": {"name": "w1", "labels": {"kata": "true"}}, "spec": {}}
    items = [
        {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", **class_},
        {"apiVersion": "v1", "kind": "Node", **node},
    ]
    items += [config_map(), deployment("3.20.0", "ims-config")]
    write(tmp_path, "dump.json", {"apiVersion": "v1", "kind": "List", "items": items})
    write(tmp_path, "recipes.json", [RECIPE])
    write(tmp_path, "cfs.json", {"configurations": [configuration("v3", True)], "next": None})
    result = check(tmp_path, "dump.json", "recipes.json", "cfs.json")
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize(
    "text",
    [
        '[[results]]\nname = "compute"\n',
        'name = "compute"\nlast_updated = "2026-11-01"\n\n[[layers]]\nname = "gpu"\n',
        "require_dkms = true\n",
    ],
)
def test_toml_of_cray_is_called_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    (found,) = findings(check(tmp_path, "c.yaml", "--format", "json"))
    assert (found["rule"], "is TOML" in found["message"], found["fix"]) == (
        "SCH002",
        True,
        "write it again, with --format json",
    )


def test_an_empty_list_is_told_of(tmp_path: Path) -> None:
    assert told(tmp_path, write(tmp_path, "r.json", [])) == [("IMS406", "r.json", 1)]
