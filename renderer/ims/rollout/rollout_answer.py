"""What a question about the roll-out of IMS comes to, for a person and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, field

from kmodgate.policy.data_class import dataclass
from kmodgate.renderer.wording import printable


@dataclass
class Answer:
    """`problems` are why the answer is no, `facts` what was seen besides, `missing` what the input did not say.

    `unused` are the files that held nothing to answer with.
    """

    problems: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    def text(self, verdict: str) -> str:
        lines = [verdict, *self.problems, *self.facts, *(f"not in the input: {text}" for text in self.missing)]
        lines += [f"not used: {text}" for text in self.unused]
        return "".join(f"{printable(line)}\n" for line in lines)

    def as_json(self, verdict: str) -> str:
        return json.dumps({"verdict": verdict, **asdict(self)}, indent=2) + "\n"
