"""What the service makes of the keys of a ConfigMap that count: of its release, or of any where nobody knows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.cluster.ims_site import is_unresolved
from kmodgate.policy.findings import FieldPath, Problem, Severity
from kmodgate.policy.ims.setting_values import Effect, Reading
from kmodgate.policy.ims.settings import read
from kmodgate.policy.ims.versions import ims_release, known_ims_versions
from kmodgate.policy.review import Review

WRONG = (Effect.MISREAD, Effect.REPLACED, Effect.FAILS_JOBS, Effect.STOPS_START)
"""The effects of a value that is not what it seems; the others are those of sound values."""


class Judged(NamedTuple):
    """A key of the object with what the service makes of it; `since` is the release from which on, empty for all."""

    reading: Reading
    since: str

    @property
    def key(self) -> str:
        return self.reading.key

    @property
    def path(self) -> FieldPath:
        return ("data", self.key)

    @property
    def text(self) -> str:
        return self.reading.text or ""

    def problem(self, fix: str, severity: Severity | None = None, message: str = "") -> Problem:
        """Return the problem of the key, with the release from which on it is one."""
        message = message or self.reading.why
        return Problem(self.path, f"{message}, from IMS {self.since} on" if self.since else message, fix, severity)


def data(review: Review) -> Mapping[str, Any]:
    """Return the settings of the service that the object holds, of any type; none of another object."""
    return as_map(review.object.get("data")) if review.ims.is_config else {}


def texts(review: Review) -> Iterator[tuple[str, str]]:
    """Yield the keys of ims-config that have an effect and a known value, with their texts."""
    for key, text in data(review).items():
        if isinstance(text, str) and not (review.ims.is_overridden(key) or is_unresolved(review.object, text)):
            yield key, text


def judged(review: Review) -> Iterator[Judged]:
    """Yield what the service makes of each key of the object that has an effect."""
    release = review.ims.release
    environment = review.ims.environment.get("FLASK_ENV")
    for key, text in texts(review):
        if release is not None:
            yield Judged(read(key, text, release, environment=environment), "")
        else:
            yield _by_any(key, text, environment)


def wrong(review: Review, *keys: str) -> Iterator[Judged]:
    """Yield the keys whose value is not what it seems, of those that are named."""
    return (item for item in judged(review) if item.key in keys and item.reading.effect in WRONG)


@lru_cache(maxsize=1024)
def _by_any(key: str, text: str, environment: str | None) -> Judged:
    """Return a reading that holds whatever the release: one that finds a value wrong only if none finds it sound."""
    found = [
        (version, read(key, text, ims_release(version), environment=environment)) for version in known_ims_versions()
    ]
    sound = next((item for _, item in found if item.effect in (Effect.SOUND, Effect.UNKNOWN)), None)
    if sound is not None:
        return Judged(sound, "")
    effects = [(version, item) for version, item in found if item.effect in WRONG]
    if not effects:
        return Judged(found[-1][1], "")
    worst = effects[-1][1]
    since = next(version for version, item in found if item.effect is worst.effect)
    return Judged(worst, "" if since == found[0][0] or worst.effect is not Effect.STOPS_START else since)
