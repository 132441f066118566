"""What a watch does when the API server does what a real one does not do on command."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kmodgate.webhook.cluster.live_facts import MODULES, NAMESPACES
from kmodgate.webhook.cluster.watch import Key, Map, Resource, Timings, Watch
from tests.webhook.api_stub import ApiStub, bookmark, event, events, failure, module, page, until

QUICK = Timings(first_pause=0.01, longest_pause=0.05, probe=0.02, silence=30.0, request=10.0)

QUIET = events(stalls=True)


class Names:
    """Keeps the names, and how often the cache was without any."""

    def __init__(self) -> None:
        self.kept: dict[Key, Map] = {}
        self.was_emptied = 0

    def put(self, key: Key, item: Map) -> None:
        self.kept[key] = item

    def drop(self, key: Key) -> None:
        self.kept.pop(key, None)
        self.was_emptied += not self.kept

    def keys(self) -> Iterator[Key]:
        return iter(self.kept)

    def __len__(self) -> int:
        return len(self.kept)

    @property
    def names(self) -> set[str]:
        return {name for _, name in self.kept}


@pytest.fixture
def stub(tmp_path: Path) -> ApiStub:
    return ApiStub(tmp_path)


def watched(
    stub: ApiStub,
    scenario: Callable[[Watch, Names], Awaitable[None]],
    *,
    resource: Resource = MODULES,
    timings: Timings = QUICK,
) -> None:
    """Runs a scenario while a watch runs over the stub."""

    async def run() -> None:
        async with stub.serving() as server:
            names = Names()
            watch = Watch(server, resource, names, timings)
            running = asyncio.create_task(watch.run())
            try:
                await scenario(watch, names)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


def test_a_list_is_read_page_by_page_and_watched_from_its_version(stub: ApiStub) -> None:
    stub.lists(page(module("a"), following="2nd"), page(module("b"), version="11"))
    stub.watches(QUIET)

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: bool(stub.queries(watch=True)))
        assert names.names == {"a", "b"}
        assert [query.get("continue") for query in stub.queries(watch=False)] == [None, "2nd"]
        assert stub.queries(watch=True)[0]["resourceVersion"] == "11"
        assert stub.queries(watch=True)[0]["allowWatchBookmarks"] == "true"

    watched(stub, scenario)


def test_events_change_what_is_kept(stub: ApiStub) -> None:
    stub.lists(page(module("a"), module("b")))
    stub.watches(events(event("ADDED", module("c", "11")), event("DELETED", module("a", "12")), stalls=True))

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: names.names == {"b", "c"})
        assert watch.state().count == 2

    watched(stub, scenario)


def test_a_watch_goes_on_from_the_last_bookmark_without_a_new_list(stub: ApiStub) -> None:
    stub.lists(page(module("a")))
    stub.watches(events(bookmark("57")), QUIET)

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: len(stub.queries(watch=True)) == 2)
        assert stub.queries(watch=True)[1]["resourceVersion"] == "57"
        assert len(stub.queries(watch=False)) == 1
        assert watch.state().restarts == 0

    watched(stub, scenario)


def test_a_bookmark_is_a_proof_of_life(stub: ApiStub) -> None:
    stub.lists(page())
    told = asyncio.Event()

    async def when_told(request: web.Request) -> web.StreamResponse:
        await told.wait()
        return await events(bookmark("58"), stalls=True)(request)

    stub.watches(when_told)

    async def scenario(watch: Watch, names: Names) -> None:
        assert watch.age == math.inf
        await until(lambda: bool(stub.queries(watch=True)))
        before = watch.age
        told.set()
        await until(lambda: watch.age < before)  # it only grows by itself

    watched(stub, scenario)


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


def test_a_quiet_watch_has_the_api_server_ask_how_far_etcd_is(stub: ApiStub) -> None:
    stub.lists(page(module("a"), module("b")), page(module("a"), version="500", following="2nd"))
    stub.watches(QUIET)

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: len(stub.queries(watch=False)) > 2)
        assert stub.queries(watch=False)[1] == {"limit": "1"}
        assert names.names == {"a", "b"}  # what it answers is no news
        assert len(stub.queries(watch=True)) == 1

    watched(stub, scenario, timings=replace(QUICK, nudge=0.02))


def test_a_watch_that_ends_at_its_time_without_a_word_is_no_failure(
    stub: ApiStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmodgate.webhook.cluster.watch._TOO_SHORT", 0.0)
    stub.lists(page(module("a")))
    stub.watches(events(), events(), QUIET)

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: len(stub.queries(watch=True)) == 3)
        assert (watch.state().restarts, watch.state().error) == (0, "")

    watched(stub, scenario)


def test_a_watch_that_is_ended_at_once_is_a_failure(stub: ApiStub) -> None:
    stub.lists(page(module("a")))
    stub.watches(events(), QUIET)

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: len(stub.queries(watch=True)) == 2)
        assert watch.state().restarts == 1

    watched(stub, scenario)


def test_a_kind_that_is_not_installed_is_known_to_be_none_and_found_when_it_comes(stub: ApiStub) -> None:
    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: len(stub.asked) > 2)
        assert (watch.synced, watch.state().installed, watch.state().error) == (True, False, "")
        stub.watches(QUIET)
        stub.lists(page(module("a")))
        await until(lambda: names.names == {"a"})
        assert watch.state().installed

    watched(stub, scenario)


def test_a_kind_that_is_uninstalled_leaves_nothing_behind(stub: ApiStub) -> None:
    stub.lists(page(module("a")), failure(404, "not found"))
    stub.watches(failure(404, "not found"))

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: watch.state().installed is False)
        assert names.names == set()

    watched(stub, scenario)


def test_a_kind_that_every_cluster_has_is_never_taken_for_missing(stub: ApiStub) -> None:
    stub.lists(page(module("a")), failure(404, "page not found"), path=NAMESPACES.path)
    stub.watches(failure(404, "page not found"), path=NAMESPACES.path)

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: watch.state().restarts > 2)
        assert names.names == {"a"}

    watched(stub, scenario, resource=NAMESPACES)


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


def test_only_the_metadata_of_a_kind_is_asked_for_where_that_is_enough(stub: ApiStub) -> None:
    stub.lists(page(), path=NAMESPACES.path)
    stub.watches(QUIET, path=NAMESPACES.path)

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: len(stub.asked) == 2)
        listed, followed = (request.headers["Accept"] for request in stub.asked)
        assert "as=PartialObjectMetadataList;" in listed
        assert "as=PartialObjectMetadata;" in followed

    watched(stub, scenario, resource=NAMESPACES)


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
