"""Rules about the values of ims-config: how bad each is, and what nobody can know."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import Policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Finding, Mode
from kmodgate.policy.ims.settings import KNOWN_KEYS, chart_values
from kmodgate.policy.ims.versions import ims_release, known_ims_versions
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.review import ClusterTraits, Review

ENGINE = Engine(Policy())


def config_map(data: dict[str, Any], **metadata: str) -> dict[str, Any]:
    metadata = {"name": "ims-config", "namespace": "services", **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def findings(value: dict[str, Any], *facts: dict[str, Any]) -> list[Finding]:
    known = SnapshotFacts([value, *facts], {"ConfigMap", "RuntimeClass"}) if facts else None
    return ENGINE.evaluate(Review(defaulted(value), facts=known))


@pytest.mark.parametrize(
    ("key", "text", "rule", "mode"),
    [
        ("JOB_AARCH64_RUNTIME", "", "IMS105", Mode.ENFORCE),
        ("JOB_AARCH64_RUNTIME", None, "IMS105", Mode.ENFORCE),
        ("JOB_AARCH64_RUNTIME", "~", "IMS105", Mode.ENFORCE),
        ("JOB_AARCH64_RUNTIME", "runc", "IMS105", Mode.ENFORCE),
        ("JOB_AARCH64_RUNTIME", "runc #kata", "IMS105", Mode.ENFORCE),
        ("JOB_AARCH64_RUNTIME", "kata #x", "IMS105", Mode.WARN),
        ("JOB_KATA_RUNTIME", "#kata", "IMS104", Mode.ENFORCE),
        ("JOB_KATA_RUNTIME", "runc #kata", "IMS104", Mode.ENFORCE),
        ("JOB_KATA_RUNTIME", "kata: x", "IMS104", Mode.ENFORCE),
        ("JOB_KATA_RUNTIME", "[kata]", "IMS104", Mode.ENFORCE),
        ("JOB_KATA_RUNTIME", "kata #x", "IMS104", Mode.WARN),
        ("JOB_KATA_RUNTIME", "runc", "IMS104", Mode.WARN),
        ("WEB_CONCURRENCY", "4", "IMS108", Mode.ENFORCE),
        ("GUNICORN_CMD_ARGS", "--workers 4", "IMS108", Mode.ENFORCE),
        ("GUNICORN_CMD_ARGS", "--reload", "IMS108", Mode.WARN),
        ("PYTHONPATH", "/x", "IMS108", Mode.WARN),
        ("FOO", "x", "IMS109", Mode.WARN),
    ],
)
def test_what_takes_jobs_out_of_their_vm_or_loses_records_is_an_error(
    key: str, text: str | None, rule: str, mode: Mode
) -> None:
    found = findings(config_map({key: text}))
    assert [(item.rule, item.mode, item.field) for item in found] == [(rule, mode, f"data.{key}")]


def test_the_level_of_gunicorns_own_log_is_a_note() -> None:
    cluster = ClusterTraits(ims_version="3.20.0")
    (found,) = ENGINE.evaluate(Review(config_map({"LOG_LEVEL": "DEBUG"}), cluster=cluster))
    assert (found.rule, found.mode) == ("IMS110", Mode.AUDIT)


def test_a_count_of_workers_is_told_with_its_option() -> None:
    (found,) = findings(config_map({"GUNICORN_CMD_ARGS": "--log-level debug -w 4"}))
    assert found.message.startswith("--workers: '4' starts 4 workers")


def test_a_class_of_another_name_that_has_a_handler_of_kata_is_a_warning() -> None:
    known = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "vm"}, "handler": "kata-qemu"}
    found = findings(config_map({"JOB_AARCH64_RUNTIME": "vm"}), known)
    assert [item.mode for item in found if item.rule == "IMS105"] == [Mode.WARN]


@pytest.mark.parametrize(
    ("text", "says"), [("kata: x", "breaks the job template"), ("[kata]", "Kubernetes refuses the Job")]
)
def test_a_class_that_is_no_name_fails_jobs_and_leaves_objects_behind(text: str, says: str) -> None:
    (found,) = findings(config_map({"JOB_KATA_RUNTIME": text}))
    assert says in found.message
    assert "answered with 500, and leave a ConfigMap and a Service behind" in found.message


@given(st.dictionaries(st.sampled_from(KNOWN_KEYS), st.sampled_from(["{{ a.b }}", "x{{ a }}", " {{ 'y' | z }} "])))
def test_nothing_is_said_about_texts_that_the_site_resolves(data: dict[str, str]) -> None:
    assert findings(config_map(data)) == []


@given(st.dictionaries(st.sampled_from(KNOWN_KEYS), st.sampled_from(["", "x", "true", "60"])))
def test_null_is_judged_as_the_empty_text_that_is_stored(data: dict[str, str]) -> None:
    nulls = {key: text or None for key, text in data.items()}
    assert findings(config_map(nulls)) == findings(config_map(data))


@pytest.mark.parametrize("version", known_ims_versions())
def test_values_of_the_chart_are_sound(version: str) -> None:
    value = config_map(dict(chart_values(ims_release(version))))
    found = [item.rule for item in ENGINE.evaluate(Review(value, cluster=ClusterTraits(ims_version=version)))]
    # Up to 3.9.1 the chart itself leaves the class of aarch64 jobs empty.
    assert found == (["IMS105"] if version in ("3.9.0", "3.9.1") else [])
