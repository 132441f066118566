"""Modules as people publish them: `check` with the profile `default` says of each what its header says, and no more."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.command import run

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.yaml"))


def header(path: Path, name: str) -> list[str]:
    """The lines of a kind at the start of a file: `source`, `kmm`, `shape`, `warns` and `refused`."""
    return re.findall(rf"^# {name}: (.+)$", path.read_text(), re.MULTILINE)


def rules(lines: list[str]) -> list[str]:
    return sorted(line.split()[0] for line in lines)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_published_module_gives_no_false_alarm(path: Path) -> None:
    done = run("check", path.name, "--format", "json", cwd=path.parent)
    found = json.loads(done.stdout)["findings"]
    assert sorted({item["rule"] for item in found if item["mode"] == "warn"}) == rules(header(path, "warns"))
    assert sorted(item["rule"] for item in found if item["mode"] == "enforce") == rules(header(path, "refused"))
    assert done.returncode == (1 if header(path, "kmm") == ["refuses"] else 0)


def test_the_corpus_is_described() -> None:
    for path in CORPUS:
        assert header(path, "source")
        assert header(path, "shape")
        assert bool(header(path, "refused")) == (header(path, "kmm") == ["refuses"])
        assert all(len(line.split()) > 3 for line in header(path, "warns")), f"{path.name}: say why the warning is true"
    assert sum(header(path, "kmm") == ["accepts"] for path in CORPUS) >= 30
