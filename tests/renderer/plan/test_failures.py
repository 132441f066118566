"""KMM fails at a Module on the kernel of one node: from 2.4 on it does nothing for the others either."""

from __future__ import annotations

import json

import pytest

from tests.fleets import FleetFolder

CLUSTER = """\
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata: {{name: paris, labels: {{tier: edge}}}}
spec:
  platform: kubernetes
  kmm: {{version: "{kmm}"}}
  nodeGroups:
  - {{name: el9, labels: {{node-role.kubernetes.io/worker: ""}}, kernels: [{el9}]}}
  - {{name: el10, labels: {{node-role.kubernetes.io/worker: ""}}, kernels: [6.12.0-55.el10.x86_64]}}
"""
MAPPINGS = """\
- {name: el10, regexp: '^6\\..+$', containerImage: 'quay.io/acme/el10:1-${KERNEL_FULL_VERSION'}"""


@pytest.mark.parametrize(("kmm", "loads"), [("2.6", False), ("2.4", False), ("2.3", True)])
def test_a_kernel_that_kmm_fails_at_stops_the_module_on_all_nodes(fleet: FleetFolder, kmm: str, loads: bool) -> None:
    fleet.write("clusters/paris.yaml", CLUSTER.format(kmm=kmm, el9="5.14.0-427.el9.x86_64"))
    fleet.driver("nic", MAPPINGS)
    cells = json.loads(fleet.run("plan", "--format", "json").stdout)["cells"]
    by_kernel = {row["kernel"]: row for row in cells}
    assert by_kernel["6.12.0-55.el10.x86_64"]["loads"] is False
    other = by_kernel["5.14.0-427.el9.x86_64"]
    assert other["loads"] is loads
    assert ("KMM fails at the Module for all its nodes: kernel 6.12" in other["reason"]) is not loads


@pytest.mark.parametrize(("kmm", "loads"), [("2.6", False), ("2.3", True)])
def test_explain_tells_of_the_failure_at_nodes_with_another_kernel(fleet: FleetFolder, kmm: str, loads: bool) -> None:
    fleet.write("clusters/paris.yaml", CLUSTER.format(kmm=kmm, el9="5.14.0-427.el9.x86_64"))
    fleet.driver("nic", MAPPINGS)
    (row,) = json.loads(fleet.run("explain", "el9", "--cluster", "paris", "--format", "json").stdout)
    assert row["loads"] is loads
    assert ("KMM fails at the Module for all its nodes: kernel 6.12" in row["reason"]) is not loads
