"""The server that all of this is sent to, and that it lives on after each of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.webhook.reviews import CLUSTER, broken_module, dump, review, uid
from tests.webhook.server import Webhook, serving


@pytest.fixture(scope="package")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """The server that all of this is sent to; at the end it has to have answered without a bug, and told of no error."""
    with serving(tmp_path_factory.mktemp("target"), facts=dump(*CLUSTER)) as server:
        yield server
        assert server.metric("kmodgate_internal_errors_total") == 0
        assert [event for event in server.events() if event["level"] == "error"] == []
        assert "Traceback" not in server.stderr.read_text()


@pytest.fixture(autouse=True)
def lives(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test the server answers."""
    yield
    if "target" not in request.fixturenames:
        return
    server: Webhook = request.getfixturevalue("target")
    asked = review("CREATE", "Module", broken_module())
    reply = server.post(asked)
    assert (reply.response["uid"], reply.code) == (uid(asked), 422)
    assert server.operations("/healthz") == (200, "ok\n")
