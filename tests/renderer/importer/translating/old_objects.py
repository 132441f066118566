"""Import objects that are no Modules of today, render the specs, and read both."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.command import run

Object = dict[str, Any]


def import_all(here: Path, *values: Object, options: Iterable[str] = (), code: int = 0) -> str:
    """Import the objects as those of the cluster paris into `fleet`; return what is said."""
    (here / "old.yaml").write_text(yaml.safe_dump_all(values, sort_keys=False))
    result = run("import", "--cluster=paris=old.yaml", "--output=fleet", *options, cwd=here)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


def spec_of(here: Path, driver: str) -> Any:
    return yaml.safe_load((here / f"fleet/drivers/{driver}.yaml").read_text())["spec"]


def rendered(here: Path, kind: str) -> list[Any]:
    """Render the fleet and check the tree; return the objects of one kind."""
    for verb in ("render", "check"):
        result = run(verb, "fleet", cwd=here)
        assert result.returncode == 0, result.stdout + result.stderr
    values = (yaml.safe_load(path.read_text()) for path in sorted((here / "fleet/rendered").rglob("*.yaml")))
    return [value for value in values if value["kind"] == kind]
