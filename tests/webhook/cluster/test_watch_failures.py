"""A watch while the API server does what a real one does not do on command."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kmodgate.webhook.cluster.watch import Key, Map, Watch
from tests.webhook.api_stub import ApiStub, bookmark, event, events, failure, module, page, until
from tests.webhook.cluster.watching import QUICK, QUIET, Names, watched

pytestmark = pytest.mark.timing


@pytest.fixture
def stub(tmp_path: Path) -> ApiStub:
    """A stub that lists nothing yet."""
    return ApiStub(tmp_path)


@pytest.mark.parametrize(
    "gone",
    [
        failure(410, "too old resource version"),
        events(event("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version"})),
    ],
    ids=["status", "event"],
)
def test_a_version_that_is_too_old_makes_a_new_list_and_nothing_is_forgotten_meanwhile(
    stub: ApiStub, gone: Any
) -> None:
    stub.lists(page(module("a"), module("b")), page(module("b"), module("c"), version="90"))
    stub.watches(gone, QUIET)

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: len(stub.queries(watch=True)) == 2)
        assert names.names == {"b", "c"}
        assert names.was_emptied == 0
        assert stub.queries(watch=True)[1]["resourceVersion"] == "90"

    watched(stub, scenario)


def test_a_list_whose_next_page_has_expired_begins_again(stub: ApiStub) -> None:
    stub.lists(page(module("a"), following="2nd"), failure(410, "expired"), page(module("a"), module("b")))
    stub.watches(QUIET)

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: watch.synced)
        assert names.names == {"a", "b"}
        assert "continue" not in stub.queries(watch=False)[2]

    watched(stub, scenario)


def test_the_api_servers_wish_to_wait_is_heard(stub: ApiStub, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.lists(failure(429, "slow down", Retry_After="7"), failure(429, "slower", Retry_After="99999"), page())
    stub.watches(QUIET)
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    async def scenario(watch: Watch, names: Names) -> None:
        async with asyncio.timeout(60):
            while not watch.synced:
                await sleep(0.005)

    monkeypatch.setattr("kmodgate.webhook.cluster.watch.asyncio.sleep", noted)
    watched(stub, scenario)
    first, second = pauses[:2]
    assert 7 <= first < 8
    assert 60 <= second < 61


@pytest.mark.parametrize("cut", [b'{"type":"ADDED","object":{"meta', b"no JSON\n", b"[]\n"])
def test_a_broken_event_is_asked_for_again(stub: ApiStub, cut: bytes) -> None:
    stub.lists(page())
    stub.watches(events(event("ADDED", module("a", "11")), cut), events(event("ADDED", module("b", "12")), stalls=True))

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: names.names == {"a", "b"})
        assert stub.queries(watch=True)[1]["resourceVersion"] == "11"
        assert watch.state().restarts == 1

    watched(stub, scenario)


def test_a_watch_without_a_word_is_given_up_and_read_anew(stub: ApiStub) -> None:
    stub.lists(page(module("a")), page(module("b")))
    stub.watches(QUIET, events(bookmark("20"), stalls=True))

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: names.names == {"b"})
        assert watch.state().restarts == 1

    watched(stub, scenario, timings=replace(QUICK, silence=0.05, resume=0.01))


def test_a_watch_that_is_ended_at_once_is_a_failure(stub: ApiStub) -> None:
    stub.lists(page(module("a")))
    stub.watches(events(), QUIET)

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: len(stub.queries(watch=True)) == 2)
        assert watch.state().restarts == 1

    watched(stub, scenario)


def test_a_refusal_leaves_the_kind_unknown_and_says_which(stub: ApiStub) -> None:
    stub.lists(failure(403, "modules is forbidden"), failure(403, "modules is forbidden"), page(module("a")))
    stub.watches(QUIET)
    told: list[str] = []

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: watch.state().refused)
        told.append(watch.state().error)
        assert not watch.synced
        await until(lambda: watch.synced)
        assert not watch.state().refused

    watched(stub, scenario, timings=replace(QUICK, first_pause=0.1))
    assert told[0].startswith("Module: ")
    assert "403 modules is forbidden" in told[0]


def test_a_token_that_was_replaced_is_read_again(stub: ApiStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kmodgate.webhook.cluster.api_server._RELOAD_SECONDS", 0.0)
    stub.lists(page(module("a")))
    stub.watches(events(bookmark("11")), failure(500, "asks again"))

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: watch.synced)
        stub.rotate("second")
        before = len(stub.asked)
        await until(lambda: any(r.headers["Authorization"] == "Bearer second" for r in stub.asked[before:]))

    watched(stub, scenario)


def test_an_object_that_breaks_what_keeps_it_is_told_and_tried_again(
    stub: ApiStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.lists(page(module("a")))
    stub.watches(QUIET)

    def broken(self: Names, key: Key, item: Map) -> None:
        raise KeyError("boom")

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: "KeyError" in watch.state().error)
        assert not watch.synced
        monkeypatch.undo()
        await until(lambda: watch.synced)

    monkeypatch.setattr(Names, "put", broken)
    watched(stub, scenario)
