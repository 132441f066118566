"""What is said to the API server about Secret and configurations, and how its answers are understood.

The server here is a stub that keeps one object a path and compares resource versions as the real one does.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client import ApiClient
from kubernetes.aio.client import Configuration as ClientConfiguration

from kmodgate.webhook.certificates.ca_bundle import Configuration, PublishedWebhook
from kmodgate.webhook.certificates.kubernetes_objects import KubernetesConfigurations, KubernetesSecrets
from kmodgate.webhook.certificates.self_managed import ApiError, Conflict, StoredSecret
from tests.webhook.serving import run

SECRETS = "/api/v1/namespaces/kmodgate/secrets"
SECRET = f"{SECRETS}/certificates"
VALIDATING = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/kmodgate"
KIND = "ValidatingWebhookConfiguration"


class Stub:
    """Objects by path; `answers` overrides what one path says, `asked` is what came in."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, web.Response] = {}
        self.asked: list[tuple[str, str, str, str]] = []

    async def handle(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read() or b"null")
        authorization = request.headers.get("Authorization", "")
        self.asked.append((request.method, request.path, request.content_type, authorization))
        if request.path in self.answers:
            return self.answers[request.path]
        return self._answer(request.method, request.path, body)

    def _answer(self, method: str, path: str, body: Any) -> web.Response:
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.objects:
                return _status(409, "it exists")
        elif path not in self.objects:
            return _status(404, "it does not exist")
        if method == "PUT" and body["metadata"].get("resourceVersion") != self._version(path):
            return _status(409, "it has been modified")
        if method == "PATCH" and body[0] != self._test(path):
            return _status(422, "testing value failed")
        if method in ("POST", "PUT"):
            body["metadata"]["resourceVersion"] = str(int(self._version(path) or 0) + 1)
            self.objects[path] = body
        return web.json_response(self.objects[path])

    def _version(self, path: str) -> str | None:
        found = self.objects.get(path)
        return found["metadata"]["resourceVersion"] if found else None

    def _test(self, path: str) -> dict[str, Any]:
        return {"op": "test", "path": "/metadata/resourceVersion", "value": self._version(path)}


def _status(code: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "code": code, "message": message}, status=code)


@asynccontextmanager
async def client_of(stub: Stub) -> AsyncIterator[ApiClient]:
    runner = web.ServerRunner(web.Server(stub.handle))  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    configuration = ClientConfiguration(host=f"http://127.0.0.1:{site.port}")
    configuration.api_key = {"BearerToken": "Bearer token"}
    client = ApiClient(configuration)
    try:
        yield client
    finally:
        await client.close()
        await runner.cleanup()


def secret(version: str = "1", **data: bytes) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    metadata = {"name": "certificates", "namespace": "kmodgate", "resourceVersion": version, "labels": {"a": "b"}}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": encoded}


def test_a_secret_is_read_created_and_replaced_with_the_version_that_was_read() -> None:
    async def scenario() -> None:
        stub = Stub()
        async with client_of(stub) as client:
            secrets = KubernetesSecrets(client, "kmodgate", "certificates")
            assert await secrets.read() is None
            await secrets.create({"key": b"first"})
            stored = await secrets.read()
            assert stored is not None
            assert stored.data == {"key": b"first"}
            await secrets.replace(stored, {"key": b"second"})
            with pytest.raises(Conflict):
                await secrets.replace(stored, {"key": b"third"})
            with pytest.raises(Conflict):
                await secrets.create({"key": b"fourth"})
            again = await secrets.read()
            assert again is not None
            assert again.data == {"key": b"second"}
        assert {(path, kind, token) for _, path, kind, token in stub.asked} == {
            (SECRETS, "application/json", "Bearer token"),
            (SECRET, "application/json", "Bearer token"),
        }

    run(scenario())


def test_what_else_a_secret_holds_is_kept() -> None:
    async def scenario() -> None:
        stub = Stub()
        stub.objects[SECRET] = secret(key=b"first")
        async with client_of(stub) as client:
            secrets = KubernetesSecrets(client, "kmodgate", "certificates")
            stored = await secrets.read()
            assert stored is not None
            await secrets.replace(stored, {"key": b"second"})
        assert stub.objects[SECRET] == secret(version="2", key=b"second")

    run(scenario())


