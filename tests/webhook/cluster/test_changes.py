"""A cache counts what changes its answers, and nothing else: by that count answers are given again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kmodgate.policy.cluster.pruning import pruned_namespace
from kmodgate.webhook.cluster.caches import EntryCache, ModuleCache, NodeCache, ObjectCache
from kmodgate.webhook.cluster.watch import Cache
from tests.draws import drawn
from tests.webhook.cluster.cached import config, loading
from tests.webhook.manifests import node

NAMES = ("a", "b", "")
PAIRS = st.sampled_from([("drivers", "nic"), ("drivers", "gpu"), ("apps", "nic")])


def _node(number: int, heartbeat: str) -> dict[str, Any]:
    item = node(number % 2)
    item["metadata"]["labels"] |= {"tier": str(number)}
    item["status"]["conditions"] = [{"type": "Ready", "lastHeartbeatTime": heartbeat}]
    return item


KINDS: dict[str, tuple[Callable[[], Cache], st.SearchStrategy[dict[str, Any]], Callable[[Any], object]]] = {
    "objects": (
        lambda: ObjectCache(pruned_namespace),
        st.builds(
            lambda label, version: {"metadata": {"name": "x", "labels": {"a": label}, "resourceVersion": version}},
            st.sampled_from(NAMES),
            st.sampled_from(NAMES),
        ),
        lambda cache: [cache.get(("drivers", name)) for name in NAMES],
    ),
    "modules": (
        ModuleCache,
        st.builds(loading, st.sampled_from(NAMES), st.sampled_from(["ice", "irdma"]), version=st.sampled_from("12")),
        lambda cache: [
            [cache.get(("drivers", name)) for name in NAMES],
            *([view.metadata.value for view in cache.loading(name)] for name in ("ice", "irdma")),
        ],
    ),
    "entries": (
        EntryCache,
        st.builds(lambda pairs, done: config("n", *pairs, loaded=tuple(done)), st.lists(PAIRS), st.lists(PAIRS)),
        lambda cache: [sorted(map(repr, cache.of(name))) for name in ("drivers", "apps")],
    ),
    "nodes": (
        NodeCache,
        st.builds(_node, st.integers(0, 3), st.sampled_from(NAMES)),
        lambda cache: [repr(item) for item in cache.all()],
    ),
}


@given(st.data(), st.sampled_from(sorted(KINDS)))
@settings(max_examples=drawn(100))
def test_answers_are_the_same_where_the_count_is(data: st.DataObject, kind: str) -> None:
    make, items, answers = KINDS[kind]
    cache = make()
    for _ in range(8):
        before, count = answers(cache), cache.changes
        key = ("drivers", data.draw(st.sampled_from(NAMES)))
        item = data.draw(st.none() | items)
        if item is None:
            cache.drop(key)
        else:
            cache.put(key, item)
        assert cache.changes > count or answers(cache) == before


@given(st.data(), st.sampled_from(sorted(KINDS)))
@settings(max_examples=drawn(60))
def test_the_same_object_again_changes_nothing(data: st.DataObject, kind: str) -> None:
    make, items, _ = KINDS[kind]
    cache, item = make(), data.draw(items)
    cache.put(("drivers", "a"), item)
    count = cache.changes
    cache.put(("drivers", "a"), item)
    cache.drop(("drivers", "nobody"))
    assert cache.changes == count
