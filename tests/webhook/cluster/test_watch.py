"""A watch while the API server answers: lists, events, bookmarks and kinds."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from kmodgate.webhook.cluster.live_facts import NAMESPACES
from kmodgate.webhook.cluster.watch import Watch
from tests.webhook.api_stub import ApiStub, bookmark, event, events, failure, module, page, until
from tests.webhook.cluster.watching import QUICK, QUIET, Names, watched

pytestmark = pytest.mark.timing


@pytest.fixture
def stub(tmp_path: Path) -> ApiStub:
    """A stub that lists nothing yet."""
    return ApiStub(tmp_path)


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


def test_only_the_metadata_of_a_kind_is_asked_for_where_that_is_enough(stub: ApiStub) -> None:
    stub.lists(page(), path=NAMESPACES.path)
    stub.watches(QUIET, path=NAMESPACES.path)

    async def scenario(watch: Watch, names: Names) -> None:
        await until(lambda: len(stub.asked) == 2)
        listed, followed = (request.headers["Accept"] for request in stub.asked)
        assert "as=PartialObjectMetadataList;" in listed
        assert "as=PartialObjectMetadata;" in followed

    watched(stub, scenario, resource=NAMESPACES)
