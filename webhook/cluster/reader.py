"""Single questions to the API server: objects by name, what stands in a namespace now, and who may do what."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from kmodgate.policy.cluster.facts import NodeEntry, Object, as_map, is_of_driver, metadata_of, node_entries
from kmodgate.policy.cluster.pruning import pruned_daemon_set, pruned_module
from kmodgate.policy.cluster.redaction import redacted
from kmodgate.policy.views.boot_config import POOL_LABEL
from kmodgate.webhook.cluster.api_server import ApiServer, listed, parsed
from kmodgate.webhook.cluster.live_facts import DAEMON_SETS, Wanted
from kmodgate.webhook.cluster.questions import FRESH_SECONDS, NotAnswered, UserInfo
from kmodgate.webhook.cluster.shared_read import Shared

_PLACES = {
    "Namespace": "/api/v1/namespaces/{name}",
    "Secret": "/api/v1/namespaces/{namespace}/secrets/{name}",
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps/{name}",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts/{name}",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings/{name}",
    "RuntimeClass": "/apis/node.k8s.io/v1/runtimeclasses/{name}",
    "Module": "/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/{namespace}/modules/{name}",
    "kmm.sigs.x-k8s.io/Module": "/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/{namespace}/modules/{name}",
    "apps/DaemonSet": "/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}",
    "apps/Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
    "apps/ReplicaSet": "/apis/apps/v1/namespaces/{namespace}/replicasets/{name}",
    "apps/StatefulSet": "/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}",
    "ReplicationController": "/api/v1/namespaces/{namespace}/replicationcontrollers/{name}",
    "batch/Job": "/apis/batch/v1/namespaces/{namespace}/jobs/{name}",
    "batch/CronJob": "/apis/batch/v1/namespaces/{namespace}/cronjobs/{name}",
}
"""Kind, as facts and reviews name it → where one object of it is."""

_MODULES = "/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/{namespace}/modules"
_ALL_MODULES = (
    "/apis/kmm.sigs.x-k8s.io/v1beta1/modules",
    "/apis/hub.kmm.sigs.x-k8s.io/v1beta1/managedclustermodules",
)
_DAEMON_SETS = "/apis/apps/v1/namespaces/{namespace}/daemonsets"
_CONFIGS = "/apis/kmm.sigs.x-k8s.io/v1beta1/nodemodulesconfigs"
_MACHINE_CONFIGS = "/apis/machineconfiguration.openshift.io/v1/machineconfigs"
_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

_ACCESS = {
    "SecurityContextConstraints": "/apis/security.openshift.io/v1/securitycontextconstraints",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
}
"""Kind → where the API server has all of which an account of a namespace may get a right."""

_PAGE = 250
_SOME = 10
"""Modules of a whole cluster that are read: whether there are any is what is asked."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read at one moment."""

    modules: Sequence[Object]
    entries: Sequence[NodeEntry]
    daemon_sets: Sequence[Object]
    objects: dict[Wanted, Object | None]


