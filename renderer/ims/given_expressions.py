"""Jinja expressions in the ims-config that a person gives: what is said of them, and where they are in the way."""

from __future__ import annotations

from collections.abc import Iterable

from kmodgate.policy.ims.questions.expressions import undecided
from kmodgate.policy.ims.questions.question import Question
from kmodgate.renderer.errors import Unusable


def expression_note(keys: tuple[str, ...]) -> str:
    """Return what is to be known of the keys whose text is an expression; "" where there are none."""
    if not keys:
        return ""
    return f"expressions of the site, whose values are unknown here and taken to be sound: {', '.join(keys)}"


def refuse_undecided(questions: Iterable[Question], keys: tuple[str, ...], path: str) -> None:
    """Raises Unusable where the unknown value of a key decides where one of the jobs runs."""
    for question in questions if keys else ():
        for key in undecided(question, keys):
            fix = "give the ims-config of the cluster: kubectl -n services get configmap ims-config -o yaml"
            raise Unusable(f"{path}: {key} is a Jinja expression, and its value decides where the job runs", fix)
