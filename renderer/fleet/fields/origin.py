"""One Kubernetes object of a tree, and where each of its fields came from."""

from __future__ import annotations

from typing import Literal

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath


@dataclass(frozen=True, slots=True)
class Origin:
    """The place in a file that caused a field of a manifest, as line and column and as a path in its document.

    `source` is `default` where the author said nothing: the place is then of the closest thing that was said.
    It is `cluster` for a line of the cluster's spec.
    """

    file: str
    line: int
    column: int
    source: Literal["driver", "override", "default", "attached", "cluster"]
    path: FieldPath
