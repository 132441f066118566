"""Replicas that make their own certificate, with the rights that kmodgate generates and no others."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.objects import module
from tests.e2e.waiting import eventually
from tests.e2e.webhook import Webhook, generated, process

pytestmark = pytest.mark.timing

Json: TypeAlias = dict[str, Any]

SECRET = "kmodgate-system/kmodgate-webhook-tls"
KINDS = ("validatingwebhookconfiguration", "mutatingwebhookconfiguration")


@contextmanager
def replicas(control_plane: ControlPlane, folder: Path, count: int) -> Iterator[list[Webhook]]:
    """Servers that share a Secret; the configurations lead to the first."""
    objects = generated("drivers")
    names = ("kmodgate-system", "drivers")
    control_plane.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names))
    control_plane.apply(*(item for item in objects if not item["kind"].endswith("WebhookConfiguration")))
    own = ("--certificate-secret", SECRET, "--certificate-name", "localhost")
    with process(control_plane, folder / "0", *own) as first:
        configurations = [item for item in objects if item["kind"].endswith("WebhookConfiguration")]
        control_plane.apply(*(by_name(item, first.port) for item in configurations))
        try:
            with more(control_plane, folder, own, count - 1) as others:
                yield [first, *others]
        finally:
            for kind in KINDS:
                control_plane.kubectl("delete", kind, "kmodgate", check=True)


@contextmanager
def more(control_plane: ControlPlane, folder: Path, own: tuple[str, ...], count: int) -> Iterator[list[Webhook]]:
    if not count:
        yield []
        return
    with process(control_plane, folder / str(count), *own) as one, more(control_plane, folder, own, count - 1) as rest:
        yield [one, *rest]


def by_name(configuration: Json, port: int) -> Json:
    """The configuration with a URL in place of the Service, and no bundle: that is for the server to write."""
    result = copy.deepcopy(configuration)
    for webhook in result["webhooks"]:
        path = webhook["clientConfig"]["service"]["path"]
        webhook["clientConfig"] = {"url": f"https://localhost:{port}{path}"}
    return result


def bundles(control_plane: ControlPlane) -> set[str]:
    found = (control_plane.get(kind, "kmodgate") for kind in KINDS)
    return {webhook["clientConfig"].get("caBundle", "") for item in found for webhook in item["webhooks"]}


def is_admitted(control_plane: ControlPlane) -> bool:
    text = json.dumps(module("nic", "drivers"))
    return control_plane.kubectl("apply", "--dry-run=server", "-f", "-", input=text).returncode == 0


def test_replicas_share_a_certificate_that_the_api_server_trusts(control_plane: ControlPlane, tmp_path: Path) -> None:
    with replicas(control_plane, tmp_path, 2) as servers:
        eventually(lambda: all(server.is_ready() for server in servers), "both have the certificate")
        eventually(lambda: is_admitted(control_plane), "the API server trusts it")
        assert len(bundles(control_plane)) == 1
        (bundle,) = bundles(control_plane)
        assert base64.b64decode(bundle).startswith(b"-----BEGIN CERTIFICATE-----")

        emptied = [{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]
        for kind in KINDS:
            control_plane.kubectl("patch", kind, "kmodgate", "--type=json", "-p", json.dumps(emptied), check=True)
        eventually(lambda: bundles(control_plane) == {bundle}, "what was taken away is written again")

        namespace, _, name = SECRET.partition("/")
        control_plane.kubectl("delete", "secret", name, "-n", namespace, check=True)
        empty = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}}
        control_plane.apply(empty)
        eventually(lambda: bundles(control_plane) not in ({bundle}, {""}), "a new CA is published")
        eventually(lambda: is_admitted(control_plane), "the API server trusts the new one")
        for server in servers:
            assert "PRIVATE KEY" not in (server.folder / "webhook.log").read_text()
