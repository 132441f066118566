"""No alarm for what clusters run every day, in a pod and in every kind of template."""

from __future__ import annotations

import pytest

from kmodgate.policy.views.pod import WORKLOAD_KINDS
from tests.policy.node_access.common_pods import PODS
from tests.policy.node_access.pods import container, found, pod, template


@pytest.mark.parametrize("name", sorted(PODS))
def test_an_ordinary_pod_is_no_finding(name: str) -> None:
    assert [(item.rule, item.message) for item in found(PODS[name])] == []


@pytest.mark.parametrize("kind", WORKLOAD_KINDS)
def test_nor_is_the_template_of_one(kind: str) -> None:
    for name, item in PODS.items():
        assert [(name, finding.rule) for finding in found(template(kind, item))] == []


def test_a_machine_with_a_disk_is_no_finding_where_kubevirt_makes_it() -> None:
    disk = container("compute", volumeDevices=[{"name": "d", "devicePath": "/dev/rootdisk"}])
    assert found(pod(containers=[disk]), user="system:serviceaccount:kubevirt:kubevirt-controller") == []
