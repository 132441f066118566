"""Settings → the parts of a running server, and how they start and end."""

from __future__ import annotations

import asyncio
import gc
from argparse import Namespace
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from kmodgate.policy.judged_before import JudgedBefore
from kmodgate.policy.kmm.versions import Release
from kmodgate.policy.lazy import compile_expressions
from kmodgate.policy.review import ClusterTraits
from kmodgate.schemas.compiled import any_schema
from kmodgate.webhook.admission.admitter import Admitter
from kmodgate.webhook.admission.answered_before import AnsweredBefore
from kmodgate.webhook.admission.policy_file import PolicyFile
from kmodgate.webhook.certificates.client_certificates import ClientAuth
from kmodgate.webhook.certificates.served_certificate import Certificates
from kmodgate.webhook.certificates.source import Source, source_of
from kmodgate.webhook.cluster.live_cluster import Watched
from kmodgate.webhook.cluster.questions import NotAnswered
from kmodgate.webhook.cluster.watch import expose_states
from kmodgate.webhook.http.app import Check, Reviews, ops
from kmodgate.webhook.http.connections import PROBES, ConnectionLimits, Connections, ReviewServer, runner_options
from kmodgate.webhook.http.descriptors import connections_within, raise_limit
from kmodgate.webhook.http.limits import MIB, Gate, Limits
from kmodgate.webhook.http.listener import LimitedSite
from kmodgate.webhook.http.reports import Reports
from kmodgate.webhook.large_bodies.pool import Pool
from kmodgate.webhook.telemetry import events
from kmodgate.webhook.telemetry.audit_log import AuditLog
from kmodgate.webhook.telemetry.events import tell
from kmodgate.webhook.telemetry.metrics import Metrics

ENOUGH = timedelta(hours=1)
"""How long the certificate must be valid still for the server to be ready."""

_UNKNOWN_KMM = (
    "not known who KMM is: writing its own records is only warned of; name its users under parameters.controllers"
)

_LOOK_AT_POLICY = 2.0
_LOOK_AT_VERSION = 600.0
_AGAIN = 1.0
_NO_TIME = 0.1
"""Seconds in which the framework ends connections, twice: those of reviews are ended before, others may be cut."""


