"""What is installed is complete, and nothing more than a plain install needs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from kmodgate import schemas
from tests.fleets import REPOSITORY


def test_the_wheel_holds_the_packages_and_the_schemas(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--quiet",
        "-w",
        str(tmp_path),
        ".",
    ]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    for name in schemas.KINDS.values():
        assert f"schemas/{name}.json" in names
    for name in (
        "renderer/report/page.css",
        "renderer/report/page.js",
        "renderer/cli.py",
        "renderer/py.typed",
        "policy/py.typed",
        "webhook/py.typed",
    ):
        assert name in names
    assert not [name for name in names if name.startswith("tests/") or name == "schemas/compose.py"]
