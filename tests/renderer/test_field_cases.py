"""Field cases: small inputs on which people were hurt, kept beside the repository, with what a good tool says.

`tests/field_open.txt` names the cases that are not good yet, one a line. A listed case that passes fails the test, so
that the list only gets shorter. Write it again with

    .venv/bin/pytest tests/renderer/test_field_cases.py --update-field-open
"""

from __future__ import annotations

import runpy
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from tests import shared
from tests.command import forked_program
from tests.fleets import REPOSITORY

OPEN = REPOSITORY / "tests/field_open.txt"


@pytest.mark.shared
def test_exactly_the_listed_field_cases_fall_short(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    script = shared.need("field/run.py")
    command = forked_program(tmp_path)
    main = runpy.run_path(str(script))["main"]
    folders = (script.parent, script.parent.with_name("field-ims"))
    cases = sorted(path.parent for folder in folders for path in folder.glob("*/case.json"))
    failing = {case.name: report for case in cases if (report := shortcomings(main, command, case))}
    if request.config.getoption("--update-field-open"):
        OPEN.write_text("".join(f"{name}\n" for name in failing))
    listed = set(OPEN.read_text().split()) if OPEN.exists() else set()
    assert not listed - failing.keys(), "these pass, or are gone: take them off tests/field_open.txt"
    assert not {name: failing[name] for name in failing.keys() - listed}


def shortcomings(main: Callable[[list[str]], int], command: Path, case: Path) -> str:
    """Run one case, and return the report of the script if it falls short."""
    with redirect_stdout(StringIO()) as report:
        return report.getvalue() if main([str(command), str(case)]) else ""