class Server:
    """One replica: it is started once, and ended once."""

    def __init__(self, settings: Namespace, cluster: Watched) -> None:
        """Raises Broken for a policy that cannot be used, CertificateError for files that hold no usable pair, OSError
        for an audit log that cannot be written.
        """
        self._settings = settings
        self._cluster = cluster
        self._release = Release(settings.kmm, settings.kmm_flavour == "redhat", settings.kubernetes)
        self._policy = PolicyFile(Path(settings.policy) if settings.policy else None, settings.profile)
        self.metrics = Metrics()
        self._before = AnsweredBefore(JudgedBefore(orjson.dumps), lambda: cluster.revision)
        _expose_before(self._before, self.metrics)
        self._clients = ClientAuth(
            settings.client_auth,
            Path(settings.client_ca) if settings.client_ca else None,
            frozenset(settings.client_name),
        )
        self._certificates = Certificates(self._clients)
        self._source: Source = source_of(settings, self._certificates)
        total = connections_within(raise_limit(), settings.max_connections)
        if total < settings.max_connections:
            tell("warning", "fewer connections than asked for: the limit of open files is low", connections=total)
        self._connections = Connections(ConnectionLimits(total=total, grace=settings.grace))
        with _named("--audit-log"):
            self._log = AuditLog("" if settings.audit_log == "none" else settings.audit_log)
        self._pool = Pool()
        self._reviews = Reviews(
            self._admitter(),
            cluster,
            Gate(Limits(requests=settings.max_requests, bytes=settings.max_megabytes * MIB)),
            self.metrics,
            self._log,
            self._pool,
            None if self._clients.mode == "off" else self._clients,
            reports=Reports(cluster.write_event),
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._runners: list[web.BaseRunner] = []
        self._site: LimitedSite | None = None
        self._expose()

    async def start(self) -> None:
        """Listens on both ports; readiness comes when certificate and facts are there. Raises OSError, Broken."""
        await self._pool.start()
        compile_expressions()
        self._tasks += [
            asyncio.create_task(_for_ever("certificate", self._source.run)),
            asyncio.create_task(_for_ever("facts", self._cluster.run)),
            asyncio.create_task(_for_ever("policy", self._follow_policy)),
            asyncio.create_task(_for_ever("version", self._follow_version)),
        ]
        probes = Connections(PROBES)
        operations = web.AppRunner(
            ops(self.metrics, self._checks()), shutdown_timeout=_NO_TIME, **runner_options(probes.limits)
        )
        await operations.setup()
        plain = self._settings.ops_listen
        probing = LimitedSite(operations, plain.host, plain.port, context=None, connections=probes)
        with _named("--ops-listen"):
            await probing.start()
        self._runners.append(operations)
        reviews = web.ServerRunner(
            ReviewServer(self._reviews.handle, **runner_options(self._connections.limits)),
            shutdown_timeout=_NO_TIME,
        )
        await reviews.setup()
        secure = self._settings.listen
        self._site = LimitedSite(
            reviews, secure.host, secure.port, context=self._certificates.context, connections=self._connections
        )
        with _named("--listen"):
            await self._site.start()
        self._runners.append(reviews)
        # what is alive now stays alive: no use looking for garbage among it again and again
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        ports = {"reviews": self._site.port, "operations": probing.port}
        tell("info", "serving", **ports, policy=self._reviews.admitter.digest, profile=self._policy.policy.profile)

    async def end(self, at_once: asyncio.Event, *, delay: float) -> None:
        """Drains, and stops; `at_once` cuts the waits short."""
        self._reviews.is_draining = True
        tell("info", "draining", in_flight=self._reviews.gate.requests, seconds=delay)
        await _until(at_once, asyncio.sleep(delay))
        if self._site is not None:
            await _until(at_once, self._site.stop())
        for runner in reversed(self._runners):
            await _until(at_once, runner.cleanup())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pool.stop()
        self._log.close()
        tell("info", "stopped")

    def _admitter(self) -> Admitter:
        settings = self._settings
        platform, seen = settings.platform, self._cluster.controllers
        traits = ClusterTraits(self._release, settings.topology, platform, any_schema, controllers=seen)
        admitter = Admitter(self._policy.policy, traits, self._before)
        self.metrics.holds(admitter.digest, self._policy.policy.profile, newest=not self._policy.problem)
        return admitter

    async def _follow_policy(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_AT_POLICY)
            problem = self._policy.problem
            if self._policy.refresh():
                self._reviews.admitter = self._admitter()
                self.metrics.reloads.labels("taken").inc()
                tell("info", "policy taken over", hash=self._reviews.admitter.digest)
            elif self._policy.problem and self._policy.problem != problem:
                self.metrics.reloads.labels("refused").inc()
                tell("error", "policy refused; the last good one stays in force", problem=self._policy.problem)
            elif problem and not self._policy.problem:
                self.metrics.reloads.labels("restored").inc()
                tell("info", "policy valid again, and the one in force", hash=self._reviews.admitter.digest)
            self.metrics.policy_valid.set(not self._policy.problem)

    async def _follow_version(self) -> None:
        """What the API server can do changes with an upgrade; some rules ask for it."""
        while not self._settings.kubernetes:
            try:
                version = await self._cluster.version()
            except NotAnswered:
                await asyncio.sleep(_AGAIN)
                continue
            if version != self._release.kubernetes:
                self._release = replace(self._release, kubernetes=version)
                self._reviews.admitter = self._admitter()
                tell("info", "version of the API server", version=version)
            await asyncio.sleep(_LOOK_AT_VERSION)
        await asyncio.Event().wait()

    def _checks(self) -> list[Check]:
        return [
            Check("serving", lambda: (not self._reviews.is_draining, "draining" * self._reviews.is_draining)),
            Check("certificate", self._certificate_holds),
            Check("facts", lambda: (self._cluster.is_ready, ", ".join(self._unsynced()))),
            Check("policy", lambda: (True, self._policy.problem)),
            Check("kmm", lambda: (True, _UNKNOWN_KMM * (not self._knows_kmm()))),
        ]

    def _knows_kmm(self) -> bool:
        """Whether somebody says which users are KMM's, or there is no KMM."""
        is_missing = any(state.kind == "Module" and state.installed is False for state in self._cluster.states())
        return is_missing or bool(self._cluster.controllers or self._policy.policy.parameters.controllers)

    def _certificate_holds(self) -> tuple[bool, str]:
        problem = self._certificates.last_error or self._source.last_error or self._certificates.lack(ENOUGH)
        return self._certificates.valid_for(ENOUGH), problem

    def _unsynced(self) -> list[str]:
        return [
            state.error or f"{state.kind}: not read yet"
            for state in self._cluster.states()
            if not state.synced or state.refused
        ]

    def _expose(self) -> None:
        metrics = self.metrics
        for part in (self._reviews.gate, self._connections, self._certificates, self._pool, self._log):
            part.expose(metrics)
        expose_states(self._cluster.states, metrics)
        if self._reviews.reports is not None:
            self._reviews.reports.expose(metrics)
        metrics.kmm_known.read(self._knows_kmm)
        metrics.event_lines_lost.read(events.lost)
        metrics.ready.read(lambda: all(check.ask()[0] for check in self._checks()))


def _expose_before(before: AnsweredBefore, metrics: Metrics) -> None:
    """Show how often what was found or answered before was of use, and what is kept for that, as metrics."""
    judged = before.judged
    metrics.answered_before.read(lambda: before.hits)
    metrics.judged_before.read(lambda: judged.hits, "hit")
    metrics.judged_before.read(lambda: judged.misses, "miss")
    metrics.judged_before_entries.read(lambda: len(judged))
    metrics.judged_before_bytes.read(lambda: judged.bytes)


@contextmanager
def _named(flag: str) -> Iterator[None]:
    """What the machine refuses is told with the flag that asked for it."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{flag}: {error}") from error


async def _for_ever(name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Keeps one duty going: an error in it is told, and the duty taken up again."""
    while True:
        try:
            await run()
        except Exception as error:
            tell("error", f"{name}: failed, and starts again", error=repr(error))
        await asyncio.sleep(_AGAIN)


async def _until(at_once: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Waits for the work, or until there is no time for it."""
    task, stop = asyncio.ensure_future(work), asyncio.ensure_future(at_once.wait())
    await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not task.done():
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task
