"""The two servers: reviews over TLS on one port, probes and metrics in plain on another."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from kmodgate.policy.webhook_entries.row import Path
from kmodgate.webhook.admission.admission_review import Unreadable, asker_in
from kmodgate.webhook.admission.admitter import Admitter
from kmodgate.webhook.admission.answer import Answer
from kmodgate.webhook.admission.audit_record import record
from kmodgate.webhook.admission.cost import is_costly
from kmodgate.webhook.admission.fail_closed import failed, judged, place_of, read
from kmodgate.webhook.certificates.client_certificates import ClientAuth
from kmodgate.webhook.cluster.questions import Cluster, Until
from kmodgate.webhook.http.limits import Gate, Refusal, deadline, read_body
from kmodgate.webhook.http.reply import reply
from kmodgate.webhook.http.reports import Reports
from kmodgate.webhook.large_bodies.fair_queue import Asker
from kmodgate.webhook.large_bodies.pipe import Job
from kmodgate.webhook.large_bodies.pool import Pool
from kmodgate.webhook.large_bodies.server_side import uid_of
from kmodgate.webhook.telemetry.audit_log import AuditLog
from kmodgate.webhook.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

PATHS: dict[str, Path] = {"/validate": "/validate", "/mutate": "/mutate"}

JSON = "application/json"

LARGE = 256 * 1024
"""Bytes from which on a body goes to the process of its own: decoding 3 MiB holds an interpreter for 30 ms."""


@dataclass
class Reviews:
    """What answers reviews. `admitter` is replaced as a whole when the policy changes."""

    admitter: Admitter
    cluster: Cluster
    gate: Gate
    metrics: Metrics
    log: AuditLog
    pool: Pool | None = None
    clients: ClientAuth | None = None
    large: int = LARGE
    is_draining: bool = False
    reports: Reports | None = None
    _telling: set[asyncio.Task[None]] = field(default_factory=set)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One HTTP request; its connection ends with the reply while the server drains."""
        try:
            response = await self._response(request)
        except Refusal as refusal:
            self.metrics.refused.labels(str(refusal.status)).inc()
            response = _plain(refusal.status, refusal.reason, refusal.headers)
            if "Expect" in request.headers:  # what comes next may be the body, or another request
                response.force_close()
        except Exception as error:  # a bug before there is a review: aiohttp would answer, and nobody would be told
            log.error("a request failed: %s", place_of(error))
            self.metrics.failures.inc()
            response = _plain(500, "a bug of kmodgate ended the request; its log has more", {"Connection": "close"})
        if self.is_draining:
            response.force_close()
        return response

    async def _response(self, request: web.BaseRequest) -> web.StreamResponse:
        target, _, query = request.raw_path.partition("?")
        path = PATHS.get(target)
        if path is None or request.method != "POST":
            return self._unwanted(404 if path is None else 405, f"POST a review to {' or '.join(PATHS)}")
        if (kind := request.headers.get("Content-Type", "")) != JSON and not _is_json(kind):
            return self._unwanted(415, "a review is application/json")
        if self.clients is not None and not self.clients.admits(request.get_extra_info("peercert")):
            return self._unwanted(403, "this client may not ask")
        with self.gate.enter(request.remote or "") as slot:
            began = time.perf_counter()
            until = deadline(_timeout(query), self.gate.limits)
            body = await read_body(request, slot, until)
            admitter, now = self.admitter, datetime.now(UTC)
            try:
                answer = await self._decide(path, body, admitter, until, now)
                encoded = answer.encoded(admitter.digest)
                seconds = time.perf_counter() - began
                self._count(path, answer, seconds)
                self._tell(answer)
                self.log.write(record(path, answer, body, admitter.digest, now, seconds))
            except Unreadable as error:
                return self._unwanted(400, error.message)
            except Exception as error:
                self.metrics.failures.inc()
                encoded = failed(uid_of(body), error).encoded(admitter.digest)
            return reply(request, encoded)

    async def _decide(self, path: Path, body: bytes, admitter: Admitter, until: float, now: datetime) -> Answer:
        if self.pool is not None and len(body) >= self.large:
            return await self._decide_apart(Asker(*asker_in(body)), path, body, admitter, until, now)
        request = read(body)
        if isinstance(request, Answer):
            return request
        if self.pool is not None and is_costly(request, len(body)):
            asker = Asker(request.user, request.namespace)
            return await self._decide_apart(asker, path, body, admitter, until, now)
        return await judged(path, request, admitter, Until(self.cluster, until), now)

    async def _decide_apart(
        self, asker: Asker, path: Path, body: bytes, admitter: Admitter, until: float, now: datetime
    ) -> Answer:
        """The same, by another process."""
        assert self.pool is not None
        job = Job(path, body, admitter.policy, admitter.traits, now)
        try:
            return await self.pool.decide(job, self.cluster, until, asker)
        except Unreadable:
            raise
        except Exception as error:
            return failed(uid_of(body), error)

    def _count(self, path: Path, answer: Answer, seconds: float) -> None:
        request = answer.request
        operation, dry_run = (request.operation, request.dry_run) if request else ("", False)
        self.metrics.reviews.add(path, operation, seconds, allowed=answer.is_allowed, dry_run=dry_run)
        if answer.findings:
            self.metrics.findings.add(answer.outcome.counted)
        if answer.existing and answer.is_allowed:
            self.metrics.let_through.labels("true" if dry_run else "false").inc()
        if answer.problem is not None and answer.problem[0] == 500:
            self.metrics.failures.inc()

    def _tell(self, answer: Answer) -> None:
        """Have the cluster told what an answer leaves hanging, while the answer goes out."""
        is_dry = answer.request is not None and answer.request.dry_run
        if answer.report is None or self.reports is None or is_dry:
            return
        task = asyncio.create_task(self.reports.tell(answer.report))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def _unwanted(self, status: int, reason: str) -> web.Response:
        self.metrics.refused.labels(str(status)).inc()
        return _plain(status, reason, {"Connection": "close"})


