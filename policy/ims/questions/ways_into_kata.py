"""The smallest change that leads a job into its Kata VM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from itertools import combinations

from kmodgate.policy.ims.questions.blocked import blocking
from kmodgate.policy.ims.questions.question import Question
from kmodgate.policy.ims.service.records import AARCH64
from kmodgate.policy.ims.setting_values import DEFAULT_CLASS

_MOST = 3
"""Changes at once that are looked for."""

_Change = tuple[str, Callable[[Question], Question]]
"""What to do, and the question after it."""


def smallest_change(question: Question) -> tuple[str, ...]:
    """Return what to do so that the job runs in a VM: the fewest changes, those of one job before those of all.

    What keeps the job from being made comes first. Empty where it runs there already, or where no change is enough.
    """
    corrections = []
    for reading in blocking(question):
        corrections.append(f"correct {reading.key} in ims-config: {reading.why}")
        question = _without(question, reading.key)
    if question.answer().risk == "vm":
        return tuple(corrections)
    changes = list(_changes(question))
    for count in range(1, _MOST + 1):
        for chosen in combinations(changes, count):
            if reduce(lambda changed, change: change[1](changed), chosen, question).answer().risk == "vm":
                return (*corrections, *(text for text, _ in chosen))
    return ()


def _changes(question: Question) -> Iterator[_Change]:
    knows_flags = not question.release.only_ims_config_decides
    if question.type == "create" and knows_flags and not question.recipe:
        text = "set the recipe's flag: cray ims recipes update --require-dkms true RECIPE_ID"
        yield text, lambda changed: replace(changed, recipe=True)
    yield from _request_changes(question)
    key = "JOB_AARCH64_RUNTIME" if question.arch == AARCH64 and knows_flags else "JOB_KATA_RUNTIME"
    yield _setting(key, DEFAULT_CLASS)
    if question.release.ims_config_counts:
        yield _setting("JOB_ENABLE_DKMS", "true")
    if question.is_remote:
        text = "take the remote build node out: cray ims remote-build-nodes delete XNAME"
        yield text, lambda changed: replace(changed, is_remote=False)


def _request_changes(question: Question) -> Iterator[_Change]:
    if question.release.only_ims_config_decides:
        if question.request is not None:
            text = "leave require_dkms out of the request: this release does not know it"
            yield text, lambda changed: replace(changed, request=None)
    elif question.type == "customize" and not question.request:
        text = "set ims_require_dkms: true in a layer of the CFS configuration, or require_dkms: true in the request"
        yield text, lambda changed: replace(changed, request=True)
    elif question.request is False:
        text = "send require_dkms: true in the request, or leave it out and let the recipe decide"
        yield text, lambda changed: replace(changed, request=True)


def _setting(key: str, text: str) -> _Change:
    what = f'set {key}: "{text}" in ims-config, and restart cray-ims'
    return what, lambda changed: replace(changed, config={**changed.config, key: text})


def _without(question: Question, key: str) -> Question:
    return replace(question, config={name: text for name, text in question.config.items() if name != key})
