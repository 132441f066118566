"""A decision in words: where the job runs, what is privileged there, who decided, and the way into Kata."""

from __future__ import annotations

import json
from collections.abc import Iterator

from kmodgate.policy.ims import settings
from kmodgate.policy.ims.questions.blocked import DECIDING, blocking
from kmodgate.policy.ims.questions.question import Question
from kmodgate.policy.ims.questions.ways_into_kata import smallest_change
from kmodgate.policy.ims.service.decision import Decision
from kmodgate.policy.ims.service.dkms_choice import Source
from kmodgate.policy.ims.setting_values import Effect

_HEADINGS = {
    "vm": "VM",
    "remote": "REMOTE",
    "worker-privileged": "WORKER, PRIVILEGED",
    "worker-unprivileged": "WORKER",
}
_SOURCES: dict[Source, str] = {
    "architecture": "architecture",
    "request": "request (require_dkms)",
    "recipe": "recipe (require_dkms)",
    "ims-config": "ims-config (JOB_ENABLE_DKMS)",
    "release": "release",
}


def heading(decision: Decision) -> str:
    """Where the job runs, in a word or two."""
    if not decision.starts:
        return "NO JOB: THE SERVICE DOES NOT START"
    if decision.is_failure:
        return "NO JOB: THE SERVICE FAILS"
    return _HEADINGS[decision.risk] if decision.risk else "NO JOB: THE REQUEST IS REFUSED"


def text(question: Question, decision: Decision, given: list[str]) -> str:
    """Return the decision for a person.

    :param given: where ims-config comes from, and what is to be known of it
    """
    return "\n".join((heading(decision), *(f"  {line}" for line in _lines(question, decision, given)))) + "\n"


def _lines(question: Question, decision: Decision, given: list[str]) -> Iterator[str]:
    yield f"job: {question.type}, {question.arch}, {question.release}"
    yield from (f"ims-config: {line}" for line in given)
    if question.type == "create" and question.recipe is None and not question.release.only_ims_config_decides:
        default = str(question.release.dkms_is_default).lower()
        yield f"recipe: its flag was not given; IMS stores {default} for a recipe that does not say"
    choice = decision.choice
    if choice is None:
        defects = [f"{reading.key}: {reading.why}" for reading in blocking(question)]
        yield from (f"because: {why}" for why in defects or (decision.because,))
    else:
        yield from _placement(decision)
        yield f"DKMS: {'yes' if choice.value else 'no'}, decided by: {_SOURCES[choice.decided_by]}"
        if choice.not_asked:
            yield f"not asked: {', '.join(_SOURCES[source] for source in choice.not_asked)}"
        yield f"because: {decision.because}"
    for key in DECIDING:
        reading = settings.read(key, question.config.get(key), question.release)
        if reading.why and reading.effect is not Effect.UNUSED:
            yield f"{key}: {reading.why}"
    yield from _way_into_kata(question, decision)


def _placement(decision: Decision) -> Iterator[str]:
    runtime_class = decision.runtimeClassName
    shown = (
        "none"
        if runtime_class is None
        else runtime_class
        if isinstance(runtime_class, str)
        else json.dumps(runtime_class)
    )
    yield f"runtime class: {shown}"
    if runtime_class is not None and not isinstance(runtime_class, str):
        yield "a class that is no text: Kubernetes refuses the Job, and IMS answers 500"
    place = "in the VM" if decision.risk == "vm" else "on the worker, outside any VM"
    names = ", ".join(decision.privileged_containers or ()) or "none"
    yield f"privileged {place}: {names}"
    if decision.risk == "remote":
        yield "the build runs on the remote node, in a privileged container of podman"


def _way_into_kata(question: Question, decision: Decision) -> Iterator[str]:
    if decision.risk == "vm":
        return
    changes = smallest_change(question)
    if not changes:
        yield "no change of flags or of ims-config that is known here leads into Kata"
    for number, change in enumerate(changes):
        yield f"{'smallest change into Kata' if not number else '  and'}: {change}"
