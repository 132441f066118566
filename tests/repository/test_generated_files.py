"""Generated files are up to date."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

from kmodgate.policy.rule import RETIRED, RULES, load_rules
from tests.fleets import REPOSITORY

load_rules()


def test_the_generated_pages_are_up_to_date() -> None:
    from tools.generate_docs import main

    assert main(["--check"]) == 0


def test_every_error_id_has_its_line_in_the_docs_and_the_other_way_round() -> None:
    sources = [
        path.read_text()
        for folder in ("policy", "renderer")
        for path in (REPOSITORY / folder).rglob("*.py")
        if "error_catalogue" not in path.parts
    ]
    ids = (
        {match for text in sources for match in re.findall(r'"([A-Z]{3}[0-9]{3})"', text)}
        - RULES.keys()
        - RETIRED.keys()
    )
    documented = re.findall(r"^\| ([A-Z]{3}[0-9]{3}) \|", (REPOSITORY / "docs/errors.md").read_text(), re.MULTILINE)
    assert ids == set(documented) - RULES.keys()
    assert {id for id in RULES if id.startswith("SCH")} < set(documented)


def test_the_composed_schemas_are_up_to_date() -> None:
    assert importlib.util.find_spec("tools.compose_schemas") is not None
    command = [sys.executable, "-m", "tools.compose_schemas", "--check"]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
