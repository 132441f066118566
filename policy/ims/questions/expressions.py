"""Jinja expressions in the ims-config of a handover: texts that nobody knows before the site resolves them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from kmodgate.policy.ims import settings
from kmodgate.policy.ims.questions.question import Question
from kmodgate.policy.ims.setting_values import DEFAULT_CLASS
from kmodgate.policy.ims.versions import ImsRelease

_CANDIDATES = {
    "JOB_ENABLE_DKMS": ("true", "false"),
    "JOB_KATA_RUNTIME": (DEFAULT_CLASS, "kata-other"),
    "JOB_AARCH64_RUNTIME": (DEFAULT_CLASS, ""),
}
"""Of each key that decides where a job runs, values that decide differently."""


def resolved(config: Mapping[str, str], unknown: Collection[str], release: ImsRelease) -> dict[str, str]:
    """Return the texts with the chart's value in place of an unknown one, or without the key."""
    known = {key: text for key, text in config.items() if key not in unknown}
    return known | {key: text for key, text in settings.chart_values(release).items() if key in unknown}


def undecided(question: Question, unknown: Collection[str]) -> Iterator[str]:
    """Yield those of the unknown keys whose value changes the answer."""
    for key, texts in _CANDIDATES.items():
        asked = (replace(question, config={**question.config, key: text}) for text in texts if key in unknown)
        if len({repr(one.answer()) for one in asked}) > 1:
            yield key
