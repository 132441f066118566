"""The smallest change that leads a job into its Kata VM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from kmodgate.policy.ims.questions.question import Question
from kmodgate.policy.ims.service.records import AARCH64
from kmodgate.policy.ims.setting_values import DEFAULT_CLASS
from kmodgate.policy.ims.settings import start_errors

_MOST = 3
"""Changes at once that are looked for."""


def smallest_change(question: Question) -> tuple[str, ...]:
    """Return what to do so that the job runs in a VM: the fewest changes, those of one job before those of all.

    Empty where it runs there already, or where no such change is enough.
    """
    if question.answer().risk == "vm":
        return ()
    changes = list(_changes(question))
    for count in range(1, _MOST + 1):
        for chosen in combinations(changes, count):
            if _changed(question, *(fields for _, fields in chosen)).answer().risk == "vm":
                return tuple(text for text, _ in chosen)
    return ()


_Fields = dict[str, object]


def _changes(question: Question) -> Iterator[tuple[str, _Fields]]:
    knows_flags = not question.release.only_ims_config_decides
    if question.type == "create" and knows_flags and not question.recipe:
        yield "set the recipe's flag: cray ims recipes update --require-dkms true RECIPE_ID", {"recipe": True}
    if question.request is False or (knows_flags and question.type == "customize" and question.request is None):
        if question.type == "customize":
            yield (
                "set ims_require_dkms: true in a layer of the CFS configuration, or require_dkms: true in the request",
                {"request": True},
            )
        else:
            yield "send require_dkms: true in the request, or leave it out and let the recipe decide", {"request": True}
    key = "JOB_AARCH64_RUNTIME" if question.arch == AARCH64 and knows_flags else "JOB_KATA_RUNTIME"
    yield f'set {key}: "{DEFAULT_CLASS}" in ims-config, and restart cray-ims', {key: DEFAULT_CLASS}
    if question.release.ims_config_counts:
        yield 'set JOB_ENABLE_DKMS: "true" in ims-config, and restart cray-ims', {"JOB_ENABLE_DKMS": "true"}
    for reading in start_errors(question.config, question.release):
        yield f"correct {reading.key} in ims-config: {reading.why}", {reading.key: None}
    if question.is_remote:
        yield "take the remote build node out: cray ims remote-build-nodes delete XNAME", {"is_remote": False}


def _changed(question: Question, *fields: _Fields) -> Question:
    config = dict(question.config)
    for key, value in ((key, value) for group in fields for key, value in group.items()):
        if not key.isupper():
            question = replace(question, **{key: value})  # type: ignore[arg-type]
        elif value is None:
            config.pop(key, None)
        else:
            config[key] = str(value)
    return replace(question, config=config)
