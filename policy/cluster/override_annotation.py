"""The annotation by which a person lets a namespace go although Modules are in it: who answers, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.data_class import dataclass

ANNOTATION = "kmodgate.io/override"
"""On the Namespace; its value is written like `alice@example.com until 2026-01-31T18:00:00Z`."""

EXAMPLE = "alice@example.com until 2026-01-31T18:00:00Z"


@dataclass(frozen=True, slots=True)
class Override:
    """Who answers for the removal, and until when it may be done."""

    owner: str
    expires: datetime

    def holds(self, now: datetime, hours: int) -> bool:
        """Whether its end lies ahead, and not further than that; asked when it is set, and when it is used."""
        return now < self.expires <= now + timedelta(hours=hours)


def annotation(namespace: Mapping[str, Any] | None) -> str | None:
    """The text of a Namespace's annotation, None where there is none."""
    found = as_map(metadata_of(namespace).get("annotations")).get(ANNOTATION)
    return found if isinstance(found, str) else None


def read(text: str) -> Override | None:
    """The override that a text says, None for a text that says none."""
    owner, separator, end = text.strip().rpartition(" until ")
    try:
        expires = datetime.fromisoformat(end)
    except ValueError:
        return None
    if not separator or not owner.strip() or expires.tzinfo is None:
        return None
    return Override(owner.strip(), expires)
