"""Rules about ims-config against recorded runs of the service: what it takes otherwise is found."""

from __future__ import annotations

from typing import Any

import pytest

from kmodgate.policy.config import Policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Finding, Mode
from kmodgate.policy.ims.settings import chart_values
from kmodgate.policy.ims.versions import NEWEST, ims_release
from kmodgate.policy.review import ClusterTraits, Review
from tests import oracle

pytestmark = pytest.mark.shared
CHART = chart_values(ims_release(NEWEST))
SOUND = {
    "JOB_ENABLE_DKMS": {"true", "false", "True", "False", "TRUE", "1", "t"},
    "DEFAULT_IMS_JOB_NAMESPACE": {"ims", "ims2"},
    "DEFAULT_IMS_JOB_MEM_SIZE": {"8", "32"},
    "JOB_CUSTOMER_ACCESS_SUBNET_NAME": {"cmn", "chn", "can"},
    "JOB_KATA_RUNTIME": {"kata", "kata-qemu", "kata-clh", "my-kata-x", "a" * 70 + "kata"},
    "JOB_AARCH64_RUNTIME": {"kata-qemu", "kata-clh", "kata-qemu-aarch64"},
}
"""The values of the recorded runs, beside those of the chart, that the service takes as they read."""


def found(config: dict[str, str], version: str) -> list[Finding]:
    metadata = {"name": "ims-config", "namespace": "services"}
    value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": config}
    findings = Engine(Policy()).evaluate(Review(value, cluster=ClusterTraits(ims_version=version)))
    return [item for item in findings if item.rule.startswith("IMS1")]  # others hold values against a policy


@pytest.mark.parametrize("version", ["", NEWEST])
def test_each_value_that_is_read_otherwise_is_found_and_no_other(version: str) -> None:
    configs: list[dict[str, str]] = [case["inputs"]["ims_config"] for case in oracle.lines("ims-decisions")]
    for config in configs:
        told = {item.field.removeprefix("data.") for item in found(config, version)}
        odd = {key for key, text in config.items() if text != CHART.get(key) and text not in SOUND.get(key, ())}
        assert told == odd, config


@pytest.mark.parametrize("version", ["", NEWEST])
def test_a_value_that_stops_the_start_is_refused(version: str) -> None:
    cases: list[Any] = [case for case in oracle.lines("ims-decisions") if "start_error" in case["outcome"]]
    assert cases
    for case in cases:
        config = case["inputs"]["ims_config"]
        refused = [item.field for item in found(config, version) if item.mode is Mode.ENFORCE]
        assert refused == [f"data.{key}" for key in config if key.endswith("_TIMEOUT") and not config[key].isdecimal()]
