"""`kmodgate ims preflight`: whether now is a good time to roll `cray-ims`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.command import Finished, run

CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: ims-config, namespace: services}
data: {JOB_ENABLE_DKMS: "true", JOB_KATA_RUNTIME: kata-qemu, JOB_AARCH64_RUNTIME: kata-qemu}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cray-ims, namespace: services}
spec: {replicas: 1, strategy: {type: Recreate}}
"""
CLASSES = """\
apiVersion: node.k8s.io/v1
kind: RuntimeClassList
items:
- {metadata: {name: kata-qemu}, handler: kata-qemu, scheduling: {nodeSelector: {katacontainers.io/kata-runtime: "true"}}}
"""
READY = "{conditions: [{type: Ready, status: 'True'}]}"
NODES = f"""\
apiVersion: v1
kind: NodeList
items:
- {{metadata: {{name: ncn-w001, labels: {{katacontainers.io/kata-runtime: "true"}}}}, status: {READY}}}
- {{metadata: {{name: ncn-w002, labels: {{katacontainers.io/kata-runtime: "true"}}}}, spec: {{unschedulable: true}}, status: {READY}}}
- {{metadata: {{name: ncn-w003}}, status: {READY}}}
"""


def ago(**age: float) -> str:
    """A time as IMS writes it: without a zone."""
    return (datetime.now(UTC) - timedelta(**age)).replace(tzinfo=None).isoformat()


