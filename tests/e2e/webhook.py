"""The real webhook beside the control plane: its process, its configurations and rights as kmodgate generates them."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import yaml

from tests.e2e.api_server.certificates import Authority
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.processes import free_port
from tests.e2e.api_server.users import WEBHOOK
from tests.e2e.waiting import eventually
from tests.e2e.webhooks import registered

Json: TypeAlias = dict[str, Any]

_BIN = Path(sys.executable).parent
KMODGATE = _BIN / "kmodgate"


@dataclass
class Webhook:
    """One running server; `port` is that of reviews, `operations` that of its probes."""

    port: int
    operations: int
    authority: Authority | None
    folder: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    def page(self, path: str) -> tuple[int, str]:
        """Status and text of a page on the plain port."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.operations}{path}", timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def is_ready(self) -> bool:
        return self.page("/readyz")[0] == 200

    def decisions(self) -> list[Json]:
        """The audit log so far, without a line that is still being written."""
        whole, _, _ = (self.folder / "audit.jsonl").read_bytes().rpartition(b"\n")
        return [orjson.loads(line) for line in whole.splitlines()]


@contextmanager
def serving(
    control_plane: ControlPlane, folder: Path, *arguments: str, url: str = "", hosts: Sequence[str] = (), port: int = 0
) -> Iterator[Webhook]:
    """A server with a certificate of an authority of its own, ready; `url` is another way to the API server.

    The certificate is for `hosts`, too. Without a `port` it takes one that is free.
    """
    authority = Authority(folder / "pki")
    pair = authority.issue("webhook", *hosts)
    files = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))
    with process(control_plane, folder, *files, *arguments, url=url, authority=authority, port=port) as webhook:
        eventually(webhook.is_ready, "the webhook is ready")
        yield webhook


@contextmanager
def process(
    control_plane: ControlPlane,
    folder: Path,
    *arguments: str,
    url: str = "",
    authority: Authority | None = None,
    port: int = 0,
) -> Iterator[Webhook]:
    """A server with live facts of the control plane, ready or not."""
    folder.mkdir(parents=True, exist_ok=True)
    port, operations = port or free_port(), free_port()
    command = [
        _BIN / "kmodgate-webhook", "serve",
        "--listen", f"127.0.0.1:{port}", "--ops-listen", f"127.0.0.1:{operations}",
        "--kubeconfig", control_plane.kubeconfig(WEBHOOK, url=url or control_plane.url),
        "--audit-log", folder / "audit.jsonl", "--drain", "0", *arguments,
    ]  # fmt: skip
    with open(folder / "webhook.log", "wb") as log:
        running = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log)
    try:
        yield Webhook(port, operations, authority, folder, running)
    finally:
        running.terminate()
        try:
            running.wait(120)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def generated(*namespaces: str, arguments: Sequence[str] = ()) -> list[Json]:
    """What `kmodgate webhook-config` writes for namespaces of drivers."""
    named = [part for name in namespaces for part in ("--namespace", name)]
    command = [str(KMODGATE), "webhook-config", *named, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, env={**os.environ, "NO_COLOR": "1"})
    return [document for document in yaml.safe_load_all(done.stdout) if document]


@contextmanager
def in_force(
    control_plane: ControlPlane,
    folder: Path,
    namespaces: Sequence[str],
    *arguments: str,
    url: str = "",
    registration: Sequence[str] = (),
) -> Iterator[Webhook]:
    """A server that the API server asks by the generated configurations, with the generated rights and no others.

    The arguments are those of the server, `registration` those of `webhook-config`.
    """
    configurations = installed(control_plane, namespaces, *registration)
    with (
        serving(control_plane, folder, *arguments, url=url) as webhook,
        registered(control_plane, configurations, port=webhook.port, authority=_authority(webhook)),
    ):
        yield webhook


def installed(control_plane: ControlPlane, namespaces: Sequence[str], *arguments: str) -> list[Json]:
    """Apply the generated rights, and the namespaces that they are for; gives the configurations, not in force yet."""
    objects = generated(*namespaces, arguments=arguments)
    spaces = sorted({"kmodgate-system", *namespaces})
    control_plane.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in spaces))
    control_plane.apply(*(item for item in objects if not item["kind"].endswith("WebhookConfiguration")))
    return [item for item in objects if item["kind"].endswith("WebhookConfiguration")]


def _authority(webhook: Webhook) -> Authority:
    assert webhook.authority is not None
    return webhook.authority
