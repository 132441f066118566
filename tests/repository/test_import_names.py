"""Parts of kmodgate have one name, `kmodgate.PART`, in the tests and in every file of the repository."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from types import ModuleType

import pytest

from tests.fleets import REPOSITORY
from tests.import_names import PARTS, second_copies

_NAMES = "|".join(PARTS)
IMPORT = re.compile(rf"""(?:^|[;"'`]|\\n)\s*(?:from|import) (?:{_NAMES})(?=[\s.,;]|$)|-m (?:{_NAMES})\.""")
"""An import as a statement, in a line of Python or in a text that is run, or a module for `python -m`."""


@pytest.mark.parametrize("name", ["policy", "policy.engine", "renderer.cli", "schemas", "webhook"])
def test_an_import_from_the_top_level_fails_and_names_the_right_module(name: str) -> None:
    with pytest.raises(ImportError, match=rf"import 'kmodgate\.{name.partition('.')[0]}"):
        import_module(name)


def test_a_second_copy_is_seen_however_it_was_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert second_copies() == []
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "policy", ModuleType("policy"))
        assert second_copies() == ["policy"]


def test_no_file_imports_a_part_by_another_name() -> None:
    folders = ("docs", "examples", "manifests", "policy", "renderer", "schemas", "tests", "tools", "webhook")
    files = [
        path
        for folder in folders
        for path in (REPOSITORY / folder).rglob("*")
        if path.suffix in {".py", ".md", ".sh", ".yaml", ".toml"} and path.name != "test_import_names.py"
    ]
    lines = [
        f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()}"
        for path in [*files, REPOSITORY / "Makefile", REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md"]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if IMPORT.search(line)
    ]
    assert lines == []
