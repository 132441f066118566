"""The programs of the hooks, against servers that answer as IMS and the API server do."""

from __future__ import annotations

import ast
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kmodgate.renderer.compile.image_services.hooks import open_jobs, settled

pytestmark = pytest.mark.timing


class Server(ThreadingHTTPServer):
    """Answers each path with what `answers` has: status and text, the next one of several."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, list[tuple[int, str]]] = {}
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def say(self, path: str, value: Any, status: int = 200) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        self.answers.setdefault(path, []).append((status, text))


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization", "")))
        found = self.server.answers.get(self.path.partition("?")[0], [(404, "nothing")])
        status, text = found.pop(0) if len(found) > 1 else found[0]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def ims(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name, text in (("client-id", "a"), ("client-secret", "b"), ("endpoint", f"{server.url}/token")):
        (tmp_path / name).write_text(f"{text}\n")
    for name, text in (("AUTH_DIR", str(tmp_path)), ("IMS_URL", f"{server.url}/v3"), ("PAUSE", "0")):
        monkeypatch.setenv(name, text)
    monkeypatch.delenv("CA_CERT", raising=False)
    server.say("/token", {"access_token": "t"})
    return server


JOBS = (
    ([], 0),
    ([{"id": "1", "status": "success"}, {"id": "2", "status": "error"}], 0),
    ([{"id": "1", "status": "success"}, {"id": "2", "status": "waiting_on_user"}], 1),
    ({"title": "an error"}, 1),
    ("<html>login</html>", 1),
)


@pytest.mark.parametrize(("jobs", "code"), JOBS)
def test_a_sync_waits_for_open_jobs(ims: Server, jobs: Any, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    ims.say("/v3/jobs", jobs)
    assert open_jobs.main() == code
    assert ims.asked[-1] == ("/v3/jobs", "Bearer t")
    out = capsys.readouterr().out
    assert ("open: 2" in out) is ("waiting_on_user" in str(jobs))


def test_a_gateway_that_restarts_is_asked_again(ims: Server) -> None:
    for status in (503, 502, 504):
        ims.say("/v3/jobs", "<html>", status)
    ims.say("/v3/jobs", [])
    assert open_jobs.main() == 0


@pytest.mark.parametrize("status", [401, 500, 503])
def test_a_service_that_cannot_be_asked_holds_the_sync(ims: Server, status: int) -> None:
    ims.say("/v3/jobs", "no", status)
    assert open_jobs.main() == 1


DEPLOYMENT: dict[str, Any] = {
    "metadata": {"generation": 2},
    "spec": {
        "selector": {"matchLabels": {"app": "cray-ims"}},
        "template": {"metadata": {"annotations": {"checksum/ims-config": "new"}}},
    },
    "status": {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1},
}
POD = {"metadata": {"name": "cray-ims-1", "annotations": {"checksum/ims-config": "new"}}}
OLD = {"metadata": {"name": "cray-ims-0", "annotations": {}}}


@pytest.fixture
def api(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    (tmp_path / "token").write_text("t")
    environment = {
        "ACCOUNT_DIR": str(tmp_path), "API_URL": server.url, "NAMESPACE": "services", "DEPLOYMENT": "cray-ims",
        "CHECKSUM": "new", "DKMS": "true", "SECONDS": "0", "PAUSE": "0",
    }  # fmt: skip
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    return server


CASES = (
    (DEPLOYMENT, [POD], "DKMS enabled: True", 0, "runs with the wanted values"),
    (DEPLOYMENT, [POD], "", 0, "runs with the wanted values"),
    (DEPLOYMENT, [POD], "DKMS enabled: False", 1, "DKMS enabled: false"),
    (DEPLOYMENT, [POD, OLD], "", 1, "1 of 2 pods"),
    (DEPLOYMENT, [], "", 1, "0 of 0 pods"),
    ({**DEPLOYMENT, "status": {}}, [POD], "", 1, "has not been looked at"),
    ({**DEPLOYMENT, "status": {**DEPLOYMENT["status"], "readyReplicas": 0}}, [POD], "", 1, "[1, 1, 0]"),
    ({**DEPLOYMENT, "spec": {"template": {"metadata": {}}}}, [POD], "", 1, "another checksum: None"),
    ("<html>", [POD], "", 1, "cannot be asked"),
)


@pytest.mark.parametrize(("deployment", "pods", "log", "code", "words"), CASES)
def test_a_sync_ends_with_the_new_pod(
    api: Server, deployment: Any, pods: Any, log: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    api.say("/apis/apps/v1/namespaces/services/deployments/cray-ims", deployment)
    api.say("/api/v1/namespaces/services/pods", {"items": pods})
    api.say("/api/v1/namespaces/services/pods/cray-ims-1/log", f"start\n{log}\nend\n")
    assert settled.main() == code
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("program", [open_jobs, settled])
def test_a_program_needs_nothing_beside_the_standard_library_of_python_3_9(program: Any) -> None:
    tree = ast.parse(Path(program.__file__).read_text(), feature_version=(3, 9))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= {
        "__future__",
        "json",
        "os",
        "ssl",
        "sys",
        "time",
        "typing",
        "urllib.error",
        "urllib.parse",
        "urllib.request",
    }
