"""Pods that debug a node, which those may make who may override."""

from __future__ import annotations

from typing import Any

from kmodgate.policy.findings import Mode
from tests.policy.node_access.owned_workloads import owned, rights
from tests.policy.node_access.pods import Json, modes, pod, privileged, template


def debugger(name: str = "node-debugger-worker-1-x7k2p", **spec: Any) -> Json:
    shell = privileged(volumeMounts=[{"name": "host-root", "mountPath": "/host"}])
    volumes = [{"name": "host-root", "hostPath": {"path": "/"}}]
    given = {"nodeName": "worker-1", "hostPID": True, "hostNetwork": True, "containers": [shell], "volumes": volumes}
    return pod(name=name, **{**given, **spec})


def test_debugging_a_node_is_recorded_only_for_who_may_override() -> None:
    for name in ("node-debugger-worker-1-x7k2p", "worker-1-debug", "worker-1-debug-ab12c"):
        assert modes(debugger(name), may_override=True) == {Mode.AUDIT}
        assert modes(debugger(name), may_override=False) == modes(debugger(name)) == {Mode.ENFORCE}


def test_the_right_to_override_opens_no_other_pod() -> None:
    for item in (
        rights(), debugger("tool"), debugger(nodeName=""), debugger(volumes=[]),
        owned(debugger(), "apps/DaemonSet"), template("apps/Deployment", debugger()),
    ):  # fmt: skip
        assert modes(item, may_override=True) == {Mode.ENFORCE}
