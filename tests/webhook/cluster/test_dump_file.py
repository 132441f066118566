"""A dump of a cluster instead of a cluster."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest

from kmodgate.policy.cluster.facts import UNKNOWN, Facts
from kmodgate.renderer.check.cluster_state.cluster_dump import read_dump
from kmodgate.webhook.cluster.dump_file import BadSnapshot, read_snapshot
from kmodgate.webhook.cluster.live_cluster import SnapshotCluster
from kmodgate.webhook.cluster.questions import NotAnswered, UserInfo
from tests.webhook.cluster.cached import config, loading

NODES_AND_MODULES = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {"zone": "x"}}},
        loading("nic", "acme-nic"),
        {**config("n1", ("drivers", "nic")), "apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": "NodeModulesConfig"},
    ],
}
SINGLE = "apiVersion: v1\nkind: Secret\nmetadata: {name: cert, namespace: drivers}\ndata: {key: aHVzaA==}\n"


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    folder = tmp_path / "dump"
    (folder / ".hidden").mkdir(parents=True)
    (folder / ".hidden" / "x.yaml").write_text("not: an object")
    (folder / "notes.txt").write_text("not an object")
    (folder / "all.json").write_text(json.dumps(NODES_AND_MODULES))
    (folder / "secret.yaml").write_text(SINGLE)
    return folder


def asked_of(facts: Facts) -> list[Any]:
    return [
        facts.find("Secret", "drivers", "cert"),
        facts.find("Secret", "drivers", "other"),
        facts.find("Node", "", "other"),
        facts.nodes(),
        facts.modules_in("drivers"),
        facts.entries_of("drivers"),
        [view.metadata.text("name") for view in facts.neighbours().loading("acme_nic")],
    ]


def test_a_dump_tells_the_server_what_it_tells_the_check(dump: Path) -> None:
    server, check = read_snapshot(str(dump)), read_dump(str(dump))
    assert (server.objects, server.complete) == (check.objects, check.complete)
    assert asked_of(server.facts) == asked_of(check.facts)


def test_a_cluster_from_a_dump_is_ready_and_never_changes(dump: Path) -> None:
    cluster = SnapshotCluster(read_snapshot(str(dump)))

    async def run() -> None:
        assert cluster.is_ready
        assert asked_of(await cluster.fresh("drivers")) == asked_of(cluster.facts)
        secret = await cluster.secret("drivers", "cert")
        assert isinstance(secret, dict)
        assert secret["data"] == {"key": ""}
        assert await cluster.secret("drivers", "other") is UNKNOWN
        with pytest.raises(NotAnswered):
            await cluster.may_override(UserInfo("ann"), "drivers")

    asyncio.run(run())
    assert {state.kind: state.count for state in cluster.states()} == {"Module": 1, "Node": 1, "NodeModulesConfig": 1}
    assert (cluster.age("Module"), cluster.age("ConfigMap")) == (0.0, math.inf)


MIXED = {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}]}


@pytest.mark.parametrize("text", [json.dumps(MIXED), json.dumps(MIXED | {"items": []})], ids=["nodes", "nothing"])
def test_a_list_without_modules_tells_that_there_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "dump.json").write_text(text)
    facts = read_snapshot(str(tmp_path)).facts
    assert (facts.modules_in("drivers"), facts.entries_of("drivers")) == ([], [])


def test_single_objects_tell_nothing_of_modules(tmp_path: Path) -> None:
    (tmp_path / "dump.yaml").write_text(SINGLE)
    assert read_snapshot(str(tmp_path)).facts.modules_in("drivers") is UNKNOWN


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n"])
def test_a_dump_without_an_object_is_none(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadSnapshot, match="no object"):
        read_snapshot(str(tmp_path))
    (tmp_path / "dump.yaml").write_text(text)
    for place in (tmp_path, tmp_path / "dump.yaml"):
        with pytest.raises(BadSnapshot, match="no object"):
            read_snapshot(str(place))


@pytest.mark.parametrize("items", ["x", "{a: 1}", "7"])
def test_a_list_whose_items_are_none_is_no_dump(tmp_path: Path, items: str) -> None:
    path = tmp_path / "dump.yaml"
    path.write_text(f"apiVersion: v1\nkind: List\nitems: {items}\n")
    with pytest.raises(BadSnapshot, match=r"dump\.yaml:1: items"):
        read_snapshot(str(path))


@pytest.mark.parametrize("text", ["a: [", "just: values\n", "\xff"])
def test_a_file_that_is_no_dump_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dump.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadSnapshot, match=r"dump\.yaml:\d: "):
        read_snapshot(str(path))


def test_a_dump_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSnapshot, match="nowhere: cannot be read: No such file"):
        read_snapshot(str(tmp_path / "nowhere"))
