"""The recording rules and alerts of the operator, as Prometheus evaluates them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fleets import FleetFolder
from tests.renderer.compile.operator_install.fleet import CSV, cluster, objects, redhat, upstream

NAMES = 'namespace="openshift-kmm", container="manager", pod="kmm-operator-controller-7d4-x"'


def rule(fleet: FleetFolder) -> Any:
    return objects(fleet).get("PrometheusRule/kernel-module-management")


def test_openshift_gets_the_rules_and_others_on_request(fleet: FleetFolder) -> None:
    asked = [
        (redhat(), "openshift", "ha"),
        (redhat(alerts=False), "openshift", "ha"),
        (upstream(csv=CSV), "kubernetes", "ha"),
        (upstream(csv=CSV, alerts=True), "kubernetes", "ha"),
        (redhat(), "openshift", "microshift"),
        (redhat(alerts=True), "openshift", "microshift"),
    ]
    found = []
    for kmm, platform, topology in asked:
        cluster(fleet, kmm, platform=platform, topology=topology)
        found.append(rule(fleet) is not None)

    assert found == [True, False, False, True, False, True]


def test_openshifts_own_prometheus_looks_at_the_namespace_that_has_rules(fleet: FleetFolder) -> None:
    labels = []
    for kmm, platform in (
        (redhat(alerts=True), "openshift"),
        (redhat(alerts=False), "openshift"),
        (upstream(csv=CSV, alerts=True), "kubernetes"),
    ):
        cluster(fleet, kmm, platform=platform)
        namespaces = [
            value
            for name, value in objects(fleet).items()
            if name in ("Namespace/openshift-kmm", "Namespace/operators")
        ]
        labels += [value["metadata"]["labels"].get("openshift.io/cluster-monitoring") for value in namespaces]

    assert labels == ["true", None, None]


SERIES = [
    (f"container_memory_working_set_bytes{{{NAMES}}}", "100x10 390x60"),
    ('container_memory_working_set_bytes{namespace="openshift-kmm", container="POD", pod="kmm-operator-controller-7d4-x"}', "900x70"),
    ('container_memory_working_set_bytes{namespace="openshift-kmm", container="", pod="kmm-operator-controller-7d4-x"}', "900x70"),
    ('container_memory_working_set_bytes{namespace="other", container="manager", pod="kmm-operator-controller-7d4-x"}', "900x70"),
    (f'kube_pod_container_resource_limits{{{NAMES}, resource="memory"}}', "400x70"),
    (f"container_cpu_usage_seconds_total{{{NAMES}}}", "0+30x70"),
    (f'kube_pod_container_resource_limits{{{NAMES}, resource="cpu"}}', "0.5x70"),
    (f"kube_pod_container_status_restarts_total{{{NAMES}}}", "0x40 1x30"),
    (f'kube_pod_container_status_last_terminated_reason{{{NAMES}, reason="OOMKilled"}}', "0x40 1x30"),
]  # fmt: skip

POD = "openshift-kmm/kmm-operator-controller-7d4-x of KMM's operator"


def firing(
    alert: str, minute: int, severity: str, summary: str, labels: dict[str, str] | None = None
) -> dict[str, Any]:
    of_pod = {"namespace": "openshift-kmm", "pod": "kmm-operator-controller-7d4-x", "container": "manager"}
    labels = of_pod if labels is None else labels
    expected = {"exp_labels": {**labels, "severity": severity}, "exp_annotations": {"summary": summary}}
    return {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": [expected] if summary else []}


def promtool(folder: Path, rules: Any, tests: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not on the PATH: the package prometheus brings it")
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    (folder / "tests.yaml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests})
    )
    return subprocess.run(
        [program, "test", "rules", "tests.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.timing
def test_the_alerts_fire_when_an_operator_needs_more_than_it_has(fleet: FleetFolder, tmp_path: Path) -> None:
    cluster(fleet, redhat())
    alerts = [
        firing("KmmOperatorMemoryHigh", 20, "warning", ""),
        firing("KmmOperatorMemoryHigh", 40, "warning", f"{POD} uses more than 90% of the memory that it may have."),
        firing("KmmOperatorCpuHigh", 40, "warning", f"{POD} uses more than 90% of the CPU that it may have: drivers load late."),
        firing("KmmOperatorOutOfMemory", 30, "critical", ""),
        firing("KmmOperatorOutOfMemory", 45, "critical", f"{POD} was ended for want of memory."),
        firing("KmmOperatorGone", 40, "critical", ""),
    ]  # fmt: skip
    recorded = [
        {
            "expr": "namespace_pod:kmm_operator_memory_working_set_bytes:sum",
            "eval_time": "5m",
            "exp_samples": [
                {
                    "labels": 'namespace_pod:kmm_operator_memory_working_set_bytes:sum{namespace="openshift-kmm", pod="kmm-operator-controller-7d4-x"}',
                    "value": 100,
                }
            ],
        },
        {
            "expr": "namespace_pod:kmm_operator_cpu_usage_seconds:rate5m",
            "eval_time": "20m",
            "exp_samples": [
                {
                    "labels": 'namespace_pod:kmm_operator_cpu_usage_seconds:rate5m{namespace="openshift-kmm", pod="kmm-operator-controller-7d4-x"}',
                    "value": 0.5,
                }
            ],
        },
    ]
    series = [{"series": name, "values": values} for name, values in SERIES]
    tests = [{"interval": "1m", "input_series": series, "alert_rule_test": alerts, "promql_expr_test": recorded}]

    result = promtool(tmp_path, rule(fleet)["spec"], tests)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.timing
def test_an_operator_without_pods_is_told(fleet: FleetFolder, tmp_path: Path) -> None:
    cluster(fleet, redhat())
    summary = "No pod of kernel-module-management runs in openshift-kmm: no driver is loaded or unloaded."
    alerts = [firing("KmmOperatorGone", 20, "critical", summary, {"namespace": "openshift-kmm"})]

    result = promtool(
        tmp_path, rule(fleet)["spec"], [{"interval": "1m", "input_series": [], "alert_rule_test": alerts}]
    )

    assert result.returncode == 0, result.stdout + result.stderr
