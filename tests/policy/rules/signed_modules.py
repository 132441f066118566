"""Modules with a `sign` block, policies that ask for one, and nodes that are marked for it."""

from __future__ import annotations

from typing import Any

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import Gate, Policy, read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Finding
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.review import Review
from tests.webhook.reviews import module

POLICY = read_policy({"parameters": {"requireSigning": {"namespaces": ["drivers"]}}})
BY_NODES = read_policy({"parameters": {"requireSigning": {"nodeSelectors": [{"secure": "yes"}]}, "maxNodeShare": 40}})
NO_NODES = SnapshotFacts([])


def node(name: str, **labels: str) -> dict[str, Any]:
    return {"kind": "Node", "metadata": {"name": name, "labels": {"node-role.kubernetes.io/worker": "", **labels}}}


def signing(*files: str, **container: Any) -> dict[str, Any]:
    block = {"keySecret": {"name": "k"}, "certSecret": {"name": "c"}, "filesToSign": list(files)}
    return module(sign=block | {"unsignedImage": "quay.io/acme/unsigned:1"}, **container)


def found(
    object: dict[str, Any], id: str, policy: Policy = POLICY, gate: Gate = "admit", **known: Any
) -> list[Finding]:
    findings = Engine(policy, gate).evaluate(Review(defaulted(object), **known))
    return [finding for finding in findings if finding.rule == id]


KERNEL = "/opt/lib/modules/${KERNEL_FULL_VERSION}"

MARKED = SnapshotFacts([node("w0"), node("w1", secure="yes")], {"Node"})