class Reader:
    """Asks without a resource version, so that the answer is that of etcd and not of a cache of the API server."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._all_entries = Shared(self._read_entries)

    async def read(self, wanted: Wanted, seconds: float) -> Object | None:
        """One object, or None if there is none; a Secret without what is secret.

        Raises NotAnswered, and KeyError for a kind of which no object is ever asked for.
        """
        kind, namespace, name = wanted
        place = _PLACES[kind]
        if not _is_name(name) or ("{namespace}" in place and not _is_name(namespace)):
            return None
        try:
            body = await self._server.get(place.format(namespace=quote(namespace), name=quote(name)), seconds=seconds)
        except NotAnswered as error:
            if error.status == 404:
                return None
            raise
        return redacted(parsed(body))

    async def version(self, seconds: float) -> str:
        """The version of the API server, as `1.36`. Raises NotAnswered."""
        found = parsed(await self._server.get("/version", seconds=seconds))
        numbers = [re.match(r"\d+", str(found.get(key, ""))) for key in ("major", "minor")]
        if not all(numbers):
            raise NotAnswered("/version: no version in the answer")
        return ".".join(number[0] for number in numbers if number)

    async def fresh(self, namespace: str, wanted: Sequence[Wanted], seconds: float) -> Reading:
        """The Modules of a namespace, the entries of all nodes for them, DaemonSets of drivers, and what is wanted.

        Raises NotAnswered if any of them is not told in time.
        """
        async with _answered(namespace, seconds) as tasks:
            modules = tasks.create_task(self._modules(namespace, seconds))
            entries = tasks.create_task(self._entries(namespace))
            daemon_sets = tasks.create_task(self._daemon_sets(namespace, seconds))
            objects = [tasks.create_task(self.read(item, seconds)) for item in wanted]
        found = {item: task.result() for item, task in zip(wanted, objects, strict=True)}
        return Reading(modules.result(), entries.result(), daemon_sets.result(), found)

    async def access(self, namespace: str, seconds: float) -> list[Object]:
        """All bindings, roles and SecurityContextConstraints that may give an account of a namespace a right.

        Raises NotAnswered if any of them is not told in time.
        """
        async with _answered(namespace, seconds) as tasks:
            paths = {kind: path.format(namespace=quote(namespace)) for kind, path in _ACCESS.items()}
            found = [tasks.create_task(self._of_kind(kind, path, seconds)) for kind, path in paths.items()]
        return [item for task in found for item in task.result()]

    async def machine_configs(self, seconds: float) -> list[Object]:
        """The MachineConfigs of all pools, as far as they are about drivers. Raises NotAnswered.

        Those that the operator merges of them have no label, and are not read.
        """
        async with _answered("", seconds) as tasks:
            found = tasks.create_task(self._of_kind("MachineConfig", _MACHINE_CONFIGS, seconds, POOL_LABEL))
        return [redacted(item) for item in found.result()]

    async def _of_kind(self, kind: str, path: str, seconds: float, labels: str = "") -> list[Object]:
        """The objects of a list, in which they do not say of what kind they are."""
        asked = {"labelSelector": labels} if labels else {}
        return [{**item, "kind": kind} async for item in self._items(path, seconds, asked)]

    async def may_override(self, user: UserInfo, namespace: str, seconds: float) -> bool:
        """Whether the API server's authorizers let somebody `override` that namespace. Raises NotAnswered."""
        asked = {
            "verb": "override",
            "group": "kmodgate.io",
            "resource": "namespaces",
            "namespace": namespace,
            "name": namespace,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {**_subject(user), "resourceAttributes": asked},
        }
        status = as_map(parsed(await self._server.post(_REVIEWS, review, seconds=seconds)).get("status"))
        return status.get("allowed") is True

    async def _modules(self, namespace: str, seconds: float) -> list[Object]:
        if not namespace:
            return [pruned_module(item) for path in _ALL_MODULES for item in await self._some(path, seconds)]
        if not _is_name(namespace):
            return []
        path = _MODULES.format(namespace=quote(namespace))
        return [pruned_module(item) async for item in self._items(path, seconds)]

    async def _daemon_sets(self, namespace: str, seconds: float) -> list[Object]:
        """The DaemonSets of drivers in a namespace; nobody asks for those of a whole cluster."""
        if not _is_name(namespace):
            return []
        path = _DAEMON_SETS.format(namespace=quote(namespace))
        found = [pruned_daemon_set(item) async for item in self._items(path, seconds, DAEMON_SETS.query)]
        return [item for item in found if is_of_driver(item)]

    async def _entries(self, namespace: str) -> list[NodeEntry]:
        return [entry for entry in await self._all_entries.get() if namespace in ("", entry.namespace)]

    async def _read_entries(self) -> list[NodeEntry]:
        """The entries of all nodes: there is one object a node, and no way to ask for those of a namespace."""
        return [entry async for item in self._items(_CONFIGS, FRESH_SECONDS) for entry in node_entries(item)]

    async def _some(self, path: str, seconds: float) -> list[Object]:
        """The first objects of a list."""
        found: list[Object] = []
        async for item in self._items(path, seconds):
            found.append(item)
            if len(found) == _SOME:
                break
        return found

    async def _items(
        self, path: str, seconds: float, asked: Mapping[str, str | int] | None = None
    ) -> AsyncIterator[Object]:
        """All objects of a list, page by page; none for a kind that is not installed."""
        query: dict[str, str | int] = {**(asked or {}), "limit": _PAGE}
        while True:
            try:
                page = parsed(await self._server.get(path, query, seconds=seconds))
            except NotAnswered as error:
                if error.status == 404 and "continue" not in query:
                    return
                raise
            for item in listed(page):
                yield item
            following = metadata_of(page).get("continue")
            if not following:
                return
            query["continue"] = str(following)


@asynccontextmanager
async def _answered(namespace: str, seconds: float) -> AsyncIterator[asyncio.TaskGroup]:
    """Questions at once. Raises NotAnswered if any of them is not answered in time."""
    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
            yield tasks
    except TimeoutError:
        place = f"namespace {namespace}: " if namespace else ""
        raise NotAnswered(f"{place}no answer in {seconds:g} seconds") from None
    except ExceptionGroup as group:
        if (unanswered := group.subgroup(NotAnswered)) is None:
            raise
        raise _first(unanswered) from None


def _subject(user: UserInfo) -> dict[str, Any]:
    """Who a SubjectAccessReview is about; what is empty is left out, as the API server does it."""
    extra = {key: list(values) for key, values in user.extra.items()}
    known = {"groups": list(user.groups), "uid": user.uid, "extra": extra}
    return {"user": user.name, **{key: value for key, value in known.items() if value}}


def _is_name(text: str) -> bool:
    """Whether an object can be called so: as one segment of a path."""
    return bool(text) and text not in (".", "..") and "/" not in text and "%" not in text


def _first(group: ExceptionGroup[NotAnswered]) -> NotAnswered:
    error = group.exceptions[0]
    return error if isinstance(error, NotAnswered) else _first(error)
