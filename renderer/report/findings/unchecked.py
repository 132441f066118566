"""What rules could not check for want of a fact: a note that fails nothing, once for every fact that is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding
from kmodgate.renderer.wording import listed


@dataclass(frozen=True, slots=True)
class Note:
    """One fact that is missing, what to do about it, and the rules that would have looked at it."""

    message: str
    fix: str
    rules: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"{self.message} ({listed(self.rules, len(self.rules))}); {self.fix}"


def notes(findings: Iterable[Finding]) -> Sequence[Note]:
    """The notes of a check, in the order of their words."""
    rules: dict[tuple[str, str], set[str]] = defaultdict(set)
    for finding in findings:
        if finding.is_unchecked:
            rules[finding.message, finding.fix].add(finding.rule)
    return [Note(*words, tuple(sorted(ids))) for words, ids in sorted(rules.items())]
