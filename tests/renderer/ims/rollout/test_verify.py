"""`kmodgate ims verify`: the running pod against what is expected, and Jobs that get no pod."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.command import Finished, run
from tests.renderer.ims.rollout.conftest import POD, SETTINGS, config, verify


def test_a_service_with_its_settings_is_as_expected(folder: Path, live: list[dict[str, Any]]) -> None:
    result = verify(folder, live)
    assert result.stdout.splitlines() == [
        "AS EXPECTED", "pod cray-ims-5d9c-x2k: annotation checksum/ims-config is as expected",
        "3 of 3 settings are as expected", "the service started with JOB_ENABLE_DKMS 'true'",
    ]  # fmt: skip
    assert result.returncode == 0


def test_sources_in_another_order_differ_since_the_last_one_wins(folder: Path, live: list[dict[str, Any]]) -> None:
    live[0]["spec"]["containers"][1]["envFrom"].reverse()
    result = verify(folder, live)
    assert "envFrom is ims-config-site, ims-config, expected ims-config, ims-config-site" in result.stdout
    assert "DEFAULT_IMS_IMAGE_SIZE is '60', expected '90'" in result.stdout
    assert result.returncode == 1


def test_a_pod_of_before_the_change_differs_by_its_annotation(folder: Path, live: list[dict[str, Any]]) -> None:
    for given, seen in (({"checksum/ims-config": "old"}, "old"), ({}, "not there"), (None, "not there")):
        live[0]["metadata"]["annotations"] = given
        result = verify(folder, live)
        assert f"annotation checksum/ims-config is {seen}, expected abc: roll it out" in result.stdout
        assert result.returncode == 1


def test_a_log_of_before_the_change_differs(folder: Path, live: list[dict[str, Any]]) -> None:
    (folder / "log").write_text("DKMS enabled: true\nDKMS enabled: false\r\n")
    result = verify(folder, live)
    assert "the service started with JOB_ENABLE_DKMS 'false', expected 'true': roll it out" in result.stdout
    assert result.returncode == 1


def test_a_log_without_the_line_is_said(folder: Path, live: list[dict[str, Any]]) -> None:
    (folder / "log").write_text("")
    assert "not in the input: the line `DKMS enabled:` in the log" in verify(folder, live).stdout


def test_a_setting_that_was_edited_by_hand_differs(folder: Path, live: list[dict[str, Any]]) -> None:
    live[1]["data"]["JOB_KATA_RUNTIME"] = "kata-clh"
    del live[1]["data"]["JOB_ENABLE_DKMS"]
    result = verify(folder, live)
    assert "JOB_KATA_RUNTIME is 'kata-clh', expected 'kata-qemu'" in result.stdout
    assert "JOB_ENABLE_DKMS is not there, expected 'true'" in result.stdout


def test_an_entry_of_the_container_wins_over_the_sources(folder: Path, live: list[dict[str, Any]]) -> None:
    live[0]["spec"]["containers"][1]["env"] = [
        {"name": "JOB_KATA_RUNTIME", "value": "kata"},
        {"name": "S3_SECRET_KEY", "valueFrom": {}},
    ]
    assert "JOB_KATA_RUNTIME is 'kata', expected 'kata-qemu'" in verify(folder, live).stdout


def test_settings_that_are_left_to_the_site_are_not_compared(folder: Path, live: list[dict[str, Any]]) -> None:
    expected = config(
        "ims-config",
        {**SETTINGS, "S3_IMS_BUCKET": "ims", "DOMAIN": "{{ network.dns.external }}"},
        annotations={"kmodgate.io/left-to-site": "S3_IMS_BUCKET"},
    )
    (folder / "handover/expected-ims-config.yaml").write_text(json.dumps(expected))
    assert "3 of 3 settings are as expected" in verify(folder, live).stdout


def test_a_configmap_that_was_written_after_the_start_is_told(folder: Path, live: list[dict[str, Any]]) -> None:
    live[1]["metadata"]["managedFields"] = [{"time": "2026-11-29T11:00:00Z"}, {"time": "2026-11-29T13:00:00Z"}]
    result = verify(folder, live)
    assert (
        "ims-config was written 2026-11-29 13:00:00, and pod cray-ims-5d9c-x2k started 2026-11-29 12:00:00"
        in result.stdout
    )
    assert result.returncode == 1


def test_two_pods_and_one_that_is_not_ready_are_told(folder: Path, live: list[dict[str, Any]]) -> None:
    other = deepcopy(POD)
    other["metadata"]["name"] = "cray-ims-5d9c-zzz"
    other["status"]["containerStatuses"][0]["ready"] = False
    result = verify(folder, [*live, other])
    assert "2 pods write one store: cray-ims-5d9c-x2k, cray-ims-5d9c-zzz" in result.stdout
    assert "pod cray-ims-5d9c-zzz is not ready" in result.stdout
    other["metadata"]["deletionTimestamp"] = "2026-11-29T12:00:00Z"
    assert verify(folder, [*live, other]).returncode == 0


def test_what_is_not_in_the_input_is_said(folder: Path, live: list[dict[str, Any]]) -> None:
    assert "not in the input: the ConfigMaps of the environment" in verify(folder, live[:1]).stdout
    assert "not in the input: the log" in verify(folder, live, "--expected", "handover").stdout
    assert (
        "not in the input: the checksum"
        in verify(folder, live, "--expected", "handover/expected-ims-config.yaml").stdout
    )


def test_without_an_expectation_the_log_is_compared_with_the_dump(folder: Path, live: list[dict[str, Any]]) -> None:
    live[1]["data"]["JOB_ENABLE_DKMS"] = "false"
    result = verify(folder, live, "--log", "log")
    assert "the service started with JOB_ENABLE_DKMS 'true', expected 'false': roll it out" in result.stdout
    assert "not in the input: what is expected" in result.stdout


def test_a_cluster_without_the_service_differs(folder: Path, live: list[dict[str, Any]]) -> None:
    other = deepcopy(POD)
    other["spec"]["containers"].pop()
    result = verify(folder, [other, *live[1:]])
    assert "no pod of cray-ims runs" in result.stdout
    assert result.returncode == 1


def test_a_dump_without_pods_is_no_cluster_without_the_service(folder: Path, live: list[dict[str, Any]]) -> None:
    result = verify(folder, live[1:])
    assert "no pod of cray-ims in the dump\n    fix: give what kubectl" in result.stderr
    assert (result.returncode, result.stdout) == (2, "")


@pytest.mark.parametrize("arguments", [
    (), ("--log", "log", "--jobs", "live.json"), ("live.json", "--expected", "log"), ("live.json", "--expected", "missing"),
    ("live.json", "--expected", "live.json"), ("live.json", "--log", "missing"), ("live.json", "--log", "."), ("missing",),
])  # fmt: skip
def test_arguments_that_cannot_be_used_end_with_2(folder: Path, arguments: tuple[str, ...]) -> None:
    (folder / "live.json").write_text(json.dumps(POD))
    result = run("ims", "verify", *arguments, cwd=folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert "fix: " in result.stderr


NAME = "cray-ims-3f2b5f6e-7f8c-4f0f-9a43-0d2c6f3a1b7e-create"


def job(**status: Any) -> dict[str, Any]:
    spec = {"template": {"spec": {"runtimeClassName": "kata-site", "containers": []}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": NAME, "namespace": "ims"},
        "spec": spec,
        "status": status,
    }


def event(message: str, last: str = "2026-11-29T12:00:00Z", **more: Any) -> dict[str, Any]:
    involved = {"kind": "Job", "namespace": "ims", "name": NAME}
    metadata = {"name": f"{NAME}.{last}", "namespace": "ims"}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": metadata,
        "reason": "FailedCreate",
        "message": message,
        "involvedObject": involved,
        "lastTimestamp": last,
        **more,
    }


NOT_FOUND = 'Error creating: pods "x-" is forbidden: pod rejected: RuntimeClass "kata-site" not found'
REFUSED = "the pod of this Job is refused: [KTA104] spec.runtimeClassName: there is no RuntimeClass kata-qemu; install Kata Containers"
OTHER = "Error creating: pods is forbidden: exceeded quota"
CLASSES = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClassList", "items": [{"metadata": {"name": "kata-qemu"}}]}


def jobs(folder: Path, *objects: dict[str, Any]) -> Finished:
    (folder / "jobs.json").write_text("".join(map(json.dumps, objects)))
    return run("ims", "verify", "--jobs", "jobs.json", cwd=folder)


@pytest.mark.parametrize(("others", "why"), [
    ([event(NOT_FOUND)], "RuntimeClass kata-site is missing"),
    ([event(REFUSED, reason="KataPodRefused")], "RuntimeClass kata-qemu is missing"),
    ([event(OTHER), event(NOT_FOUND, "2026-11-29T11:00:00Z")], OTHER),
    ([event(OTHER, "2026-11-29T10:00:00Z"), event(NOT_FOUND)], "RuntimeClass kata-site is missing"),
    ([CLASSES], "RuntimeClass kata-site is missing"),
    ([], "no Event in the input says why"),
])  # fmt: skip
def test_a_job_that_gets_no_pod_is_named_with_the_reason(folder: Path, others: list[dict[str, Any]], why: str) -> None:
    result = jobs(folder, job(), *others)
    assert (
        f"DIFFERS\nJob {NAME} has no pod, and IMS shows it as creating: {why}\n1 Job of IMS, 1 without a pod\n"
        == result.stdout
    )
    assert result.returncode == 1


def test_an_event_of_the_newer_kind_counts_too(folder: Path) -> None:
    newer = event(
        "",
        note=NOT_FOUND,
        regarding={"kind": "Job", "namespace": "ims", "name": NAME},
        eventTime="2026-11-29T12:00:00.000000Z",
    )
    del newer["involvedObject"], newer["message"], newer["lastTimestamp"]
    assert "RuntimeClass kata-site is missing" in jobs(folder, job(), newer).stdout


@pytest.mark.parametrize("objects", [
    [job(active=1)], [job(succeeded=1)], [job(conditions=[{"type": "Failed", "status": "True"}])],
    [job(), {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "ims", "ownerReferences": [{"kind": "Job", "name": NAME}]}}],
    [{**job(), "metadata": {"name": "iuf-1", "namespace": "argo"}}, job(active=1)],
])  # fmt: skip
def test_a_job_with_a_pod_and_one_of_others_are_none(folder: Path, objects: list[dict[str, Any]]) -> None:
    result = jobs(folder, *objects, event(NOT_FOUND))
    assert result.stdout == "AS EXPECTED\n1 Job of IMS, 0 without a pod\n"
    assert result.returncode == 0


def test_a_dump_without_jobs_compares_nothing(folder: Path) -> None:
    result = jobs(folder, CLASSES)
    assert result.stdout.startswith("NOTHING COMPARED\nnot in the input: the Jobs of IMS")
    assert result.returncode == 1
