"""Settings with which a job is not made at all, whatever else is set: what they hide, and which they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kmodgate.policy.ims import settings
from kmodgate.policy.ims.questions.question import Question
from kmodgate.policy.ims.setting_values import Reading

DECIDING = ("JOB_ENABLE_DKMS", "JOB_KATA_RUNTIME", "JOB_AARCH64_RUNTIME")
"""The keys that decide where a job runs."""


def without_defects(question: Question) -> Question:
    """Return the question with the keys that decide alone, the service's own values in place of the others."""
    return replace(question, config={key: text for key, text in question.config.items() if key in DECIDING})


def is_fault_of_config(question: Question) -> bool:
    """Whether the job is not made, and would be with another ims-config."""
    return question.answer().risk is None and replace(question, config={}).answer().risk is not None


def blocking(question: Question) -> Iterator[Reading]:
    """Yield the readings of keys that decide nothing, and with each of which alone the job is not made."""
    if not is_fault_of_config(question):
        return
    for key, text in question.config.items():
        if key not in DECIDING and replace(question, config={key: text}).answer().risk is None:
            reading = settings.read(key, text, question.release)
            yield reading if reading.why else replace(reading, why=f"{text!r} breaks the job template: 500")
