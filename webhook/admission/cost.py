"""Whether a decoded review may take long to judge, told from its lists and expressions before any rule runs.

The rules take time in proportion to the object. So its size is enough, but for expressions: a short one may be large
once it is compiled, and each is then compared with the literals of the Module and the kernels of the nodes.
"""

from __future__ import annotations

import re
from typing import Any

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.kmm.kinds import MODULE_KINDS
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
    objects = [item for item in (request.object, request.old) if item]
    if request.kind in MODULE_KINDS and any(_weight(item) > MOST_WEIGHT for item in objects):
        return True
    return size > _SMALL and _has_many_items(objects)


def _weight(item: dict[str, Any]) -> int:
    """What the expressions of a Module weigh, as far as it matters."""
    spec = as_map(item.get("spec"))
    loader = as_map(as_map(spec.get("moduleSpec") or spec).get("moduleLoader"))
    mappings = as_map(loader.get("container")).get("kernelMappings")
    if not isinstance(mappings, list):
        return 0
    if len(mappings) > MOST_WEIGHT:
        return len(mappings)
    return sum(_weight_of(as_map(mapping).get("regexp")) for mapping in mappings)


def _weight_of(regexp: object) -> int:
    if not isinstance(regexp, str):
        return 1
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
