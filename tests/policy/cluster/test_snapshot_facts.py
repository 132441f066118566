"""Facts from objects at hand: what is asked again and again is read once."""

from __future__ import annotations

import pytest

from kmodgate.policy.cluster import facts
from kmodgate.policy.cluster.facts import SnapshotFacts
from tests.e2e.objects import node_modules_config

SPACES = [{"metadata": {"name": "nic", "namespace": f"space-{number}"}} for number in range(3)]
CONFIGS = [node_modules_config(f"node-{number}", *SPACES[: number + 1]) for number in range(3)]


def test_entries_are_told_by_namespace_and_all_of_them_in_their_order() -> None:
    known = SnapshotFacts(CONFIGS, {"NodeModulesConfig"})
    told = {space: [entry.node for entry in known.entries_of(space)] for space in ("space-0", "space-2", "none", "")}  # type: ignore[union-attr]
    everywhere = ["node-0", "node-1", "node-1", "node-2", "node-2", "node-2"]
    assert told == {"space-0": ["node-0", "node-1", "node-2"], "space-2": ["node-2"], "none": [], "": everywhere}


def test_the_records_of_nodes_are_read_once_however_many_namespaces_are_asked_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[object] = []
    entries = facts.node_entries
    monkeypatch.setattr(facts, "node_entries", lambda item: (read.append(item), entries(item))[1])
    known = SnapshotFacts(CONFIGS, {"NodeModulesConfig"})
    for number in range(100):
        known.entries_of(f"space-{number}")
    assert read == CONFIGS


def test_modules_are_told_by_namespace() -> None:
    modules = [
        {"apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": "Module", "metadata": {"name": "nic", "namespace": space}}
        for space in ("a", "b", "a")
    ]
    known = SnapshotFacts(modules, {"Module"})
    assert (known.modules_in("a"), known.modules_in("c")) == ([modules[0], modules[2]], [])
