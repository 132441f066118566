"""Every metric of the webhook: its name, its help text and its labels, which docs/webhook.md repeats by `make docs`.

No label holds a name of the user's, but for those of `kmodgate_collections_refused` and `kmodgate_job_pods_refused`, of
which the latest hundred are kept: the number of labels is bounded. Counters that a part of the server keeps by itself
are read when the page is asked for; the part says so in its method `expose`.

The buckets of the latency are those of `apiserver_admission_webhook_admission_duration_seconds`, with finer ones below
its first, so that both curves can be laid over each other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, TypeAlias

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0)


Kind: TypeAlias = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Family:
    """What a metric is called and what it says."""

    kind: Kind
    name: str
    help: str
    labels: tuple[str, ...] = ()


REVIEWS = Family("counter", "kmodgate_reviews_total", "Reviews answered", ("path", "operation", "allowed", "dry_run"))
DURATION = Family(
    "histogram",
    "kmodgate_review_duration_seconds",
    "Time from the header of a review to its answer, in the API server's buckets and finer ones",
    ("path",),
)


_OF_FINDING = ("rule", "mode")


class Reviewed(Collector):
    """Reviews that were answered, and how long it took; a counter and a histogram would take four times as long."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str, str], int] = {}
        self._times: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def add(self, path: str, operation: str, seconds: float, *, allowed: bool, dry_run: bool) -> None:
        """One review more."""
        key = (path, operation, "true" if allowed else "false", "true" if dry_run else "false")
        self._counts[key] = self._counts.get(key, 0) + 1
        if path not in self._times:
            self._times[path], self._sums[path] = [0] * (len(BUCKETS) + 1), 0.0
        self._times[path][bisect_left(BUCKETS, seconds)] += 1
        self._sums[path] += seconds

    def collect(self) -> Iterator[Metric]:
        counts = CounterMetricFamily(REVIEWS.name, REVIEWS.help, labels=REVIEWS.labels)
        for key, count in self._counts.items():
            counts.add_metric(key, count)
        yield counts
        times = HistogramMetricFamily(DURATION.name, DURATION.help, labels=DURATION.labels)
        for path, found in self._times.items():
            bounds = (*map(str, BUCKETS), "+Inf")
            times.add_metric((path,), list(zip(bounds, accumulate(found), strict=True)), self._sums[path])
        yield times


