"""Shutdown of the server: signals, draining, and reviews that are on their way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.waiting import eventually
from tests.webhook.reviews import (
    CLUSTER,
    broken_module,
    dump,
    module,
    namespace,
    review,
    uid,
)
from tests.webhook.server import Reply, Webhook, serving
from tests.webhook.stalling import Held, api_server, modules_of

pytestmark = pytest.mark.timing


@pytest.fixture
def draining(tmp_path: Path) -> Iterator[Webhook]:
    """A server that was told to end, and that goes on listening for a while."""
    with serving(tmp_path, "--drain", "600", facts=dump(*CLUSTER)) as server:
        server.signal(signal.SIGTERM)
        assert server.event("draining")["seconds"] == 600
        yield server


def test_after_sigterm_it_says_that_it_leaves_and_goes_on_answering(draining: Webhook) -> None:
    assert draining.event("asked to end")["signal"] == "SIGTERM"
    status, text = draining.operations("/readyz")
    assert (status, "[-] serving: draining" in text) == (503, True)
    assert draining.operations("/healthz")[0] == 200
    for _ in range(3):
        reply = draining.post(review("CREATE", "Module", broken_module()))
        assert (reply.code, reply.headers["Connection"]) == (422, "close")


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(draining: Webhook, second: signal.Signals) -> None:
    draining.signal(second)
    assert draining.wait() == 128 + signal.SIGTERM
    assert draining.events()[-1]["event"] == "stopped"


def test_sigterm_ends_it_after_the_delay(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain", "0.2") as server:
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert [event["event"] for event in server.events()] == ["serving", "asked to end", "draining", "stopped"]


def test_ctrl_c_ends_it_without_delay(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain", "600") as server:
        server.signal(signal.SIGINT)
        assert server.wait() == 0
        assert server.event("draining")["seconds"] == 0


def test_an_idle_connection_does_not_keep_it(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain", "0", "--grace", "3600") as server, server.caller() as caller:
        caller.post(review("CREATE", "Module", module()))
        server.signal(signal.SIGTERM)
        assert server.wait() == 0


@pytest.mark.parametrize(
    ("number", "padding"), [(signal.SIGTERM, 0), (signal.SIGINT, 300_000)], ids=["SIGTERM, small", "SIGINT, large"]
)
def test_a_review_that_is_on_its_way_is_answered_before_the_end(
    tmp_path: Path, number: signal.Signals, padding: int
) -> None:
    with api_server(tmp_path) as stub:
        held = Held()
        stub.lists(held, path=modules_of("slow"))
        with serving(tmp_path, "--kubeconfig", str(stub.kubeconfig), "--drain", "0") as server:
            eventually(lambda: server.operations("/readyz")[0] == 200, "it is ready")
            item = namespace("slow", **({"a": "x" * padding} if padding else {}))
            asked = review("DELETE", "Namespace", None, item)
            replies: list[Reply] = []
            caller = threading.Thread(target=lambda: replies.append(server.post(asked, timeout="30s")))
            caller.start()
            eventually(lambda: server.metric("kmodgate_reviews_in_flight") == 1, "the review is on its way")
            eventually(
                lambda: any(request.path == modules_of("slow") for request in stub.asked), "the cluster is asked"
            )
            server.signal(number)
            server.event("draining")
            held.release()
            assert server.wait() == 0
            caller.join(120)
            assert [(reply.response["uid"], reply.code) for reply in replies] == [(uid(asked), 503)]
            assert server.decision(uid(asked))["allowed"] is False
