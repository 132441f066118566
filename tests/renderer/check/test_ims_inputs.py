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
