"""An API server that shows the webhook a client certificate, set up with the documents of docs/webhook-tls.md."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from tests.e2e.api_server import definitions
from tests.e2e.api_server.certificates import Authority, Pair
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.processes import free_port
from tests.e2e.conftest import NewControlPlane
from tests.e2e.objects import module
from tests.e2e.webhook import Webhook, generated, installed, serving
from tests.e2e.webhooks import applying
from tests.fleets import REPOSITORY

Json: TypeAlias = dict[str, Any]

PAGE = (REPOSITORY / "docs" / "webhook-tls.md").read_text(encoding="utf-8")
FOLDER = "/etc/kubernetes/pki/kmodgate"
NAMESPACE = "kmodgate-system"
KNOWN, OTHER, UNNAMED = "kmodgate-webhook", "other-webhook", "unnamed-webhook"
"""Services that all lead to the webhook: the API server goes by their names, and shows each something else."""


def documents(folder: Path) -> tuple[Json, Json]:
    """The kubeconfig and the AdmissionConfiguration of the page, with their files in `folder`."""
    blocks = re.findall(r"^   ```yaml\n(.*?)^   ```$", PAGE, re.DOTALL | re.MULTILINE)
    callers, admission = (yaml.safe_load(block.replace(FOLDER, str(folder))) for block in blocks)
    return callers, admission


def configured(folder: Path, port: int) -> Path:
    """Writes both documents, with a user more: for OTHER, whose certificate has a name that is not allowed."""
    callers, admission = documents(folder)
    (known,) = callers["users"]
    other = json.loads(json.dumps(known).replace("caller.", "somebody.").replace(KNOWN, OTHER))
    callers["users"] = [user | {"name": f"{user['name']}:{port}"} for user in (known, other)]
    (folder / "callers.yaml").write_text(yaml.safe_dump(callers))
    path = folder / "admission.yaml"
    path.write_text(yaml.safe_dump(admission))
    return path


def named(pair: Pair, name: str) -> None:
    """Files of a certificate under the name that the page gives them."""
    pair.certificate.rename(pair.certificate.with_name(f"{name}.crt"))
    pair.key.rename(pair.key.with_name(f"{name}.key"))


def service(name: str) -> Json:
    """A Service of a name of its own that leads to loopback, whatever the port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }


@dataclass(frozen=True)
class Called:
    """A webhook that asks for certificates, and the API server that shows them."""

    control_plane: ControlPlane
    webhook: Webhook

    @contextmanager
    def by(self, name: str) -> Iterator[None]:
        """The API server asks it by this Service."""
        assert self.webhook.authority is not None
        where = f"{NAMESPACE}/{name}:{self.webhook.port}"
        options = ("--service", where, "--ca-bundle", str(self.webhook.authority.certificate))
        objects = generated("drivers", arguments=options)
        configurations = [item for item in objects if item["kind"].endswith("WebhookConfiguration")]
        with applying(self.control_plane, configurations):
            yield

    def create(self, item: Json) -> subprocess.CompletedProcess[str]:
        return self.control_plane.kubectl("create", "--dry-run=server", "--filename=-", input=json.dumps(item))

    def decided(self, name: str) -> list[bool]:
        """What it decided about an object."""
        return [line["allowed"] for line in self.webhook.decisions() if line["name"] == name]


@pytest.fixture(scope="module")
def called(new_control_plane: NewControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Called]:
    folder, port = tmp_path_factory.mktemp("clients"), free_port()
    callers = Authority(folder / "pki", "callers")
    named(callers.issue("kube-apiserver"), "caller")
    callers.issue("somebody")
    flag = f"--admission-control-config-file={configured(folder / 'pki', port)}"
    hosts = [f"{name}.{NAMESPACE}.svc" for name in (KNOWN, OTHER, UNNAMED)]
    wanted = ("--client-auth", "require", "--client-ca", str(callers.certificate), "--client-name", "kube-apiserver")
    with new_control_plane(api_server_flags=[flag], with_controllers=False) as control_plane:
        control_plane.install(*definitions.definitions())
        installed(control_plane, ["drivers"])
        control_plane.apply(*map(service, (KNOWN, OTHER, UNNAMED)))
        with serving(control_plane, folder / "webhook", *wanted, hosts=hosts, port=port) as webhook:
            yield Called(control_plane, webhook)


def test_an_api_server_with_an_allowed_name_is_answered(called: Called) -> None:
    broken = module("broken", "drivers")
    broken["spec"]["moduleLoader"]["container"]["kernelMappings"][0]["regexp"] = "^5("
    with called.by(KNOWN):
        accepted, refused = called.create(module("good", "drivers")), called.create(broken)
    assert accepted.returncode == 0, accepted.stderr
    assert "KMM203" in refused.stderr
    assert (called.decided("good"), called.decided("broken")) == ([True], [False])


def test_an_api_server_with_another_name_is_told_that_it_may_not_ask(called: Called) -> None:
    with called.by(OTHER):
        done = called.create(module("other", "drivers"))
    assert done.returncode == 1
    assert 'failed calling webhook "modules.kmodgate.io"' in done.stderr
    assert "this client may not ask" in done.stderr
    assert called.decided("other") == []
    assert 'kmodgate_requests_refused_total{code="403"} 1.0' in called.webhook.page("/metrics")[1]


def test_an_api_server_that_shows_no_certificate_does_not_get_through_the_handshake(called: Called) -> None:
    with called.by(UNNAMED):
        done = called.create(module("unnamed", "drivers"))
    assert done.returncode == 1
    assert 'failed calling webhook "modules.kmodgate.io"' in done.stderr
    assert "this client may not ask" not in done.stderr
    assert called.decided("unnamed") == []
