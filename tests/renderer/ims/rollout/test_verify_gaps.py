"""`kmodgate ims verify` where the dump, or what is expected, does not have all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import run
from tests.renderer.ims.rollout.conftest import verify


@pytest.mark.parametrize(
    ("is_list", "said"),
    [
        (False, "ConfigMap ims-config-site is not in the input, so"),
        (True, "ConfigMap ims-config-site does not exist:"),
    ],
)
def test_a_config_map_that_nobody_applied_is_named_and_the_rest_compared(
    folder: Path, live: list[dict[str, Any]], is_list: bool, said: str
) -> None:
    live[1]["data"]["JOB_KATA_RUNTIME"] = "kata-clh"
    (folder / "pod.json").write_text(json.dumps(live[0]))
    (folder / "live.json").write_text(
        json.dumps({"apiVersion": "v1", "kind": "List", "items": live[1:2]} if is_list else live[1])
    )
    result = run("ims", "verify", "pod.json", "live.json", "--expected", "handover", cwd=folder)
    assert said in result.stdout
    assert "kubectl apply -f handover/ims-config-site.yaml" in result.stdout
    assert "JOB_KATA_RUNTIME is 'kata-clh', expected 'kata-qemu'" in result.stdout
    assert "DEFAULT_IMS_IMAGE_SIZE is '60', expected '90'" in result.stdout
    assert "1 of 3 settings are as expected" in result.stdout
    assert result.returncode == 1


def test_settings_of_a_config_map_that_was_not_given_are_not_said_to_differ(
    folder: Path, live: list[dict[str, Any]]
) -> None:
    for name, item in (("pod", live[0]), ("site", live[2])):
        (folder / f"{name}.json").write_text(json.dumps(item))
    result = run("ims", "verify", "pod.json", "site.json", "--expected", "handover", cwd=folder)
    assert (
        "not in the input: ConfigMap ims-config (kubectl -n services get configmap ims-config -o yaml)" in result.stdout
    )
    assert "1 of 3 settings are as expected" in result.stdout
    assert "not there" not in result.stdout


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ([{"type": "Ready", "status": "True"}], None),
        ([{"type": "Ready", "status": "False"}], "pod cray-ims-5d9c-x2k is not ready"),
        ([], "not in the input: the status of pod cray-ims-5d9c-x2k: whether it is ready"),
    ],
)
def test_readiness_without_the_containers_status_is_that_of_the_pod(
    folder: Path, live: list[dict[str, Any]], conditions: list[dict[str, str]], said: str | None
) -> None:
    live[0]["status"] = {"phase": "Running", "conditions": conditions}
    result = verify(folder, live)
    assert (said in result.stdout) if said else ("ready" not in result.stdout)
    assert result.returncode == (1 if said and said.startswith("pod ") else 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# by hand\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n", "wrong.yaml:2:1: error[SCH102] is ConfigMap other"),
        ('[{"id": "1", "name": "a", "recipe_type": "kiwi-ng", "linux_distribution": "sles15", "link": {}}]', "wrong.yaml:1:1"),
        ("", "holds nothing"),
    ],
)  # fmt: skip
def test_an_expected_file_without_ims_config_is_told_by_what_it_holds(
    folder: Path, live: list[dict[str, Any]], text: str, said: str
) -> None:
    (folder / "wrong.yaml").write_text(text)
    result = verify(folder, live, "--expected", "wrong.yaml")
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
    assert "handover/CLUSTER/cray-ims" in result.stderr
