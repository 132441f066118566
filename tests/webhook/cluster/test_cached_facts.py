"""Facts about a cluster from the caches of the server."""

from __future__ import annotations

import asyncio
import json
import math

import pytest
from aiohttp import web

from kmodgate.policy.cluster.facts import UNKNOWN, NodeEntry
from kmodgate.webhook.cluster.live_cluster import LiveCluster
from kmodgate.webhook.cluster.live_facts import (
    CONFIGS,
    DAEMON_SETS,
    HUB_MODULES,
    MODULES,
    NAMESPACES,
    NODES,
    RUNTIME_CLASSES,
)
from tests.e2e.objects import daemon_set
from tests.webhook.api_stub import ApiStub, bookmark, event, events, failure, module, page, until
from tests.webhook.cluster.cached import config
from tests.webhook.cluster.running_cluster import with_cluster

pytestmark = pytest.mark.timing


def test_facts_answer_from_what_was_listed(stub: ApiStub) -> None:
    stub.lists(page({"metadata": {"name": "drivers", "labels": {"a": "b"}}}), path=NAMESPACES.path)
    stub.lists(page(config("n1", ("drivers", "nic"), ("others", "gpu"))), path=CONFIGS.path)
    stub.lists(page({"metadata": {"name": "kata"}, "handler": "kata-qemu"}), path=RUNTIME_CLASSES.path)
    stub.lists(page({"metadata": {"name": "n1", "labels": {"zone": "x"}}}), path=NODES.path)
    stub.lists(page(module("nic", imageRepoSecret={"name": "pull"})))

    async def scenario(cluster: LiveCluster) -> None:
        facts = cluster.facts
        namespace = facts.find("Namespace", "", "drivers")
        assert isinstance(namespace, dict)
        assert namespace["metadata"]["labels"] == {"a": "b"}
        assert facts.find("Namespace", "", "another") is None
        found = facts.find("RuntimeClass", "", "kata")
        assert isinstance(found, dict)
        assert found["handler"] == "kata-qemu"
        assert facts.entries_of("drivers") == [NodeEntry("n1", "drivers", "nic", "sa", "", is_loaded=False)]
        (known,) = facts.modules_in("drivers")  # type: ignore[misc]
        assert known["spec"]["imageRepoSecret"] == {"name": "pull"}
        assert facts.modules_in("others") == []
        (node,) = facts.nodes() or ()
        assert node.labels == {"zone": "x"}

    with_cluster(stub, scenario)


def test_nobody_knows_a_secret_before_it_is_asked_for(stub: ApiStub) -> None:
    async def scenario(cluster: LiveCluster) -> None:
        assert cluster.facts.find("Secret", "drivers", "cert") is UNKNOWN
        assert cluster.age("Secret") == math.inf
        assert not any("secrets" in request.path for request in stub.asked)

    with_cluster(stub, scenario)


