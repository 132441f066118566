"""Whether a decoded review may take long to judge, told from its lists and expressions before any rule runs.

The rules take time in proportion to the object. So its size is enough, but for expressions: a short one may be large
once it is compiled, and each is then compared with the literals of the Module and the kernels of the nodes. A changed
definition of one of KMM's kinds has a schema full of expressions, and comes but with an upgrade.
"""

from __future__ import annotations

import re
from typing import Any

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.kmm.kinds import MODULE_KINDS
from kmodgate.policy.kmm.misnamed_kinds import KMM_GROUPS
from kmodgate.policy.views.part import text_in
from kmodgate.webhook.admission.admission_review import Request

MOST_ITEMS = 2000
"""Fields of maps and items of lists, of the object and the old one together; each takes some microseconds."""

MOST_WEIGHT = 64
"""Of expressions: an ordinary one weighs 1, and compiling it takes some ten microseconds."""

_SMALL = 16 * 1024
"""Bytes of a body that cannot hold so many items that they are worth counting."""

_HEAVY = 32
_LARGE = re.compile(r"\{[0-9]*,?[0-9]{2}|\{[^{]*\{|\\[pP]")
"""Repetitions of more than nine, or several of them, and classes of Unicode: what may be large once it is compiled."""


def is_costly(request: Request, size: int) -> bool:
    """Whether a review belongs into a process of its own; `size` is that of its body in bytes."""
    if request.kind in MODULE_KINDS:
        expressions, old = _expressions(request.object), _expressions(request.old)
        if _weight(expressions) > MOST_WEIGHT or (old != expressions and _weight(old) > MOST_WEIGHT):
            return True
    if request.resource == "customresourcedefinitions" and request.operation == "UPDATE":
        return request.name.endswith(KMM_GROUPS)
    return size > _SMALL and _has_many_items([item for item in (request.object, request.old) if item])


def _expressions(item: dict[str, Any] | None) -> list[str]:
    """The expressions of a Module, one a mapping; empty where a mapping has none."""
    try:
        spec: Any = (item or {})["spec"]
        mappings = (spec.get("moduleSpec") or spec)["moduleLoader"]["container"]["kernelMappings"]
    except (AttributeError, KeyError, TypeError):  # none there, or of another shape
        return []
    return [text_in(as_map(mapping), "regexp") for mapping in mappings] if isinstance(mappings, list) else []


def _weight(expressions: list[str]) -> int:
    """What the expressions of a Module weigh, as far as it matters."""
    if len(expressions) > MOST_WEIGHT:
        return len(expressions)
    return sum(map(_weight_of, expressions))


def _weight_of(regexp: str) -> int:
    return 1 + len(regexp) // 64 + (_HEAVY if _LARGE.search(regexp) else 0)


def _has_many_items(objects: list[Any]) -> bool:
    pending, count = objects, 0
    while pending:
        item = pending.pop()
        count += len(item)
        if count > MOST_ITEMS:
            return True
        pending += [child for child in (item.values() if isinstance(item, dict) else item) if type(child) in _HOLDERS]
    return False


_HOLDERS = (dict, list)
