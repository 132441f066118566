"""The examples in docs/rules.md: the first object that a rule finds, and the first that it is silent about."""

from __future__ import annotations

from pathlib import Path

_RULES = Path(__file__).parent.parent / "tests" / "rules"

SHOWN = (
    "BLD106", "DKF", "KTA115", "LDR105", "LDR108", "LDR201", "MAP103", "MAP209", "OPC", "SCH109", "SGN109", "SGN110",
)  # fmt: skip
"""Rules, and families of them, whose page says more with an example: they read what people write as text."""


def examples(id: str) -> str:
    """Return the two examples of a rule in Markdown; nothing for a rule that is not among those."""
    if not id.startswith(SHOWN):
        return ""
    found = (("Found:", "fail"), ("Not found:", "pass"))
    return "".join(f"\n{title}\n\n```yaml\n{_first(id, kind)}```\n" for title, kind in found)


def _first(id: str, kind: str) -> str:
    """The first example of a kind, without the lines that are for the test."""
    text = min((_RULES / id).glob(f"{kind}-*.yaml")).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("# expect: ")]
    while lines[-1] in ("", "---"):
        lines.pop()
    return "\n".join(lines) + "\n"
