"""A selector that no node has → the labels of known nodes that its author may have meant."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple

from kmodgate.policy.views.node_placement import Nodes

_MOST_NODES = 64
_MOST_LABELS = 100
_MOST_KEYS = 10
_MOST_COMPARED = 2
_LONGEST = 256
"""How much of nodes and selectors is looked at: whoever sends Modules does not decide how long a comparison takes."""


class NearMiss(NamedTuple):
    """What the nodes have instead of the labels of a selector, and what to do; `seen` goes on with a sentence."""

    seen: str
    fix: str


def near_miss(selector: Mapping[str, object], nodes: Nodes) -> NearMiss:
    """Compare a selector with the labels of nodes that it does not select: another value, another spelling, or spread.

    Close labels are looked for on the first nodes alone: what most of them have, these have.
    """
    known = nodes.labels_of_first(_MOST_NODES, _MOST_LABELS)
    if not known:
        return NearMiss("", "correct it, or label nodes")
    wanted = [(key, value) for key, value in islice(selector.items(), _MOST_KEYS) if isinstance(value, str)]
    missing = [(key, value) for key, value in wanted if not any(node.labels.get(key) == value for node in nodes)]
    if not missing and len(selector) <= _MOST_KEYS:
        return NearMiss(" together: each label is on other nodes", "select labels that one node has, or label nodes")
    if not missing:
        return NearMiss("", "correct it, or label nodes")
    for key, value in missing[:_MOST_COMPARED]:
        if near := near_label(key, value, known):
            name, text = near
            message = f": they have {name}={text}, and not {key}={value}"
            return NearMiss(
                message, f"write {name}: {_quoted(text)} if that is meant, or label the nodes {key}={value}"
            )
    key, value = missing[0]
    return NearMiss(f": none has {key}={value}", f"correct the selector, or label nodes {key}={value}")


def near_label(key: str, value: str, known: Counter[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the label of most nodes with that key, else one of a similar key."""
    same_key = [(name, text) for (name, text), _ in known.most_common() if name == key]
    if same_key:
        texts = [text for _, text in same_key[:_MOST_LABELS]]
        close = difflib.get_close_matches(value[:_LONGEST], texts, n=1)
        return (key, close[0]) if close else same_key[0]
    names = islice(dict.fromkeys(name for name, _ in known), _MOST_LABELS)
    folded = {_folded(name): name for name in names}
    close = difflib.get_close_matches(_folded(key[:_LONGEST]), list(folded), n=1, cutoff=0.75)
    if not close:
        return None
    name = folded[close[0]]
    texts = [text for (other, text), _ in known.most_common() if other == name]
    return name, value if value in texts else texts[0]


def _folded(name: str) -> str:
    return name.lower().replace("_", "-")


def _quoted(text: str) -> str:
    return f'"{text}"'
