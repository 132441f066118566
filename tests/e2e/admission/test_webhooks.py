"""Webhooks of the tests are called in place of the Services that a configuration names."""

from __future__ import annotations

import base64
import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.e2e.api_server.certificates import Authority
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.https_server import serving
from tests.e2e.objects import module
from tests.e2e.waiting import eventually
from tests.e2e.webhooks import registered

pytestmark = pytest.mark.timing

Json: TypeAlias = dict[str, Any]

REFUSED = {"allowed": False, "status": {"code": 403, "message": "not today"}, "auditAnnotations": {"rules": "TST101"}}
LABELLED = {
    "allowed": True,
    "patchType": "JSONPatch",
    "patch": base64.b64encode(b'[{"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}}]').decode(),
}
ANSWERS = {"/validate": REFUSED, "/mutate": LABELLED}


class Reviewer(BaseHTTPRequestHandler):
    """Gives every review at a path the same answer."""

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = ANSWERS[self.path.partition("?")[0]]
        body = json.dumps({**review, "request": None, "response": {"uid": review["request"]["uid"], **answer}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests look at what the API server says."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder: Path = tmp_path_factory.mktemp("reviewer")
    return Authority(folder / "pki", "reviewer-ca")


def configuration(kind: str, path: str, namespace: str) -> Json:
    rule = {
        "apiGroups": ["kmm.sigs.x-k8s.io"],
        "apiVersions": ["v1beta1"],
        "operations": ["CREATE"],
        "resources": ["modules"],
    }
    webhook = {
        "name": "modules.kmodgate.io",
        "clientConfig": {"service": {"namespace": "kmodgate-system", "name": "kmodgate-webhook", "path": path}},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "reviewer"},
        "webhooks": [webhook],
    }


def test_a_registered_webhook_refuses_at_once_and_no_longer_when_it_is_gone(
    control_plane: ControlPlane, namespace: str, authority: Authority
) -> None:
    validating = configuration("ValidatingWebhookConfiguration", "/validate", namespace)
    text = json.dumps(module("nic", namespace))

    with (
        serving(Reviewer, authority, "reviewer") as port,
        registered(control_plane, [validating], port=port, authority=authority),
    ):
        refused = control_plane.kubectl("create", "--filename=-", input=text)
    accepted = control_plane.kubectl("create", "--filename=-", input=text)

    assert refused.returncode == 1
    assert refused.stderr.endswith('admission webhook "modules.kmodgate.io" denied the request: not today\n')
    assert accepted.returncode == 0, accepted.stderr
    (event, _) = eventually(
        lambda: (found := control_plane.audited(verb="create", resource="modules", namespace=namespace))[1:] and found,
        "both requests are logged",
    )
    assert event["annotations"]["modules.kmodgate.io/rules"] == "TST101"


def test_a_registered_webhook_changes_objects(
    control_plane: ControlPlane, namespace: str, authority: Authority
) -> None:
    mutating = configuration("MutatingWebhookConfiguration", "/mutate", namespace)

    with (
        serving(Reviewer, authority, "reviewer") as port,
        registered(control_plane, [mutating], port=port, authority=authority),
    ):
        control_plane.apply(module("nic", namespace))

    assert control_plane.get("module", "nic", f"--namespace={namespace}")["metadata"]["labels"] == {"seen": "yes"}


def test_a_webhook_that_nobody_serves_refuses_when_it_fails_closed(
    control_plane: ControlPlane, namespace: str, authority: Authority
) -> None:
    validating = configuration("ValidatingWebhookConfiguration", "/validate", namespace)

    with registered(control_plane, [validating], port=1, authority=authority):
        done = control_plane.kubectl("create", "--filename=-", input=json.dumps(module("nic", namespace)))

    assert 'failed calling webhook "modules.kmodgate.io"' in done.stderr
