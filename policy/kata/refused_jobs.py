"""Jobs of DKMS work whose pods admission refuses: how the cluster is told of one, for whoever reads its Events.

A refused pod is no failed one: the Job controller tries again for ever, and a job of IMS stays at `creating`.
"""

from __future__ import annotations

from collections.abc import Iterable

from kmodgate.policy.findings import Finding

REASON = "KataPodRefused"
"""The reason of the Event on the Job; it stays, as the beginning of the message does."""

BEGINNING = "the pod of this Job is refused: "

_IS_OUTSIDE = "KTA101"
"""The rule that the pod is not in Kata; another one may say why."""

_LONGEST = 1000
"""Characters of a message, which events.k8s.io limits to 1024."""


def message(refusing: Iterable[Finding]) -> str:
    """Return the message of the Event: the beginning, and what refuses the pod, as `[RULE] FIELD: WORDS; FIX`."""
    causes_first = sorted(refusing, key=lambda item: item.rule == _IS_OUTSIDE)
    told = " | ".join(f"[{item.rule}] {item.field}: {item.message}; {item.fix}" for item in causes_first)
    text = BEGINNING + told
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