def job(status: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": "8c4a",
        "job_type": "create",
        "status": status,
        "created": ago(minutes=5),
        "ssh_containers": None,
    } | fields


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All of a cluster on which now is a good time."""
    for name, text in {
        "config.yaml": CONFIG,
        "classes.yaml": CLASSES,
        "nodes.yaml": NODES,
        "sessions.json": "[]",
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "jobs.json").write_text(json.dumps([job("success"), job("error")]))
    return tmp_path


def preflight(folder: Path, *arguments: str) -> Finished:
    return run("ims", "preflight", *(arguments or (".",)), cwd=folder)


def with_jobs(folder: Path, *jobs: dict[str, Any]) -> Finished:
    (folder / "jobs.json").write_text(json.dumps(jobs))
    return preflight(folder)


def test_a_time_without_open_jobs_is_good(folder: Path) -> None:
    result = preflight(folder)
    assert result.stdout.splitlines() == [
        "GOOD TIME", "2 jobs in the list, 0 open",
        "RuntimeClass kata-qemu: 2 nodes with its labels, ready and schedulable: ncn-w001",
    ]  # fmt: skip
    assert result.returncode == 0


@pytest.mark.parametrize("status", ["creating", "building_image", "waiting_on_user", "a status of tomorrow"])
def test_an_open_job_is_named(folder: Path, status: str) -> None:
    result = with_jobs(folder, job("success"), job(status, id="77aa"))
    assert result.stdout.startswith(
        f"NOT NOW\nopen job 77aa: create, {status}, for 0 h 5 min\n2 jobs in the list, 1 open\n"
    )
    assert result.returncode == 1


def test_the_session_that_a_job_waits_for_is_named(folder: Path) -> None:
    ssh = [{"name": "compute-23", "jail": True, "connection_info": {}}]
    result = with_jobs(folder, job("waiting_on_user", job_type="customize", ssh_containers=ssh, created=ago(hours=3.5)))
    assert (
        "customize, waiting_on_user, of CFS session compute-23 (which does not exist), for 3 h 30 min\n"
        in result.stdout
    )
    (folder / "sessions.json").unlink()
    assert "waiting_on_user, of CFS session compute-23, for 3 h 30 min\n" in preflight(folder).stdout
    session = {"name": "compute-23", "configuration": {}, "target": {}, "status": {"session": {"status": "complete"}}}
    (folder / "sessions.json").write_text(json.dumps([session]))
    assert "waiting_on_user, of CFS session compute-23 (complete), for 3 h 30 min\n" in preflight(folder).stdout


def test_an_old_job_is_told_to_be_old(folder: Path) -> None:
    result = with_jobs(folder, job("creating", created=ago(days=3, hours=2)))
    assert "for 3 d 2 h: older than a day, look whether its pod still runs" in result.stdout
    assert result.returncode == 1


@pytest.mark.parametrize("created", [None, 7, "yesterday"])
def test_a_time_that_is_none_is_left_out(folder: Path, created: Any) -> None:
    assert "open job 8c4a: create, creating\n" in with_jobs(folder, job("creating", created=created)).stdout


@pytest.mark.parametrize("page", [False, True])
def test_a_session_that_builds_an_image_is_named(folder: Path, page: bool) -> None:
    sessions = [
        {
            "name": name,
            "configuration": {},
            "target": {"definition": definition},
            "status": {"session": {"status": status}},
        }
        for name, definition, status in [
            ("a", "image", "running"),
            ("b", "dynamic", "running"),
            ("c", "image", "complete"),
        ]
    ]
    (folder / "sessions.json").write_text(json.dumps({"sessions": sessions, "next": None} if page else sessions))
    result = preflight(folder)
    assert result.stdout.startswith("NOT NOW\nCFS session a is running: it fails if it starts a job meanwhile\n2 jobs")
    assert result.returncode == 1


def test_values_of_ims_config_and_lists_of_recipes_may_be_there_too(folder: Path) -> None:
    (folder / "values.json").write_text('{"JOB_ENABLE_DKMS": "true", "JOB_KATA_RUNTIME": "kata-x"}')
    (folder / "recipes.json").write_text('[{"id": "1", "name": "a", "recipe_type": "kiwi-ng"}]')
    assert "RuntimeClass kata-x does not exist" in preflight(folder).stdout


def test_what_is_not_in_the_input_is_said_and_without_jobs_nothing_is_promised(folder: Path) -> None:
    result = preflight(folder, "classes.yaml")
    assert [line for line in result.stdout.splitlines() if line.startswith("not in the input: ")] == [
        "not in the input: jobs (cray ims jobs list --format json)",
        "not in the input: CFS sessions (cray cfs sessions list --format json), which may start a job meanwhile",
        "not in the input: the Deployment (kubectl -n services get deployment cray-ims -o yaml)",
        "not in the input: ims-config (kubectl -n services get configmap ims-config -o yaml), which names the class",
    ]
    assert result.returncode == 1


def test_an_empty_list_counts_as_that_of_the_jobs(folder: Path) -> None:
    result = preflight(folder, "sessions.json")
    assert result.stdout.startswith("GOOD TIME\n0 jobs in the list, 0 open\nnot in the input: CFS sessions")


@pytest.mark.parametrize(("file", "old", "new", "says"), [
    ("classes.yaml", "name: kata-qemu", "name: kata", "RuntimeClass kata-qemu does not exist"),
    ("nodes.yaml", "kata-runtime", "other", "RuntimeClass kata-qemu: 0 nodes with its labels, ready and schedulable: none"),
    ("nodes.yaml", "status: 'True'", "status: 'False'", "2 nodes with its labels, ready and schedulable: none"),
    ("config.yaml", "Recreate", "RollingUpdate", "has the strategy RollingUpdate"),
    ("config.yaml", ", strategy: {type: Recreate}", "", "has the strategy RollingUpdate"),
    ("config.yaml", "replicas: 1", "replicas: 2", "has replicas 2"),
    ("config.yaml", "JOB_AARCH64_RUNTIME: kata-qemu", "JOB_AARCH64_RUNTIME: kata-arm", "RuntimeClass kata-arm does not exist"),
])  # fmt: skip
def test_what_the_new_pod_or_its_jobs_lack_is_a_reason_to_wait(
    folder: Path, file: str, old: str, new: str, says: str
) -> None:
    path = folder / file
    path.write_text(path.read_text().replace(old, new))
    result = preflight(folder)
    assert says in result.stdout
    assert result.returncode == 1


@pytest.mark.parametrize(("text", "says"), [
    ("<!DOCTYPE html><title>Sign in", "jobs.json:1:1: error[SCH002] is a page of HTML"),
    ("", "jobs.json:1:1: error[SCH006] is empty"),
    ('[[results]]\nid = "8c4a"\n', "is TOML"),
    ('[{"id": "8c4a", "job_type": "create"}]', "record 0 has no status\n    fix: write it again: cray ims jobs list --format json"),
    ('[{"id": "8c4a", "job_type": "create", "status": null}]', "record 0 has no status"),
    ('[{"job_type": "create", "id": "1", "status": "error"}, 5]', "record 1 has no id"),
    ("[5]", "not a Kubernetes object"),
    ('{"sessions": [{"id": "1"}]}', "record 0 has no name"),
])  # fmt: skip
def test_a_list_that_cannot_be_used_is_an_error_with_its_file(folder: Path, text: str, says: str) -> None:
    (folder / "jobs.json").write_text(text)
    result = preflight(folder, "jobs.json")
    assert says in result.stderr
    assert (result.returncode, result.stdout) == (2, "")


def test_the_answer_is_there_as_json_too(folder: Path) -> None:
    answer = json.loads(preflight(folder, "jobs.json", "--format", "json").stdout)
    assert answer["verdict"] == "GOOD TIME"
    assert answer["facts"] == ["2 jobs in the list, 0 open"]
    assert len(answer["missing"]) == 3


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n", "ConfigMap other"),
        ('[{"id": "1", "name": "a", "recipe_type": "kiwi-ng", "link": {}}]', "a list of recipes"),
        ('{"configurations": [{"name": "a", "layers": []}]}', "CFS configurations"),
        ("# nothing\n", "nothing"),
    ],
)
def test_a_file_that_says_nothing_of_what_is_asked_is_named(folder: Path, text: str, held: str) -> None:
    (folder / "odd.yaml").write_text(text)
    names = sorted(path.name for path in folder.iterdir())
    found = run("ims", "preflight", *names, cwd=folder)
    assert f"not used: odd.yaml holds {held}\n" in found.stdout
    assert found.stdout.count("not used") == 1
    answer = json.loads(run("ims", "preflight", *names, "--format", "json", cwd=folder).stdout)
    assert answer["unused"] == [f"odd.yaml holds {held}"]
