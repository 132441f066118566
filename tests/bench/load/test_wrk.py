"""The load of the benchmark tells answers that turn away from those that fail, and both from reviews."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from kmodgate.webhook.certificates.served_certificate import Certificates, Material
from tests.bench.load import wrk
from tests.bench.load.wrk import Throughput
from tests.webhook.issued_certificates import leaf
from tests.webhook.serving import run, serving

pytestmark = pytest.mark.skipif(not wrk.is_there(), reason=wrk.INSTALL)


def loaded(folder: Path, *statuses: int, count: bool) -> tuple[Throughput, Counter[int]]:
    """One run against a server that answers with these in turn, and how often it did."""
    turn, given, found = itertools.cycle(statuses), Counter[int](), list[Throughput]()
    (folder / "bodies").write_text("{}\n[]\n")

    async def answer(_request: web.Request) -> web.Response:
        status = next(turn)
        given[status] += 1
        return web.Response(status=status)

    async def scenario() -> None:
        certificates = Certificates()
        certificates.take(Material(leaf()))
        async with serving(certificates, answer) as server:
            options = {"connections": 2, "seconds": 1, "count": count}
            found.append(await asyncio.to_thread(wrk.run, server.port, os.getpid(), folder / "bodies", **options))  # type: ignore[arg-type]

    run(scenario())
    return found[0], given


def is_about(number: int, given: int) -> bool:
    """Whether wrk has counted what the server has sent; at the end an answer to each connection may be on its way."""
    return given - 2 <= number <= given


def test_answers_that_turn_away_are_counted_and_no_failures(tmp_path: Path) -> None:
    found, given = loaded(tmp_path, 200, 429, 200, count=True)
    assert given[429]
    assert is_about(found.turned_away, given[429])
    assert found.failed == 0


@pytest.mark.parametrize("count", [True, False])
def test_other_answers_than_success_are_failures(tmp_path: Path, count: bool) -> None:
    found, given = loaded(tmp_path, 200, 500, count=count)
    assert given[500]
    assert is_about(found.failed, given[500])
    assert found.turned_away == 0


def test_nothing_is_passed_over_where_answers_are_not_counted(tmp_path: Path) -> None:
    found, given = loaded(tmp_path, 200, 429, count=False)
    assert is_about(found.failed, given[429])