def _plain(status: int, reason: str, headers: Any) -> web.Response:
    response = web.Response(status=status, text=f"{reason}\n", headers=headers)
    if "Connection" in headers:  # which tells the caller, and the framework nothing
        response.force_close()
    return response


def _is_json(kind: str) -> bool:
    """Whether a `Content-Type` is JSON, in any spelling and with any parameters."""
    return kind.partition(";")[0].strip().lower() == JSON


@lru_cache(maxsize=64)  # the API server asks with the same few
def _timeout(query: str) -> str | None:
    """The value of `timeout` in a query: the API server writes it and nothing else, as in `timeout=10s`."""
    for part in query.split("&"):
        if part.startswith("timeout="):
            return part.removeprefix("timeout=")
    return None


@dataclass(frozen=True)
class Check:
    """One condition of readiness: whether it holds, and what is wrong where it does not, or worth knowing."""

    name: str
    ask: Callable[[], tuple[bool, str]]


def ops(metrics: Metrics, checks: Iterable[Check]) -> web.Application:
    """Liveness, which looks at nothing but that the loop turns; readiness by the checks; metrics."""
    conditions = list(checks)

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        results = [(check.name, *check.ask()) for check in conditions]
        lines = [
            f"[{'+' if holds else '-'}] {name}{f': {detail}' if detail else ''}" for name, holds, detail in results
        ]
        return web.Response(text="\n".join(lines) + "\n", status=200 if all(holds for _, holds, _ in results) else 503)

    async def page(_: web.Request) -> web.Response:
        return web.Response(body=metrics.page(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application(middlewares=[_telling_of_bugs(metrics)])
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", page)
    return app


def _telling_of_bugs(metrics: Metrics) -> Middleware:
    """Log and count what a handler raises: the framework's own lines are off, since strangers fill them."""

    @web.middleware
    async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except Exception as error:
            log.error("a request failed: %s", place_of(error))
            metrics.failures.inc()
            return web.Response(status=500, text="a bug of kmodgate ended the request; its log has more\n")

    return told