@pytest.mark.parametrize(
    "document", [secret(), {**secret(), "data": None}, {**secret(), "data": {"key": "not base64!"}}]
)
def test_a_secret_without_usable_data_is_an_empty_one(document: dict[str, Any]) -> None:
    async def scenario() -> None:
        stub = Stub()
        stub.objects[SECRET] = document
        async with client_of(stub) as client:
            stored = await KubernetesSecrets(client, "kmodgate", "certificates").read()
            assert stored is not None
            assert not any(stored.data.values())

    run(scenario())


def webhook_configuration() -> dict[str, Any]:
    webhooks = [
        {"name": "modules.kmodgate.io", "clientConfig": {"caBundle": base64.b64encode(b"bundle").decode()}},
        {"name": "namespaces.kmodgate.io", "clientConfig": {"service": {"name": "kmodgate-webhook"}}},
    ]
    return {"kind": KIND, "metadata": {"name": "kmodgate", "resourceVersion": "7"}, "webhooks": webhooks}


FOUND = Configuration(
    "ValidatingWebhookConfiguration",
    "kmodgate",
    "7",
    (PublishedWebhook("modules.kmodgate.io", b"bundle"), PublishedWebhook("namespaces.kmodgate.io", b"")),
)


def test_configurations_are_read_by_name_and_one_that_does_not_exist_is_left_out() -> None:
    async def scenario() -> None:
        stub = Stub()
        stub.objects[VALIDATING] = webhook_configuration()
        async with client_of(stub) as client:
            configurations = KubernetesConfigurations(
                client, [("ValidatingWebhookConfiguration", "kmodgate"), ("MutatingWebhookConfiguration", "kmodgate")]
            )
            assert await configurations.read() == [FOUND]
        assert [(method, path) for method, path, _, _ in stub.asked] == [
            ("GET", VALIDATING),
            ("GET", VALIDATING.replace("validating", "mutating")),
        ]

    run(scenario())


@pytest.mark.parametrize(("version", "applied"), [("7", True), ("6", False)])
def test_a_configuration_is_patched_by_json_patch_and_a_failed_test_is_a_conflict(version: str, applied: bool) -> None:
    async def scenario() -> None:
        stub = Stub()
        stub.objects[VALIDATING] = webhook_configuration()
        operations = [{"op": "test", "path": "/metadata/resourceVersion", "value": version}]
        async with client_of(stub) as client:
            configurations = KubernetesConfigurations(client, [("ValidatingWebhookConfiguration", "kmodgate")])
            if applied:
                await configurations.patch(FOUND, operations)
            else:
                with pytest.raises(Conflict):
                    await configurations.patch(FOUND, operations)
        assert stub.asked == [("PATCH", VALIDATING, "application/json-patch+json", "Bearer token")]

    run(scenario())


FAILURES = [
    (_status(403, "secrets is forbidden"), "reading Secret kmodgate/certificates: 403 secrets is forbidden"),
    (_status(500, "etcd is gone"), "500 etcd is gone"),
    (web.Response(text="<html>"), "not JSON"),
    (web.Response(status=502, text="[]"), "502"),
]


@pytest.mark.parametrize(("answer", "text"), FAILURES, ids=["forbidden", "broken", "no JSON", "a proxy"])
def test_an_answer_that_is_no_object_is_an_error_that_says_what_was_asked(answer: web.Response, text: str) -> None:
    async def scenario() -> None:
        stub = Stub()
        stub.answers[SECRET] = web.Response(status=answer.status, text=answer.text)
        async with client_of(stub) as client:
            with pytest.raises(ApiError, match=text):
                await KubernetesSecrets(client, "kmodgate", "certificates").read()

    run(scenario())


def test_an_api_server_that_is_not_there_is_an_error_and_no_conflict() -> None:
    async def scenario() -> None:
        client = ApiClient(ClientConfiguration(host="http://127.0.0.1:1"))
        with pytest.raises(ApiError) as caught:
            await KubernetesSecrets(client, "kmodgate", "certificates").replace(StoredSecret({}, secret()), {})
        assert not isinstance(caught.value, Conflict)
        await client.close()

    run(scenario())
