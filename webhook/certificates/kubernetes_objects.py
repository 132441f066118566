"""Secret and webhook configurations of the self-managed certificates, on the client of the package `kubernetes`.

Rights that it needs, all by name: get and update of the Secret (create, which RBAC cannot limit by name, only where no
empty Secret is installed beforehand), get and patch of the two configurations.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient

from kmodgate.webhook.certificates.ca_bundle import Configuration, ConfigurationKind, Operation, PublishedWebhook
from kmodgate.webhook.certificates.self_managed import ApiError, Conflict, StoredSecret

TIMEOUT = 10.0
"""Seconds for one request."""

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"

_RESOURCES: dict[ConfigurationKind, str] = {
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
    "MutatingWebhookConfiguration": "mutatingwebhookconfigurations",
}


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    document: Mapping[str, Any]

    def or_raise(self, what: str, conflicts: tuple[int, ...] = ()) -> Mapping[str, Any]:
        if self.status < 300:
            return self.document
        error = Conflict if self.status in conflicts else ApiError
        raise error(f"{what}: {self.status} {self.document.get('message', '')}".rstrip())


class KubernetesSecrets:
    """The Secret `namespace`/`name`."""

    def __init__(self, client: ApiClient, namespace: str, name: str) -> None:
        self._client = client
        self._names = {"namespace": namespace, "name": name}
        self._what = f"Secret {namespace}/{name}"

    async def read(self) -> StoredSecret | None:
        answer = await self._ask("GET", "/{name}")
        if answer.status == 404:
            return None
        document = answer.or_raise(f"reading {self._what}")
        return StoredSecret(_decoded(document.get("data") or {}), document)

    async def create(self, data: Mapping[str, bytes]) -> None:
        metadata = {"name": self._names["name"], "namespace": self._names["namespace"]}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": _encoded(data)}
        (await self._ask("POST", "", body)).or_raise(f"creating {self._what}", conflicts=(409,))

    async def replace(self, stored: StoredSecret, data: Mapping[str, bytes]) -> None:
        body = {**stored.document, "data": _encoded(data)}
        (await self._ask("PUT", "/{name}", body)).or_raise(f"writing {self._what}", conflicts=(404, 409))

    async def _ask(self, method: str, suffix: str, body: object = None) -> _Answer:
        path = "/api/v1/namespaces/{namespace}/secrets" + suffix
        return await _request(self._client, method, path, self._names, body, JSON)


class KubernetesConfigurations:
    """The configurations of these kinds and names; one that does not exist calls nobody and is left out."""

    def __init__(self, client: ApiClient, names: Sequence[tuple[ConfigurationKind, str]]) -> None:
        self._client = client
        self._names = tuple(names)

    async def read(self) -> Sequence[Configuration]:
        found: list[Configuration] = []
        for kind, name in self._names:
            answer = await self._ask("GET", kind, name)
            if answer.status != 404:
                found.append(_configuration(kind, name, answer.or_raise(f"reading {kind} {name}")))
        return found

    async def patch(self, configuration: Configuration, operations: Sequence[Operation]) -> None:
        answer = await self._ask("PATCH", configuration.kind, configuration.name, list(operations))
        # A test that fails is answered by 422.
        answer.or_raise(f"patching {configuration.kind} {configuration.name}", conflicts=(404, 409, 422))

    async def _ask(self, method: str, kind: ConfigurationKind, name: str, body: object = None) -> _Answer:
        path = f"/apis/admissionregistration.k8s.io/v1/{_RESOURCES[kind]}/{{name}}"
        return await _request(self._client, method, path, {"name": name}, body, JSON_PATCH)


async def _request(
    client: ApiClient, method: str, path: str, names: Mapping[str, str], body: object, content_type: str
) -> _Answer:
    """One request and its JSON. Raises ApiError where there is no answer, or none that can be read."""
    headers = {"Accept": JSON, "Content-Type": content_type}
    try:
        prepared = await client.param_serialize(
            method, path, path_params=dict(names), header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        async with asyncio.timeout(TIMEOUT):
            response = await client.call_api(*prepared)
            text = await response.read()
        document = json.loads(text)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise ApiError(f"{method} {path.format(**names)}: {error or type(error).__name__}") from None
    except ValueError:
        raise ApiError(f"{method} {path.format(**names)}: the answer is not JSON") from None
    return _Answer(response.status, document if isinstance(document, dict) else {})


def _configuration(kind: ConfigurationKind, name: str, document: Mapping[str, Any]) -> Configuration:
    webhooks = tuple(
        PublishedWebhook(webhook["name"], _bytes((webhook.get("clientConfig") or {}).get("caBundle") or ""))
        for webhook in document.get("webhooks") or ()
    )
    return Configuration(kind, name, document["metadata"]["resourceVersion"], webhooks)


def _decoded(data: Mapping[str, str]) -> dict[str, bytes]:
    return {key: _bytes(value or "") for key, value in data.items()}


def _encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""
