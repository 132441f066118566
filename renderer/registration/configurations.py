"""The two webhook configurations of a cluster, from the table of the webhook's reach.

Sources: Kubernetes, Dynamic Admission Control (selectors, matchConditions, clientConfig) and Admission Webhook Good
Practices. On an UPDATE of a Namespace a namespaceSelector sees the new labels only, an objectSelector old and new ones:
that is why the removal of a label is seen by the latter alone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Iterator, Mapping

from kmodgate.policy.cluster.controllers import takers_away
from kmodgate.policy.cluster.dependents import PROTECTING_LABEL
from kmodgate.policy.config import PLATFORM_PREFIXES, Platform, Policy
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kata.ims_jobs import LABEL
from kmodgate.policy.webhook_entries.conditions import IS_OF_IMS, Condition
from kmodgate.policy.webhook_entries.entry_table import wanted
from kmodgate.policy.webhook_entries.namespaces import NEVER, Where, reachable
from kmodgate.policy.webhook_entries.row import Path, Resources, Row
from kmodgate.renderer.compile.policy_config_map import HASH_ANNOTATION
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.manifests import argo
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY

NAME = "kmodgate"
"""The name of both configurations."""

DOMAIN = "kmodgate.io"

_NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""The API server puts this label on every namespace, and lets nobody change it."""

_LABELLED: dict[str, Json] = {"key": PROTECTING_LABEL, "operator": "Exists"}
_UNLABELLED: dict[str, Json] = {"key": PROTECTING_LABEL, "operator": "DoesNotExist"}


@dataclass(frozen=True, slots=True)
class Service:
    """A Service of the cluster."""

    namespace: str
    name: str
    port: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the API server finds the webhook: a Service, or a URL without path for one outside the cluster.

    `ca_bundle` are certificates as PEM; without any the webhook publishes its own.
    """

    at: Service | str
    ca_bundle: bytes = b""

    def client_config(self, path: Path) -> JsonMap:
        """What a webhook entry says of it."""
        where: JsonMap = (
            {"url": f"{self.at}{path}"} if isinstance(self.at, str) else {"service": _service(self.at, path)}
        )
        return {**where, "caBundle": base64.b64encode(self.ca_bundle).decode()} if self.ca_bundle else where


@dataclass(frozen=True, slots=True)
class Places:
    """The namespaces of a cluster: those of its drivers, those of DKMS work, the one of IMS's jobs, the webhook's own.

    A cluster that has no KMM is asked about DKMS work alone. `labels` are those that tell DKMS work elsewhere: all of
    one item. Not every API server `has_conditions`. Only an `is_hub` selects other clusters by their labels, and
    only a cluster that `has_olm` has objects by which operators are installed.
    `controllers` are the users that are known to be KMM's, none where nobody says.
    """

    drivers: tuple[str, ...]
    dkms: tuple[str, ...]
    ims: str
    own: str
    labels: tuple[Mapping[str, str], ...] = ()
    has_conditions: bool = True
    controllers: tuple[str, ...] = ()
    platform: Platform = "kubernetes"
    has_drivers: bool = True
    is_hub: bool = False
    has_olm: bool = False


def configurations(policy: Policy, places: Places, endpoint: Endpoint) -> list[JsonMap]:
    """The objects; one in which the policy leaves no entry is left out."""
    kinds: tuple[tuple[str, Path], ...] = (
        ("MutatingWebhookConfiguration", "/mutate"),
        ("ValidatingWebhookConfiguration", "/validate"),
    )
    found = [(kind, _webhooks(policy, path, places, endpoint)) for kind, path in kinds]
    return [_configuration(kind, webhooks, policy) for kind, webhooks in found if webhooks]


def _configuration(kind: str, webhooks: list[Json], policy: Policy) -> JsonMap:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {
            "name": NAME,
            "labels": dict(MANAGED_BY),
            "annotations": {**argo.sync_annotations(kind), HASH_ANNOTATION: policy.digest},
        },
        "webhooks": webhooks,
    }


def _webhooks(policy: Policy, path: Path, places: Places, endpoint: Endpoint) -> list[Json]:
    rows = [row for row in wanted(policy, path, places.platform) if _is_registered(row, places)]
    in_dkms = any(row.where == "dkms" for row in rows)
    found: list[Json] = []
    for row in rows:
        selections = list(_selections(row, places, in_dkms=in_dkms))
        for number, selection in enumerate(selections, 1):
            name = row.name if len(selections) == 1 else f"{row.name}-{number}"
            found.append(_webhook(name, row, selection | _narrowed(row, places), endpoint))
    return found


def _is_registered(row: Row, places: Places) -> bool:
    """Whether a cluster has what a row is about."""
    has_place = {"hubs": places.is_hub, "olm": places.has_olm}.get(row.where, True)
    return row.is_for_dkms or (places.has_drivers and has_place)


def _webhook(name: str, row: Row, selection: JsonMap, endpoint: Endpoint) -> JsonMap:
    """One entry, every default written out that Argo CD would see as drift."""
    return {
        "name": f"{name}.{DOMAIN}",
        "clientConfig": endpoint.client_config(row.path),
        "rules": [_rule(item) for item in row.resources],
        "namespaceSelector": {},
        "objectSelector": {},
        **selection,
        "matchPolicy": "Equivalent",
        "sideEffects": "NoneOnDryRun" if row.reports else "None",
        "timeoutSeconds": row.timeout,
        "admissionReviewVersions": ["v1"],
        **({"reinvocationPolicy": "IfNeeded"} if row.path == "/mutate" else {}),
    }


def _narrowed(row: Row, places: Places) -> JsonMap:
    """The condition of a row, and what happens when nobody answers."""
    failure = "Ignore" if row.needs_kmm and not places.controllers else row.failure
    if row.condition is None:
        return {"failurePolicy": failure}
    if not places.has_conditions:
        return {"failurePolicy": row.condition.otherwise}
    controllers = takers_away(places.controllers, places.platform)
    return {"matchConditions": [_condition(row.condition, controllers)], "failurePolicy": failure}


def _condition(item: Condition, controllers: Collection[str]) -> JsonMap:
    return {"name": item.name, "expression": item.text(controllers)}


def _rule(item: Resources) -> JsonMap:
    return {
        "apiGroups": [item.group],
        "apiVersions": list(item.versions),
        "operations": list(item.operations),
        "resources": list(item.names),
        "scope": "*",
    }


def _selections(row: Row, places: Places, *, in_dkms: bool) -> Iterator[JsonMap]:
    """The selectors and conditions of a row, one for each entry that it becomes: none without a place for it."""
    drivers, dkms = reachable(places.drivers, places.own), reachable(places.dkms, places.own)
    ims = reachable({places.ims} - set(dkms), places.own)
    unknown = _outside(drivers, places)
    match row.where:
        case "everywhere" | "hubs" | "olm":
            yield {}
        case "drivers":
            yield from _inside(drivers)
        case "dkms" | "dkms labels" | "dkms alone":
            yield from _dkms_work(row.where, dkms, ims, places)
        case "labelled namespaces":
            yield {"namespaceSelector": _all(unknown), "objectSelector": _all(_LABELLED)}
        case "labelled contents":
            yield {"namespaceSelector": _all(unknown, _LABELLED)}
        case "others" | "unlabelled":
            yield {"namespaceSelector": _all(unknown, *([_UNLABELLED] if row.where == "unlabelled" else []))}
        case "elsewhere" | "platform":
            asked = (dkms, ims) if in_dkms else ([], [])
            yield {"namespaceSelector": _all(_outside([], places)), **_narrowed_elsewhere(row, *asked, places)}


def _inside(names: list[str]) -> Iterator[JsonMap]:
    """These namespaces; a selector cannot hold an empty list."""
    if names:
        yield {"namespaceSelector": _all(_namespaces("In", names))}


def _dkms_work(where: Where, dkms: list[str], ims: list[str], places: Places) -> Iterator[JsonMap]:
    """All pods of namespaces of DKMS work and those of IMS, or pods elsewhere that have labels of DKMS work.

    What makes pods there has an entry of its own only where there is none for all workloads.
    """
    if where == "dkms":
        yield from _inside(dkms)
        yield from _of_ims(ims, places)
    elif where == "dkms labels":
        yield from _labelled(_outside(dkms, places), places.labels)
    elif not places.has_drivers:
        yield from _inside(sorted({*dkms, *ims}))


def _of_ims(names: list[str], places: Places) -> Iterator[JsonMap]:
    """The pods of IMS in these namespaces, by their label; nothing else there waits for the webhook.

    An API server without conditions asks about all pods that have a label of that name.
    """
    for item in _inside(names):
        condition: Json = {"name": "is-of-ims", "expression": IS_OF_IMS}
        found: JsonMap = {**item, "objectSelector": _all({"key": LABEL, "operator": "Exists"})}
        yield {**found, "matchConditions": [condition]} if places.has_conditions else found


def _labelled(others: JsonMap, labels: Iterable[Mapping[str, str]]) -> Iterator[JsonMap]:
    """Objects in other namespaces that have all labels of one item."""
    for item in labels:
        yield {"namespaceSelector": _all(others), "objectSelector": {"matchLabels": dict[str, Json](item)}}


def _outside(names: list[str], places: Places) -> JsonMap:
    """All namespaces but these, those that are never looked at, and the webhook's own."""
    return _namespaces("NotIn", sorted({*names, *NEVER, places.own}))


