"""Every metric of the webhook. No label holds a name of the user's: their number is bounded.

The buckets of the latency are those of `apiserver_admission_webhook_admission_duration_seconds`, with finer ones below
its first, so that both curves can be laid over each other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import accumulate

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0)


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
        labels = ("path", "operation", "allowed", "dry_run")
        counts = CounterMetricFamily("kmodgate_reviews", "Reviews answered", labels=labels)
        for key, count in self._counts.items():
            counts.add_metric(key, count)
        yield counts
        text = "Time from the header of a review to its answer"
        times = HistogramMetricFamily("kmodgate_review_duration_seconds", text, labels=("path",))
        for path, found in self._times.items():
            bounds = (*map(str, BUCKETS), "+Inf")
            times.add_metric((path,), list(zip(bounds, accumulate(found), strict=True)), self._sums[path])
        yield times


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.reviews = Reviewed()
        registry.register(self.reviews)
        self.findings = Counter("kmodgate_findings_total", "Findings", ("rule", "mode"), registry=registry)
        self.refused = Counter(
            "kmodgate_requests_refused_total", "Requests that were not looked at, by status", ("code",),
            registry=registry,
        )  # fmt: skip
        self.failures = Counter(
            "kmodgate_internal_errors_total",
            "Reviews denied because of a bug",
            registry=registry,
        )
        self.reloads = Counter(
            "kmodgate_policy_reloads_total", "Policies that were read anew, by outcome", ("outcome",), registry=registry
        )
        self.policy = Gauge("kmodgate_policy_info", "1 for the policy in force", ("hash", "profile"), registry=registry)
        self.policy_valid = Gauge(
            "kmodgate_policy_valid", "1 if the newest policy is the one in force, 0 if it is broken", registry=registry
        )

    def gauge(self, name: str, help: str, value: Callable[[], float]) -> None:
        """A gauge that is asked when it is read."""
        Gauge(name, help, registry=self.registry).set_function(value)

    def gauges(self, name: str, help: str, label: str, values: Mapping[str, Callable[[], float]]) -> None:
        """Gauges that are asked when they are read, by the values of a label."""
        gauge = Gauge(name, help, (label,), registry=self.registry)
        for value, ask in values.items():
            gauge.labels(value).set_function(ask)

    def holds(self, digest: str, profile: str, *, newest: bool) -> None:
        """Which policy is in force, and whether it is the newest that was read."""
        self.policy.clear()
        self.policy.labels(digest, profile).set(1)
        self.policy_valid.set(newest)

    def page(self) -> bytes:
        """All metrics, those of the process and of Python among them, as Prometheus reads them."""
        return generate_latest(self.registry) + generate_latest(REGISTRY)

    def found(self, rule: str, mode: str) -> None:
        """One finding of a review."""
        self._of_finding(rule, mode).inc()

    @cache  # noqa: B019 - one instance a process, and few labels
    def _of_finding(self, rule: str, mode: str) -> Counter:
        return self.findings.labels(rule, mode)
