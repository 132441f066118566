"""Another mutating webhook beside ours, as CSM's Kyverno is one: what it does to pods a test says."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal, TypeAlias

from tests.e2e.api_server.certificates import Authority
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.https_server import serving
from tests.e2e.webhooks import registered

Json: TypeAlias = dict[str, Any]
Patch: TypeAlias = Callable[[Json], list[Json]]
"""A pod → the operations of a JSON Patch."""


@contextmanager
def mutating(
    control_plane: ControlPlane, authority: Authority, name: str, patch: Patch, again: Literal["Never", "IfNeeded"]
) -> Iterator[list[Json]]:
    """The webhook, in force for new pods of the namespace `ims`; gives the pods that it was asked about.

    The API server calls it in the order of `name` among the configurations, and once more as `again` says.
    """
    seen: list[Json] = []
    with _serving(authority, patch, seen) as port:
        configuration = _configuration(name, again)
        with registered(control_plane, [configuration], port=port, authority=authority):
            yield seen


@contextmanager
def _serving(authority: Authority, patch: Patch, seen: list[Json]) -> Iterator[int]:
    class Mutator(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            request = review["request"]
            seen.append(request["object"])
            operations = base64.b64encode(json.dumps(patch(request["object"])).encode()).decode()
            response = {"uid": request["uid"], "allowed": True, "patchType": "JSONPatch", "patch": operations}
            body = json.dumps({**review, "request": None, "response": response}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests look at what the API server makes of it."""

    with serving(Mutator, authority, "second") as port:
        yield port


def _configuration(name: str, again: str) -> Json:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    webhook = {
        "name": "pods.second.example.com",
        "clientConfig": {"service": {"namespace": "second", "name": "second", "path": "/mutate"}},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ims"}},
        "failurePolicy": "Fail",
        "reinvocationPolicy": again,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }
