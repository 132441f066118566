"""Putting webhook configurations in force, with a server of the tests in place of the Service that they name."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

from tests.e2e.api_server.certificates import Authority
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.waiting import eventually

Json: TypeAlias = dict[str, Any]

_API = "/apis/admissionregistration.k8s.io/v1"
_PATHS = {
    "MutatingWebhookConfiguration": f"{_API}/mutatingwebhookconfigurations",
    "ValidatingWebhookConfiguration": f"{_API}/validatingwebhookconfigurations",
}
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
_CANARY = "canary.e2e.kmodgate.io"


def by_url(configuration: Json, *, port: int, authority: Authority) -> Json:
    """The configuration with `https://127.0.0.1:PORT` and the path of the Service in place of each Service."""
    result = copy.deepcopy(configuration)
    for webhook in result["webhooks"]:
        service = webhook["clientConfig"].get("service", {})
        url = f"https://127.0.0.1:{port}{service.get('path', '/')}"
        webhook["clientConfig"] = {"url": url, "caBundle": authority.bundle}
    return result


@contextmanager
def registered(
    control_plane: ControlPlane, configurations: Sequence[Json], *, port: int, authority: Authority
) -> Iterator[list[Json]]:
    """Webhook configurations of both kinds, in force inside `with` and no longer after it.

    `configurations` name Services, as they would in a cluster; the server on `port` has a certificate of `authority`.
    Gives them as they were applied.
    """
    applied = [by_url(configuration, port=port, authority=authority) for configuration in configurations]
    with applying(control_plane, applied):
        yield applied


@contextmanager
def applying(control_plane: ControlPlane, configurations: Sequence[Json]) -> Iterator[None]:
    """Webhook configurations as they are, in force inside `with` and no longer after it."""
    kinds = sorted({configuration["kind"] for configuration in configurations})
    try:
        control_plane.apply(*configurations)
        settle(control_plane, *kinds)
        yield
    finally:
        for configuration in configurations:
            path = f"{_PATHS[configuration['kind']]}/{configuration['metadata']['name']}"
            control_plane.call("DELETE", path)
        settle(control_plane, *kinds)


def settle(control_plane: ControlPlane, *kinds: str) -> None:
    """Wait until all changes of webhook configurations of these kinds that were made so far are in force.

    The API server follows each kind in the order of the changes. So a canary is added, a webhook that nobody answers
    and that only one made-up Lease would call; as soon as that Lease is refused, what came before is in force, too.
    """
    for kind in kinds or _PATHS:
        canary = _canary(kind, secrets.token_hex(4))
        name = canary["metadata"]["name"]
        answer = control_plane.call("POST", _PATHS[kind], canary)
        if answer.status != 201:
            raise RuntimeError(f"the canary was not created: {answer.body}")
        try:
            eventually(partial(_is_refused, control_plane, name), f"{kind} {name} is in force")
        finally:
            control_plane.call("DELETE", f"{_PATHS[kind]}/{name}")


def _is_refused(control_plane: ControlPlane, name: str) -> bool:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "labels": {_CANARY: name}},
    }
    answer = control_plane.call("POST", f"{_LEASES}?dryRun=All", lease)
    return answer.status == 500 and _CANARY in answer.body["message"]


def _canary(kind: str, token: str) -> Json:
    name = f"0-canary-{token}"  # mutating webhooks are called in the order of their configurations' names
    webhook = {
        "name": _CANARY,
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [
            {
                "apiGroups": ["coordination.k8s.io"],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["leases"],
            }
        ],
        "objectSelector": {"matchLabels": {_CANARY: name}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "timeoutSeconds": 1,
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "webhooks": [webhook],
    }