def test_facts_that_are_too_old_are_unknown_and_those_of_other_kinds_are_not(stub: ApiStub) -> None:
    stub.lists(page(module("nic", moduleLoader={"container": {"modprobe": {"moduleName": "nic"}}})))

    async def bookmarks(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(json.dumps(bookmark("11")).encode() + b"\n")
            await asyncio.sleep(0.02)

    stub.watches(bookmarks, path=NAMESPACES.path)

    async def scenario(cluster: LiveCluster) -> None:
        facts = cluster.facts
        await until(lambda: facts.modules_in("drivers") is UNKNOWN)
        assert facts.find("Module", "drivers", "nic") is UNKNOWN
        await until(lambda: facts.find("Namespace", "", "drivers") is None)
        assert [view.metadata.text("name") for view in facts.neighbours().loading("nic")] == ["nic"]
        assert cluster.is_ready

    with_cluster(stub, scenario, too_old=0.5)


def test_nothing_is_known_before_the_first_list(stub: ApiStub) -> None:
    async def run() -> None:
        async with stub.serving() as server:
            cluster = LiveCluster(server)
            assert cluster.facts.modules_in("drivers") is UNKNOWN
            assert cluster.facts.entries_of("drivers") is UNKNOWN
            assert cluster.facts.find("Namespace", "", "drivers") is UNKNOWN
            assert cluster.facts.nodes() is None
            assert not cluster.is_ready
            assert {state.age for state in cluster.states()} == {math.inf}

    asyncio.run(run())


def test_a_cluster_without_kmm_has_no_modules(stub: ApiStub) -> None:
    for resource in (MODULES, CONFIGS):
        stub.lists(failure(404, "not found"), path=resource.path)

    async def scenario(cluster: LiveCluster) -> None:
        assert cluster.facts.modules_in("drivers") == []
        assert cluster.facts.entries_of("drivers") == []
        assert {state.kind: state.installed for state in cluster.states()}["Module"] is False

    with_cluster(stub, scenario)


def test_only_daemon_sets_that_load_drivers_are_kept(stub: ApiStub) -> None:
    going = daemon_set("going", "drivers")
    going["metadata"]["deletionTimestamp"] = "2026-01-31T11:00:00Z"
    others = daemon_set("others", "drivers", app="web")
    items = (daemon_set("nic", "drivers"), daemon_set("gpu", "elsewhere"), going, others)
    stub.lists(page(*items), path=DAEMON_SETS.path)

    async def scenario(cluster: LiveCluster) -> None:
        (known,) = cluster.facts.daemon_sets_in("drivers")  # type: ignore[misc]
        assert known["metadata"]["name"] == "nic"
        assert known["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "pull"}]
        assert "image" not in known["spec"]["template"]["spec"]["containers"][0]
        asked = [request.query for request in stub.asked if request.path == DAEMON_SETS.path]
        assert {query["labelSelector"] for query in asked} == {"app.kubernetes.io/managed-by=kmodgate"}

    with_cluster(stub, scenario)


def test_a_webhook_without_the_right_to_list_daemon_sets_does_not_know_them(stub: ApiStub) -> None:
    stub.lists(failure(403, "forbidden"), path=DAEMON_SETS.path)

    async def scenario(cluster: LiveCluster) -> None:
        assert cluster.facts.daemon_sets_in("drivers") is UNKNOWN
        assert cluster.facts.modules_in("drivers") == []

    with_cluster(stub, scenario)


def test_a_kind_that_is_withheld_makes_only_its_own_facts_unknown(stub: ApiStub) -> None:
    stub.lists(failure(403, "forbidden"), path=NODES.path)

    async def scenario(cluster: LiveCluster) -> None:
        assert cluster.facts.nodes() is None
        assert cluster.facts.modules_in("drivers") == []
        refused = [state for state in cluster.states() if state.refused]
        assert [state.kind for state in refused] == ["Node"]
        assert refused[0].error.startswith("Node: ")

    with_cluster(stub, scenario)


def test_an_event_is_seen_by_the_next_question(stub: ApiStub) -> None:
    stub.watches(events(event("ADDED", module("late", "11")), stalls=True))

    async def scenario(cluster: LiveCluster) -> None:
        await until(lambda: bool(cluster.facts.modules_in("drivers")))

    with_cluster(stub, scenario)


def test_the_managed_cluster_modules_of_a_hub_are_listed_by_what_they_select_and_name(stub: ApiStub) -> None:
    container = {"sign": {"keySecret": {"name": "key"}}}
    spec = {"selector": {}, "moduleLoader": {"container": {**container, "modprobe": {"moduleName": "nic"}}}}
    nic = {"metadata": {"name": "nic"}, "spec": {"selector": {"tier": "edge"}, "moduleSpec": spec}}
    stub.lists(page(nic), path=HUB_MODULES.path)

    async def scenario(cluster: LiveCluster) -> None:
        listing = cluster.facts.listing("ManagedClusterModule")
        assert listing.is_complete
        kept = {"selector": {"tier": "edge"}, "moduleSpec": {"moduleLoader": {"container": container}}}
        assert [(item["kind"], item["spec"]) for item in listing.objects] == [("ManagedClusterModule", kept)]

    with_cluster(stub, scenario)


def test_a_cluster_that_is_no_hub_has_no_managed_cluster_modules(stub: ApiStub) -> None:
    stub.lists(failure(404, "not found"), path=HUB_MODULES.path)

    async def scenario(cluster: LiveCluster) -> None:
        listing = cluster.facts.listing("ManagedClusterModule")
        assert (list(listing.objects), listing.is_complete) == ([], True)

    with_cluster(stub, scenario)
