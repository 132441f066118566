"""KMM's own webhook server, where Go can build it, beside a stub of an API server that knows only its settings."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kmodgate.webhook.certificates.served_certificate import MaterialFiles
from tests.bench.load.wrk import on_core
from tests.bench.programs import KMM, NotBuilt, built

PATH = "/validate-kmm-sigs-x-k8s-io-v1beta1-module"
"""Where the server takes reviews of Modules."""

_PATIENCE = 60.0
_NAMESPACE = "kmm"


@contextmanager
def started(files: MaterialFiles) -> Iterator[tuple[int, int] | str]:
    """Port and process of the server with a certificate; or why there is none."""
    try:
        program = built(KMM)
    except NotBuilt as error:
        yield str(error)
        return
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder, _settings(port) as url:
        certificates = Path(folder) / "k8s-webhook-server" / "serving-certs"
        certificates.mkdir(parents=True)
        (certificates / "tls.crt").write_bytes(files.certificate.read_bytes())
        (certificates / "tls.key").write_bytes(files.key.read_bytes())
        kubeconfig = Path(folder) / "kubeconfig"
        kubeconfig.write_text(json.dumps(_kubeconfig(url)))
        process = subprocess.Popen(
            [*on_core(0), program, "--config=none", "--enable-module"],
            env={
                **os.environ,
                "TMPDIR": folder,
                "KUBECONFIG": str(kubeconfig),
                "OPERATOR_NAMESPACE": _NAMESPACE,
                "GOMAXPROCS": "1",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield (port, process.pid) if _listens(port, process) else f"it ended with code {process.returncode}"
        finally:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.05)
    return False


def _kubeconfig(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "stub", "cluster": {"server": url}}],
        "users": [{"name": "stub", "user": {}}],
        "contexts": [{"name": "stub", "context": {"cluster": "stub", "user": "stub"}}],
        "current-context": "stub",
    }


@contextmanager
def _settings(port: int) -> Iterator[str]:
    """The URL of an API server that has one ConfigMap, whatever name it is asked for: the settings of the server."""
    configuration = f"healthProbeBindAddress: '0'\nwebhookPort: {port}\nmetrics:\n  bindAddress: '0'\n"
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "none", "namespace": _NAMESPACE},
        "data": {"controller_config.yaml": configuration},
    }
    resources = [{"name": "configmaps", "singularName": "", "namespaced": True, "kind": "ConfigMap", "verbs": ["get"]}]
    answers: dict[str, Any] = {
        "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.3"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
        "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": resources},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers.get(self.path.partition("?")[0], config_map)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing of its requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
