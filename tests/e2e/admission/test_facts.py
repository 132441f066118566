"""What the webhook knows of a cluster, from a real API server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from kmodgate.policy.cluster.facts import UNKNOWN
from kmodgate.webhook.cluster.api_server import ApiServer, from_kubeconfig
from kmodgate.webhook.cluster.live_cluster import LiveCluster
from kmodgate.webhook.cluster.questions import NotAnswered, UserInfo
from kmodgate.webhook.cluster.watch import Timings
from tests.e2e.api_server import definitions
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.relay import Relay
from tests.e2e.conftest import NewControlPlane
from tests.e2e.objects import module, node_modules_config, runtime_class

pytestmark = pytest.mark.timing

IMPATIENT = Timings(silence=5.0, resume=2.0, probe=0.5, first_pause=0.1, longest_pause=0.5)

Scenario = Callable[[LiveCluster], Awaitable[None]]


def watching(kubeconfig: Any, scenario: Scenario, *, too_old: float = 120.0, timings: Timings = IMPATIENT) -> None:
    """Runs a scenario beside the watches of a client with that kubeconfig."""

    async def run() -> None:
        server = ApiServer(from_kubeconfig(str(kubeconfig)))
        cluster = LiveCluster(server, too_old=too_old, timings=timings)
        running = asyncio.create_task(cluster.run())
        try:
            await until(lambda: cluster.is_ready, "the first lists are read")
            await scenario(cluster)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await server.close()

    asyncio.run(run())


async def until(is_so: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(60):
            while not is_so():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not after a minute: {what}") from None


def names(cluster: LiveCluster, namespace: str) -> set[str] | None:
    """The Modules of a namespace; None where they are not known."""
    found = cluster.facts.modules_in(namespace)
    return None if found is UNKNOWN else {item["metadata"]["name"] for item in found}  # type: ignore[union-attr]


def node(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def test_the_facts_follow_the_cluster(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.apply(
        module("nic", namespace),
        node("facts-1", zone="x"),
        node_modules_config("facts-1", module("nic", namespace)),
        runtime_class("facts-kata", memory="160Mi", node_selector={}),
    )

    async def scenario(cluster: LiveCluster) -> None:
        facts = cluster.facts
        assert names(cluster, namespace) == {"nic"}
        assert [view.metadata.text("name") for view in facts.neighbours().loading("nic")][:1] == ["nic"]
        assert [entry.node for entry in facts.entries_of(namespace)] == ["facts-1"]  # type: ignore[union-attr]
        assert "x" in {item.labels.get("zone") for item in facts.nodes() or ()}
        found = facts.find("RuntimeClass", "", "facts-kata")
        assert isinstance(found, dict)
        assert found["overhead"] == {"podFixed": {"memory": "160Mi"}}
        own = facts.find("Namespace", "", namespace)
        assert isinstance(own, dict)
        assert own["metadata"]["labels"]["kubernetes.io/metadata.name"] == namespace

        await asyncio.to_thread(control_plane.apply, module("gpu", namespace))
        await until(lambda: names(cluster, namespace) == {"nic", "gpu"}, "the new Module is known")
        await asyncio.to_thread(
            control_plane.kubectl, "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=privileged"
        )

        def enforced() -> bool:
            found = facts.find("Namespace", "", namespace)
            return isinstance(found, dict) and "pod-security.kubernetes.io/enforce" in found["metadata"]["labels"]

        await until(enforced, "the new label is known")
        await asyncio.to_thread(control_plane.kubectl, "delete", "module", "nic", f"--namespace={namespace}")
        await until(lambda: names(cluster, namespace) == {"gpu"}, "the deleted Module is forgotten")
        assert {state.error for state in cluster.states()} == {""}

    watching(control_plane.kubeconfig(), scenario)


def test_a_kind_in_which_nothing_happens_stays_young_by_its_bookmarks(control_plane: ControlPlane) -> None:
    async def scenario(cluster: LiveCluster) -> None:
        before = cluster.age("RuntimeClass")

        def is_younger() -> bool:
            nonlocal before
            last, before = before, cluster.age("RuntimeClass")
            return before < last

        for _ in range(2):  # in this watch, and in the next
            await asyncio.to_thread(control_plane.apply, node("facts-moves-the-version-on"))
            await until(is_younger, "a bookmark has come")
        assert {state.restarts for state in cluster.states()} == {0}

    watching(control_plane.kubeconfig(), scenario, timings=Timings(watch=10.0, nudge=0.5, resume=3600.0))


def test_a_restart_of_the_api_server_is_survived(new_control_plane: NewControlPlane) -> None:
    with new_control_plane(with_controllers=False) as plane:
        plane.install(*definitions.definitions())
        plane.apply(module("nic", "default"))

        async def scenario(cluster: LiveCluster) -> None:
            await asyncio.to_thread(plane.api_server.stop)
            await until(lambda: all(state.error for state in cluster.states()), "every watch is broken")
            assert names(cluster, "default") == {"nic"}
            with pytest.raises(NotAnswered):
                await cluster.fresh("default", seconds=2)
            await asyncio.to_thread(plane.start_api_server)
            await asyncio.to_thread(plane.apply, module("gpu", "default"))
            await until(lambda: names(cluster, "default") == {"nic", "gpu"}, "what came after the restart is known")
            await until(lambda: not any(state.error for state in cluster.states()), "every watch is whole again")

        watching(plane.kubeconfig(), scenario)


def test_a_kind_that_is_installed_later_is_found(new_control_plane: NewControlPlane) -> None:
    with new_control_plane(with_controllers=False) as plane:

        async def scenario(cluster: LiveCluster) -> None:
            assert names(cluster, "default") == set()
            assert (await cluster.fresh("default")).modules_in("default") == []
            assert cluster.facts.entries_of("default") == []
            await asyncio.to_thread(plane.install, *definitions.definitions())
            await asyncio.to_thread(plane.apply, module("nic", "default"))
            await until(lambda: names(cluster, "default") == {"nic"}, "the first Module is known")
            await asyncio.to_thread(plane.kubectl, "delete", "crd", "modules.kmm.sigs.x-k8s.io")
            await until(lambda: names(cluster, "default") == set(), "what was uninstalled is forgotten")

        watching(plane.kubeconfig(), scenario)


def test_facts_behind_a_stalled_watch_are_unknown_until_it_flows(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.apply(module("nic", namespace))

    with Relay(control_plane.port) as relay:

        async def scenario(cluster: LiveCluster) -> None:
            assert names(cluster, namespace) == {"nic"}
            relay.stall()
            await until(lambda: names(cluster, namespace) is None, "the facts have become too old")
            assert cluster.is_ready
            with pytest.raises(NotAnswered):
                await cluster.fresh(namespace, seconds=0.5)
            relay.flow()
            await until(lambda: names(cluster, namespace) == {"nic"}, "the facts are known again")

        patient = Timings(silence=3.0, resume=1.0, first_pause=0.1, longest_pause=0.5, request=5.0)
        watching(control_plane.kubeconfig(url=relay.url), scenario, too_old=4.0, timings=patient)


def test_a_live_read_sees_what_no_watch_has_told(control_plane: ControlPlane, namespace: str) -> None:
    async def scenario(cluster: LiveCluster) -> None:
        assert names(cluster, namespace) == set()
        late = module("late", namespace)
        await asyncio.to_thread(control_plane.apply, late, node_modules_config("facts-2", late))
        facts = await cluster.fresh(namespace, [("Namespace", "", namespace), ("ConfigMap", namespace, "none")])
        assert [item["metadata"]["name"] for item in facts.modules_in(namespace)] == ["late"]  # type: ignore[union-attr]
        assert [entry.node for entry in facts.entries_of(namespace)] == ["facts-2"]  # type: ignore[union-attr]
        assert facts.find("ConfigMap", namespace, "none") is None
        assert isinstance(facts.find("Namespace", "", namespace), dict)
        assert names(cluster, namespace) == set()

    async def without_watches() -> None:
        server = ApiServer(from_kubeconfig(str(control_plane.kubeconfig())))
        cluster = LiveCluster(server)
        running = asyncio.create_task(cluster.run())
        await until(lambda: cluster.is_ready, "the first lists are read")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        try:
            await scenario(cluster)
        finally:
            await server.close()

    asyncio.run(without_watches())


def grant(name: str, user: str, *rules: dict[str, Any]) -> list[dict[str, Any]]:
    group = "rbac.authorization.k8s.io"
    version = f"{group}/v1"
    return [
        {"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": name}, "rules": list(rules)},
        {
            "apiVersion": version,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        },
    ]


def may_read(*groups_and_resources: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"apiGroups": [group], "resources": [resource], "verbs": ["list", "watch"]}
        for group, resource in groups_and_resources
    ]


def test_what_rbac_withholds_is_unknown_and_comes_with_the_right(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.apply(module("nic", namespace))
    kmm = "kmm.sigs.x-k8s.io"
    control_plane.apply(*grant("facts-some", "alice", *may_read((kmm, "modules"), ("", "namespaces"))))

    async def scenario(cluster: LiveCluster) -> None:
        assert names(cluster, namespace) == {"nic"}
        assert cluster.facts.nodes() is None
        assert cluster.facts.entries_of(namespace) is UNKNOWN
        refused = {state.kind: state.error for state in cluster.states() if state.refused}
        assert set(refused) == {"DaemonSet", "ManagedClusterModule", "Node", "NodeModulesConfig", "RuntimeClass"}
        assert refused["Node"].startswith("Node: ")
        assert 'cannot list resource "nodes"' in refused["Node"]
        with pytest.raises(NotAnswered, match=r"nodemodulesconfigs|daemonsets"):
            await cluster.fresh(namespace)
        assert await cluster.secret(namespace, "cert") is UNKNOWN
        with pytest.raises(NotAnswered):
            await cluster.may_override(UserInfo("bob"), namespace)
        others = ("node.k8s.io", "runtimeclasses"), ("", "nodes"), ("apps", "daemonsets")
        rest = may_read((kmm, "nodemodulesconfigs"), (f"hub.{kmm}", "managedclustermodules"), *others)
        await asyncio.to_thread(control_plane.apply, *grant("facts-rest", "alice", *rest))
        await until(lambda: all(state.synced for state in cluster.states()), "every kind is known")
        assert cluster.facts.entries_of(namespace) == []

    watching(control_plane.kubeconfig("alice"), scenario)


def test_rbac_says_who_may_override_which_namespace(control_plane: ControlPlane, namespace: str) -> None:
    rule = {"apiGroups": ["kmodgate.io"], "resources": ["namespaces"], "verbs": ["override"]}
    control_plane.apply(*grant("facts-override", "carol", {**rule, "resourceNames": [namespace]}))

    async def scenario(cluster: LiveCluster) -> None:
        assert await cluster.may_override(UserInfo("carol"), namespace)
        assert not await cluster.may_override(UserInfo("carol"), "default")
        assert not await cluster.may_override(UserInfo("bob", ("drivers",)), namespace)
        assert await cluster.may_override(UserInfo("root", ("system:masters",)), namespace)

    watching(control_plane.kubeconfig(), scenario)


def test_a_secret_is_read_by_name_and_told_without_its_key(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "cert",
                "namespace": namespace,
                "annotations": {"kmodgate.io/key-fingerprint": "sha256:1"},
            },
            "stringData": {"cert": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "key": "hush"},
        }
    )

    async def scenario(cluster: LiveCluster) -> None:
        found = await cluster.secret(namespace, "cert")
        assert isinstance(found, dict)
        assert set(found["data"]) == {"cert", "key"}
        assert found["data"]["cert"]
        assert found["data"]["key"] == ""
        assert found["metadata"]["annotations"] == {"kmodgate.io/key-fingerprint": "sha256:1"}
        assert found["type"] == "Opaque"
        assert await cluster.secret(namespace, "none") is None

    watching(control_plane.kubeconfig(), scenario)
