"""What KMM's webhook refuses of tolerations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kmodgate.policy.findings import Problem
from kmodgate.policy.formats.kubernetes_names import is_label_value, is_qualified_name
from kmodgate.policy.present import TOLERATIONS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


@rule("KMM301", since="2.3", needs=TOLERATIONS)
def toleration_key(review: Review) -> Iterator[Problem]:
    """The key of a toleration is not a label key, or is empty while the operator is not Exists.

    Fix: write `name` or `domain/name`; to tolerate every taint, leave the key out and set `operator: Exists`.
    Source: validateTolerations in internal/webhook/module.go.
    """
    for item in review.module.tolerations:
        key = item.text("key")
        if key and not is_qualified_name(key):
            yield item.problem("key", f"{key!r} is not a label key", "write it as name or domain/name")
        elif not key and item.text("operator") != "Exists":
            yield item.problem(
                "operator", "must be Exists where there is no key", "name a key, or set operator: Exists"
            )


@rule("KMM302", since="2.3", needs=TOLERATIONS)
def toleration_value(review: Review) -> Iterator[Problem]:
    """The value of a toleration is not a label value, or is given although the operator is Exists.

    Fix: correct the value, or remove it.
    Source: validateTolerations in internal/webhook/module.go.
    """
    for item in review.module.tolerations:
        operator, value = item.text("operator"), item.text("value")
        if operator in ("", "Equal") and not is_label_value(value):
            fix = "use at most 63 letters, digits, '-', '_' and '.'"
            yield item.problem("value", f"{value!r} is not a label value", fix)
        elif operator == "Exists" and value:
            yield item.problem("value", "must be empty with operator Exists", "remove it, or use operator: Equal")


@rule("KMM303", since="2.3", needs=TOLERATIONS)
def toleration_operator(review: Review) -> Iterator[Problem]:
    """The operator of a toleration is neither Equal nor Exists.

    Fix: use one of the two; left out it is Equal.
    Source: validateTolerations in internal/webhook/module.go.
    """
    for item in review.module.tolerations:
        if item.text("operator") not in ("", "Equal", "Exists"):
            fix = _written(item.text("operator"), ("Equal", "Exists")) or "use Equal or Exists"
            yield item.problem("operator", f"{item.text('operator')!r} is unknown", fix)


@rule("KMM304", since="2.3", needs=TOLERATIONS)
def toleration_effect(review: Review) -> Iterator[Problem]:
    """The effect of a toleration is unknown, or is not NoExecute although tolerationSeconds is given.

    Fix: use NoSchedule, PreferNoSchedule or NoExecute; seconds go with NoExecute only.
    Source: validateTolerations in internal/webhook/module.go.
    """
    for item in review.module.tolerations:
        effect = item.text("effect")
        if effect and effect not in _EFFECTS:
            fix = _written(effect, _EFFECTS) or f"use one of: {', '.join(_EFFECTS)}"
            yield item.problem("effect", f"{effect!r} is unknown", fix)
        if "tolerationSeconds" in item.value and effect != "NoExecute":
            yield item.problem("effect", "must be NoExecute with tolerationSeconds", "remove tolerationSeconds")


def _written(text: str, known: Iterable[str]) -> str:
    """The fix for a word in other letters; empty where it is another one."""
    return next((f"write {word}" for word in known if word.lower() == text.strip().lower()), "")
