"""Kinds and groups that were KMM's once, or that somebody writes who means one of KMM's.

Sources: api/v1alpha1 of KMM before 1.0 (`kmm.sigs.k8s.io`), its ancestors out-of-tree-operator (`ooto.sigs.k8s.io`) and
special-resource-operator (`sro.openshift.io`).
"""

from __future__ import annotations

from kmodgate.policy.memo import kept

KMM_GROUPS = (KMM_GROUP, HUB_GROUP) = ("kmm.sigs.x-k8s.io", "hub.kmm.sigs.x-k8s.io")

FORMER_GROUPS = ("kmm.sigs.k8s.io", "hub.kmm.sigs.k8s.io", "ooto.sigs.k8s.io", "sro.openshift.io")
"""The groups of KMM before its version 1.0, and of the operators that it grew from."""

_NEAR = 2
_IRREGULAR = {"preflightvalidationsocp": "PreflightValidationOCP"}


def meant_kind(kind: str, known: tuple[str, ...]) -> str:
    """Return the kind that a text names in other letters, in the plural or with at most two letters wrong.

    Empty where it names none of the known.
    """
    plain = kind.lower()
    by_name = {name.lower(): name for name in known}
    exact = by_name.get(plain) or by_name.get(plain.removesuffix("s"), "") or _IRREGULAR.get(plain, "")
    return exact or next((name for text, name in by_name.items() if _is_near(plain, text)), "")


@kept
def meant_group(group: str) -> str:
    """Return the group of KMM that a former one became, or of which another one is at most two letters off."""
    group = group.lower()
    if group in KMM_GROUPS:
        return group
    if group in FORMER_GROUPS:
        return HUB_GROUP if group.startswith("hub.") else KMM_GROUP
    return next((known for known in KMM_GROUPS if _is_near(group, known)), "")


def names_kmm(group: str) -> bool:
    """Whether a group has KMM's name as a part, as `kmm.openshift.io`: its `Module` is meant for KMM."""
    return "kmm" in group.lower().split(".")


def _is_near(text: str, known: str) -> bool:
    """Whether at most two letters are changed, added or left out, with two that changed places as one change."""
    if abs(len(text) - len(known)) > _NEAR:
        return False
    before: list[int] = []
    row = list(range(len(known) + 1))
    for index, letter in enumerate(text, 1):
        older, before = before, row
        row = [index]
        for place, other in enumerate(known, 1):
            cost = min(before[place] + 1, row[-1] + 1, before[place - 1] + (letter != other))
            if older and place > 1 and letter == known[place - 2] and text[index - 2] == other:
                cost = min(cost, older[place - 2] + 1)
            row.append(cost)
    return row[-1] <= _NEAR
