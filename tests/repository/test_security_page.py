"""docs/security.md names tests that exist, and none of the known ways around is left without one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from kmodgate.renderer.arguments import VERBS
from tests.fleets import REPOSITORY

PAGE = (REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8")

IDS = sorted(set(re.findall(r"`([\w/]+\.py::\w+)`", PAGE)))


def defined_in(file: str) -> set[str]:
    tree = ast.parse((REPOSITORY / "tests" / file).read_text(encoding="utf-8"))
    return {item.name for item in tree.body if isinstance(item, ast.FunctionDef) and item.name.startswith("test_")}


def rows(heading: str) -> list[list[str]]:
    """The cells of a section's table."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@pytest.mark.parametrize("file", sorted({id.partition("::")[0] for id in IDS}))
def test_every_test_that_the_page_names_exists(file: str) -> None:
    named = {id.partition("::")[2] for id in IDS if id.startswith(f"{file}::")}
    assert named <= defined_in(file)


WAYS_AROUND = sorted((REPOSITORY / "tests" / "webhook" / "bypass").glob("test_*.py"))


STRANGERS = sorted((REPOSITORY / "tests" / "renderer" / "strangers").glob("test_*.py"))


@pytest.mark.parametrize("path", STRANGERS, ids=lambda path: path.name)
def test_the_page_names_the_tests_of_strangers_changes(path: Path) -> None:
    assert f"renderer/strangers/{path.name}::" in PAGE


def test_the_page_judges_every_command() -> None:
    named = " ".join(row[0] for row in rows("Commands on a pull request"))
    assert [verb for verb in VERBS if f"`{verb}" not in named] == []


@pytest.mark.parametrize("path", WAYS_AROUND, ids=lambda path: path.name)
def test_the_page_names_every_test_of_a_way_around(path: Path) -> None:
    file = f"webhook/bypass/{path.name}"
    named = {id.partition("::")[2] for id in IDS if id.startswith(f"{file}::")}
    assert defined_in(file)
    assert defined_in(file) - named == set()


@pytest.mark.parametrize(
    ("heading", "number"),
    [
        ("Ways around", 32),
        ("Threats", 18),
        ("Mitigations", 10),
        ("Threats to the renderer", 12),
        ("Commands on a pull request", 7),
    ],
)
def test_no_row_is_left_without_a_test(heading: str, number: int) -> None:
    found = rows(heading)
    assert len(found) >= number
    for row in found:
        assert "::test_" in row[-1], row


@pytest.mark.parametrize("heading", ["Threats", "Mitigations", "Threats to the renderer"])
def test_rows_are_numbered(heading: str) -> None:
    assert [row[0] for row in rows(heading)] == [str(number) for number, _ in enumerate(rows(heading), 1)]
