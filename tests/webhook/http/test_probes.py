"""What becomes of a bug in the handlers of probes and metrics."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp.test_utils import TestClient, TestServer

from kmodgate.webhook.http.app import Check, ops
from kmodgate.webhook.telemetry.metrics import Metrics

BUG = "a bug of kmodgate ended the request; its log has more\n"


def _broken() -> tuple[bool, str]:
    raise LookupError("drawer of a stranger")


async def _asked(metrics: Metrics, *paths: str) -> list[tuple[int, str]]:
    async with TestClient(TestServer(ops(metrics, [Check("broken", _broken)]))) as client:
        return [(reply.status, await reply.text()) for path in paths if (reply := await client.get(path))]


@pytest.mark.timing
def test_a_bug_in_a_probe_has_a_body_and_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    answers = asyncio.run(_asked(metrics, "/readyz", "/healthz", "/nowhere"))
    assert answers == [(500, BUG), (200, "ok\n"), (404, "404: Not Found")]
    (logged,) = (item.getMessage() for item in caplog.records if item.levelname == "ERROR")
    assert logged.startswith("a request failed: LookupError at ")
    assert "drawer" not in logged
    assert b"kmodgate_internal_errors_total 1.0" in metrics.page()
