"""Changes of the three sites, and the sentences of their diff."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.command import run


def edit(path: Path, *pairs: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def diff(fleet: Path, *arguments: str) -> Any:
    result = run("diff", "--format", "json", *arguments, cwd=fleet)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def sentences(fleet: Path, *arguments: str) -> list[str]:
    return [item["text"] for item in diff(fleet, *arguments)["consequences"]]
