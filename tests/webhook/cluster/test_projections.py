"""What is kept of each kind, and found by what rules ask for."""

from __future__ import annotations

from typing import Any

from kmodgate.policy.cluster.facts import node_entries, node_of
from kmodgate.webhook.cluster.caches import EntryCache, ModuleCache, NodeCache
from tests.webhook.cluster.cached import config, loading


def test_neighbours_are_found_by_what_they_load_make_and_run_and_forgotten_when_they_change() -> None:
    cache = ModuleCache()

    def put(item: dict[str, Any]) -> None:
        cache.put((item["metadata"]["namespace"], item["metadata"]["name"]), item)

    def names(views: Any) -> list[str]:
        return [view.metadata.text("name") for view in views]

    put(loading("nic", "acme-nic", "acme_core"))
    put(loading("gpu", "gpu", dra=["gpu.example.com"]))
    put(loading("nic2", "acme_nic"))
    assert names(cache.loading("acme_nic")) == ["nic", "nic2"]
    assert names(cache.loading("acme_core")) == ["nic"]
    assert names(cache.making("gpu.example.com")) == names(cache.dra()) == ["gpu"]
    assert names(cache.loading("acme_nic")[1:]) == ["nic2"]

    put(loading("gpu", "gpu2", version="2"))
    cache.drop(("drivers", "nic"))
    cache.drop(("drivers", "nic"))
    assert names(cache.loading("acme_nic")) == ["nic2"]
    assert names(cache.loading("gpu")) == names(cache.dra()) == names(cache.making("gpu.example.com")) == []
    assert len(cache) == 2
    assert set(cache.keys()) == {("drivers", "gpu"), ("drivers", "nic2")}


def test_the_entries_of_a_namespace_change_with_the_configs_of_its_nodes() -> None:
    cache = EntryCache()
    cache.put(("", "n1"), config("n1", ("drivers", "nic"), loaded=(("drivers", "nic"), ("old", "gpu"))))
    cache.put(("", "n2"), config("n2", ("drivers", "nic")))
    assert [(entry.node, entry.is_loaded) for entry in cache.of("drivers")] == [
        ("n1", False),
        ("n1", True),
        ("n2", False),
    ]
    cache.put(("", "n1"), config("n1", loaded=(("drivers", "nic"),)))
    assert [(entry.node, entry.is_loaded) for entry in cache.of("drivers")] == [("n2", False), ("n1", True)]
    assert cache.of("old") == []
    cache.drop(("", "n1"))
    cache.drop(("", "n2"))
    assert (cache.of("drivers"), len(cache)) == ([], 0)


def test_nodes_are_kept_as_rules_look_at_them() -> None:
    cache = NodeCache()
    node = {
        "metadata": {"name": "n1", "labels": {"zone": "x", "kmodgate.io/secure-boot": "true"}},
        "spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]},
        "status": {"nodeInfo": {"kernelVersion": "5.14.0-1.el9.x86_64"}, "images": [{"names": ["x"]}]},
    }
    cache.put(("", "n1"), node)
    assert list(cache.all()) == [node_of(node)]
    cache.put(("", "n1"), {**node, "metadata": {"name": "n1", "labels": {}}})
    assert cache.all()[0].labels == {}
    cache.drop(("", "n1"))
    assert list(cache.all()) == []


def test_node_entries_are_those_of_the_policy() -> None:
    cache = EntryCache()
    item = config("n1", ("drivers", "nic"), loaded=(("drivers", "nic"),))
    cache.put(("", "n1"), item)
    assert cache.of("drivers") == list(node_entries(item))