def _narrowed_elsewhere(row: Row, dkms: list[str], ims: list[str], places: Places) -> JsonMap:
    """The conditions of the entry for all workloads, where there are some."""
    is_narrowed = places.has_conditions and row.where == "elsewhere"
    conditions: list[Json] = list(_conditions(dkms, ims, places.platform)) if is_narrowed else []
    return {"matchConditions": conditions} if conditions else {}


def _conditions(dkms: list[str], ims: list[str], platform: Platform) -> Iterator[JsonMap]:
    """What no selector can say of a place, in CEL; only for an entry that is ignored when an expression fails.

    `dkms` are the namespaces whose pods all have an entry of their own, `ims` those whose pods of IMS have: one call a
    request.
    """
    if names := PLATFORM_PREFIXES[platform]:
        prefixes = " || ".join(f"request.namespace.startsWith({json.dumps(prefix)})" for prefix in names)
        yield {"name": "outside-the-platform", "expression": f"!({prefixes})"}
    asked = [f"request.namespace in {json.dumps(dkms)}"] if dkms else []
    asked += [f"(request.namespace in {json.dumps(ims)} && {IS_OF_IMS})"] if ims else []
    if asked:
        pods = f'request.resource.resource == "pods" && ({" || ".join(asked)})'
        yield {"name": "not-asked-already", "expression": f"!({pods})"}


def _all(*expressions: Json) -> JsonMap:
    return {"matchExpressions": list(expressions)}


def _namespaces(operator: str, names: list[str]) -> JsonMap:
    return {"key": _NAMESPACE_NAME, "operator": operator, "values": list[Json](names)}


def _service(service: Service, path: Path) -> JsonMap:
    return {"namespace": service.namespace, "name": service.name, "port": service.port, "path": path}