class Counted(Collector):
    """A counter that one thread adds to; one of the library takes a lock, and ten times as long."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._counts: dict[tuple[str, ...], int] = {}

    def add(self, labels: Iterable[tuple[str, ...]]) -> None:
        """Count one more for each of the labels."""
        counts = self._counts
        for item in labels:
            counts[item] = counts.get(item, 0) + 1

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(self._family.name, self._family.help, labels=self._family.labels)
        for labels, count in self._counts.items():
            family.add_metric(labels, count)
        yield family


class Kept(Collector):
    """A metric whose values are kept elsewhere, and read when the page is asked for."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._values: dict[tuple[str, ...], Callable[[], float | None]] = {}

    def read(self, value: Callable[[], float | None], *labels: str) -> None:
        """Take the value of these labels from a function; where it returns None, they are not shown."""
        self._values[labels] = value

    def forget(self, *labels: str) -> None:
        """Show these labels no longer."""
        self._values.pop(labels, None)

    def collect(self) -> Iterator[Metric]:
        made = CounterMetricFamily if self._family.kind == "counter" else GaugeMetricFamily
        family = made(self._family.name, self._family.help, labels=self._family.labels)
        for labels, value in self._values.items():
            if (found := value()) is not None:
                family.add_metric(labels, found)
        yield family


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.families = [REVIEWS, DURATION]
        self.reviews = Reviewed()
        self.registry.register(self.reviews)
        self.findings = Counted(
            self._new(Family("counter", "kmodgate_findings_total", "Findings in the objects of reviews", _OF_FINDING))
        )
        self.registry.register(self.findings)
        text = "Pods that the policy refuses, let through because their controller is older than its enforcement"
        self.let_through = self._counter("kmodgate_pods_let_through_total", text, "dry_run")
        for dry_run in ("false", "true"):
            self.let_through.labels(dry_run)  # shown from the start, so that its absence is no zero
        text = "Requests refused before they were reviewed: 429 too many at once, 413 too large, 408 too slow, …"
        self.refused = self._counter("kmodgate_requests_refused_total", text, "code")
        self.failures = self._counter("kmodgate_internal_errors_total", "Reviews denied because of a bug")
        self.in_flight = self._kept("gauge", "kmodgate_reviews_in_flight", "Reviews being answered")
        self.bytes_in_flight = self._kept(
            "gauge", "kmodgate_review_bytes_in_flight", "Bytes of the reviews being answered"
        )
        self.arriving = self._kept("gauge", "kmodgate_bodies_arriving", "Reviews whose body has not arrived yet")
        text = "Bodies that had stopped arriving and gave up their bytes to others"
        self.arrivals_given_up = self._kept("counter", "kmodgate_bodies_given_up_total", text)
        self._add_connections()
        self._add_facts()
        self._add_policy()
        self._add_judged_before()
        text = "Deletions by the garbage collector that were refused, because the Modules still need the object"
        labels = ("namespace", "kind", "name", "modules")
        self.collections = self._kept("gauge", "kmodgate_collections_refused", text, *labels)
        text = "Pods of DKMS work refused to a Job within ten minutes, of the latest hundred Jobs and rules"
        self.job_pods = self._kept("gauge", "kmodgate_job_pods_refused", text, "namespace", "job", "rules")
        self._add_workers()
        self.audit_lines_lost = self._kept(
            "gauge", "kmodgate_audit_lines_lost", "Decisions not written to the audit log since start"
        )
        self.event_lines_lost = self._kept("counter", "kmodgate_event_lines_lost_total", "Events not written to stderr")
        self.ready = self._kept("gauge", "kmodgate_ready", "1 while `/readyz` says yes")

    def _add_workers(self) -> None:
        self.worker_losses = self._kept(
            "gauge", "kmodgate_worker_losses", "Processes for large objects lost in a review since start"
        )
        self.worker_processes = self._kept(
            "gauge", "kmodgate_worker_processes", "Processes for large or costly objects, those that start included"
        )
        self.worker_waiting = self._kept(
            "gauge", "kmodgate_worker_waiting", "Reviews that wait for such a process to be free"
        )

    def _add_connections(self) -> None:
        self.connections = self._kept("gauge", "kmodgate_connections", "Open connections")
        text = "Connections refused since start because too many were open"
        self.connections_refused = self._kept("gauge", "kmodgate_connections_refused", text)
        text = (
            "Connections ended early: the `handshake` failed, a `header` came late, a `reply` was not read in time, "
            "the `place` of a silent one was given to another"
        )
        self.connections_failed = self._kept("counter", "kmodgate_connections_failed_total", text, "reason")
        text = "Time until the served certificate expires"
        self.certificate_expiry = self._kept("gauge", "kmodgate_certificate_expiry_seconds", text)
        self.certificates_taken = self._kept(
            "counter", "kmodgate_certificates_taken_total", "Certificates taken into use"
        )

    def _add_facts(self) -> None:
        text = "Time since the cache of a kind was proven current"
        self.facts_age = self._kept("gauge", "kmodgate_facts_age_seconds", text, "kind")
        text = "1 once a kind was read, or is known not to be installed"
        self.facts_synced = self._kept("gauge", "kmodgate_facts_synced", text, "kind")
        self.facts_objects = self._kept("gauge", "kmodgate_facts_objects", "Objects of a kind in the cache", "kind")
        text = "Watches of a kind that ended with an error"
        self.watch_restarts = self._kept("counter", "kmodgate_watch_restarts_total", text, "kind")

    def _add_policy(self) -> None:
        self._policy = self._gauge("kmodgate_policy_info", "1 for the policy in force", "hash", "profile")
        text = "1 while the policy in force is the newest, 0 while the newest is broken"
        self.policy_valid = self._gauge("kmodgate_policy_valid", text)
        text = "1 while it is known who KMM is, or that there is none, 0 while its own records are not kept for it"
        self.kmm_known = self._kept("gauge", "kmodgate_kmm_known", text)
        text = "Changes of the policy file: `taken` into force, `refused` as broken, `restored` to the policy in force"
        self.reloads = self._counter("kmodgate_policy_reloads_total", text, "outcome")

    def _add_judged_before(self) -> None:
        text = "Objects whose problems were known from a review before (`hit`), or were not (`miss`)"
        self.judged_before = self._kept("counter", "kmodgate_judged_before_total", text, "outcome")
        text = "Reviews answered as before: object, policy, and what is known of the cluster were the same"
        self.answered_before = self._kept("counter", "kmodgate_answered_before_total", text)
        text = "Objects whose problems are kept"
        self.judged_before_entries = self._kept("gauge", "kmodgate_judged_before_entries", text)
        text = "Bytes of the problems that are kept, about"
        self.judged_before_bytes = self._kept("gauge", "kmodgate_judged_before_bytes", text)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        family = self._new(Family("counter", name, text, labels))
        return Counter(family.name, family.help, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        family = self._new(Family("gauge", name, text, labels))
        return Gauge(family.name, family.help, labels, registry=self.registry)

    def _kept(self, kind: Kind, name: str, text: str, *labels: str) -> Kept:
        kept = Kept(self._new(Family(kind, name, text, labels)))
        self.registry.register(kept)
        return kept

    def _new(self, family: Family) -> Family:
        self.families.append(family)
        return family

    def holds(self, digest: str, profile: str, *, newest: bool) -> None:
        """Which policy is in force, and whether it is the newest that was read."""
        self._policy.clear()
        self._policy.labels(digest, profile).set(1)
        self.policy_valid.set(newest)

    def page(self) -> bytes:
        """All metrics, those of the process and of Python among them, as Prometheus reads them."""
        return generate_latest(self.registry) + generate_latest(REGISTRY)
