"""Recording rules and alerts for the memory and CPU of the operator's pods, as the Prometheus Operator takes them.

Sources: the metrics of the kubelet (cAdvisor) and of kube-state-metrics; config/manager-base of Kernel Module
Management for the containers and their limits; Prometheus, docs/practices/rules (names of recorded series).
"""

from __future__ import annotations

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.compile.operator_install.operator import Operator
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.manifests import argo
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY

_MEMORY = "namespace_pod:kmm_operator_memory_working_set_bytes:sum"
_CPU = "namespace_pod:kmm_operator_cpu_usage_seconds:rate5m"
_BY_CONTAINER = "namespace, pod, container"


def prometheus_rule(operator: Operator) -> JsonMap:
    """The PrometheusRule of one operator: two series to draw, and what is worth a look."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": operator.package,
            "namespace": operator.namespace,
            "labels": dict(MANAGED_BY),
            "annotations": argo.sync_annotations("PrometheusRule"),
        },
        "spec": {"groups": [{"name": operator.package, "rules": [*_recorded(operator), *_alerts(operator)]}]},
    }


def _recorded(operator: Operator) -> list[Json]:
    pods = _pods(operator)
    memory = f"container_memory_working_set_bytes{{{pods}}}"
    cpu = f"rate(container_cpu_usage_seconds_total{{{pods}}}[5m])"
    return [
        {"record": _MEMORY, "expr": f"sum by (namespace, pod) ({memory})"},
        {"record": _CPU, "expr": f"sum by (namespace, pod) ({cpu})"},
        {"record": _ratio("memory"), "expr": _of_limit(memory, "memory", operator)},
        {"record": _ratio("cpu"), "expr": _of_limit(cpu, "cpu", operator)},
    ]


def _alerts(operator: Operator) -> list[Json]:
    pod = "{{ $labels.namespace }}/{{ $labels.pod }}"
    names = f'namespace="{operator.namespace}", pod=~"{_pattern(operator)}"'
    killed = f'kube_pod_container_status_last_terminated_reason{{{names}, reason="OOMKilled"}}'
    restarts = f"increase(kube_pod_container_status_restarts_total{{{names}}}[15m])"
    return [
        _alert("KmmOperatorMemoryHigh", f"{_ratio('memory')}{{{names}}} > 0.9", "15m", "warning",
               f"{pod} of KMM's operator uses more than 90% of the memory that it may have."),
        _alert("KmmOperatorCpuHigh", f"{_ratio('cpu')}{{{names}}} > 0.9", "15m", "warning",
               f"{pod} of KMM's operator uses more than 90% of the CPU that it may have: drivers load late."),
        _alert("KmmOperatorOutOfMemory", f"({restarts} > 0) and on ({_BY_CONTAINER}) ({killed} == 1)", "0m", "critical",
               f"{pod} of KMM's operator was ended for want of memory."),
        _alert("KmmOperatorGone", f"absent({_MEMORY}{{{names}}})", "15m", "critical",
               f"No pod of {operator.package} runs in {operator.namespace}: no driver is loaded or unloaded."),
    ]  # fmt: skip


def _alert(name: str, expression: str, after: str, severity: str, summary: str) -> Json:
    return {
        "alert": name,
        "expr": expression,
        "for": after,
        "labels": {"severity": severity},
        "annotations": {"summary": summary},
    }


def _ratio(resource: str) -> str:
    return f"namespace_pod_container:kmm_operator_{resource}_of_limit:ratio"


def _of_limit(used: str, resource: str, operator: Operator) -> str:
    limit = f'kube_pod_container_resource_limits{{{_pods(operator)}, resource="{resource}"}}'
    return f"max by ({_BY_CONTAINER}) ({used}) / on ({_BY_CONTAINER}) max by ({_BY_CONTAINER}) ({limit})"


def _pods(operator: Operator) -> str:
    """The matchers of the operator's own containers; the kubelet counts a whole pod, and its sandbox, beside them."""
    return f'namespace="{operator.namespace}", pod=~"{_pattern(operator)}", container!="", container!="POD"'


def _pattern(operator: Operator) -> str:
    return f"({'|'.join(operator.deployments)})-.+"
