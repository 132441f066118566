"""Decisions about jobs, against the real service and in what its recorded runs do not cover."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kmodgate.policy.ims import settings
from kmodgate.policy.ims.questions.question import Question
from kmodgate.policy.ims.service.decision import Decision, decide
from kmodgate.policy.ims.versions import ImsRelease, ims_release, known_ims_versions
from tests import oracle, shared

NEWEST = ims_release("3.33.0")
KEYS = (
    "effective_require_dkms",
    "enable_dkms",
    "runtimeClassName",
    "serviceAccountName",
    "is_remote",
    "privileged_containers",
    "privileged_without_vm",
)


def disagreements(line: dict[str, object], outcome: dict[str, Any]) -> list[str]:
    if "start_error" in outcome:
        return [] if line["starts"] is False else ["starts"]
    if outcome.get("http_status") != 201:
        return [] if line["accepted"] is False else ["accepted"]
    wrong = [] if line["accepted"] is True else ["accepted"]
    return wrong + [key for key in KEYS if (type(line[key]), line[key]) != (type(outcome[key]), outcome[key])]


@pytest.mark.shared
def test_every_recorded_run_of_the_service_agrees():
    wrong = {}
    for case in oracle.lines("ims-decisions"):
        keys = disagreements(decide(case["inputs"], NEWEST).as_line(), case["outcome"])
        if keys:
            wrong[case["id"]] = keys
    assert wrong == {}


@pytest.mark.shared
def test_every_recorded_decision_of_six_releases_agrees():
    wrong = {}
    for case in map(json.loads, shared.need("oracle/ims-versions.jsonl").read_text().splitlines()):
        line = decide(case["inputs"], ims_release(case["ims_version"])).as_line()
        line["privileged_containers"] = sorted(line["privileged_containers"])
        expected = {**case["outcome"], "privileged_containers": sorted(case["outcome"]["privileged_containers"])}
        if {key: line[key] for key in expected} != expected:
            wrong[case["id"]] = line
    assert wrong == {}


def ask(version: str, job_type: str = "create", **fields: Any) -> Decision:
    release = ims_release(version)
    config = settings.chart_values(release) | fields.pop("config", {})
    return Question(release, config, job_type, **fields).answer()


ON = {"JOB_ENABLE_DKMS": "true"}
OFF = {"JOB_ENABLE_DKMS": "false"}


@pytest.mark.parametrize(
    ("version", "config", "recipe", "risk"),
    [
        ("3.8.3", ON, None, "vm"),
        ("3.8.3", OFF, None, "worker-privileged"),
        ("3.9.5", ON, False, "worker-privileged"),  # ims-config is ignored
        ("3.9.5", OFF, True, "vm"),
        ("3.9.6", ON, False, "vm"),
        ("3.16.2", ON, False, "vm"),
        ("3.16.2", OFF, True, "vm"),
        ("3.16.2", OFF, None, "worker-privileged"),
        ("3.17.0", ON, False, "worker-privileged"),
        ("3.17.0", OFF, None, "vm"),
    ],
)
def test_create_jobs_through_the_releases(version, config, recipe, risk):
    assert ask(version, config=config, recipe=recipe).risk == risk


@pytest.mark.parametrize(
    ("version", "config", "risk"),
    [
        ("3.8.3", OFF, "worker-unprivileged"),
        ("3.9.5", ON, "worker-unprivileged"),
        ("3.13.0", OFF, "worker-unprivileged"),
        ("3.14.0", OFF, "worker-privileged"),
        ("3.14.0", ON, "vm"),
    ],
)
def test_customize_jobs_through_the_releases(version, config, risk):
    assert ask(version, "customize", config=config).risk == risk


@pytest.mark.parametrize("version", known_ims_versions())
def test_a_create_job_is_never_unprivileged_and_an_aarch64_one_always_has_dkms(version):
    release = ImsRelease(version)
    assert "build-image" in ask(version).privileged_containers
    if not release.only_ims_config_decides:
        assert ask(version, arch="aarch64", request=False).enable_dkms == "True"


def test_release_without_flags_refuses_one_in_the_request():
    assert ask("3.8.3", request=True).accepted is False


@pytest.mark.parametrize(("version", "accepted"), [("3.15.2", False), ("3.16.0", True)])
def test_yes_is_a_boolean_from_3_16_on(version, accepted):
    release = ims_release(version)
    inputs = Question(release, {}, "create").inputs()
    inputs["job"] = {**inputs["job"], "require_dkms": "yes"}
    assert decide(inputs, release).accepted is accepted


@pytest.mark.parametrize(("version", "accepted"), [("3.15.0", False), ("3.20.0", True)])
def test_ssh_container_without_jail(version, accepted):
    release = ims_release(version)
    inputs = Question(release, {}, "customize").inputs()
    inputs["job"] = {**inputs["job"], "ssh_containers": [{"name": "a"}]}
    assert decide(inputs, release).accepted is accepted


def test_size_that_is_no_integer_fails_only_releases_that_read_it():
    config = {"DEFAULT_IMS_IMAGE_SIZE": "60Gi"}
    assert ask("3.20.0", config=config).accepted is False
    assert ask("3.17.0", config=config).accepted is True


@pytest.mark.parametrize("text", ["#kata", "[kata]", "kata: x", "~ #kata", "'kata"])
def test_class_that_is_no_text_is_no_vm(text):
    decision = ask("3.33.0", config={"JOB_KATA_RUNTIME": text})
    assert decision.risk != "vm"


def test_templates_elsewhere_leave_the_answer_open():
    assert ask("3.33.0", config={"IMS_JOB_TEMPLATE_PATH": "/tmp/x"}).accepted is None


def test_service_that_does_not_start_says_nothing_else():
    line = ask("3.33.0", config={"S3_READ_TIMEOUT": "60s"}).as_line()
    assert line.pop("starts") is False
    assert "S3_READ_TIMEOUT" in str(line.pop("because"))
    assert set(line.values()) == {None}


@pytest.mark.parametrize(
    ("failing", "accepted", "is_made"),
    [
        ("POST configmaps", False, False),
        ("POST services", False, False),
        ("POST jobs", False, False),
        ("POST persistentvolumeclaims", False, True),
        ("POST destinationrules", False, True),
        ("POST secrets", True, True),
        ("GET secrets", True, True),
    ],
)
def test_requests_to_kubernetes_that_fail(failing, accepted, is_made):
    inputs = Question(NEWEST, {}, "create").inputs() | {"k8s": {"fail": {"on": failing, "status": 500, "reason": "x"}}}
    decision = decide(inputs, NEWEST)
    assert (decision.accepted, decision.risk == "vm") == (accepted, is_made)


@pytest.mark.parametrize(
    ("s3", "accepted"),
    [
        ({"artifact_missing": True}, False),
        ({"rootfs_missing": True}, False),
        ({"manifest": "not_json"}, False),
        ({"manifest_len": 1048576}, False),
        ({"manifest_len": 1048575}, True),
        ({"manifest": "something else"}, None),
        ({"etag": "other"}, True),
        ({"object_md5": ""}, True),
    ],
)
def test_artifacts_that_are_not_well(s3, accepted):
    inputs = Question(NEWEST, {}, "customize").inputs() | {"s3": s3}
    assert decide(inputs, NEWEST).accepted is accepted
