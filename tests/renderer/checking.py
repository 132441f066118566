"""Run `kmodgate check` on a Module, and read its findings."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.command import Finished, run
from tests.fleets import REPOSITORY, FleetFolder

GOOD = (REPOSITORY / "tests/rules/KMM203/pass-re2.yaml").read_text()
BAD = (REPOSITORY / "tests/rules/KMM203/fail-not-re2.yaml").read_text()
PLACE = "spec.moduleLoader.container.kernelMappings[0].regexp"


def break_driver(fleet: FleetFolder, name: str) -> None:
    path = fleet.root / f"drivers/{name}.yaml"
    path.write_text(path.read_text().replace(r"^5\.14\..+$", "^5(.+$"))


def check(folder: Path, *arguments: str, stdin: str = "") -> Finished:
    """Run `kmodgate check` where there is no git."""
    with patch.dict(os.environ, PATH=""):
        return run("check", *arguments, cwd=folder, stdin=stdin)


def findings(result: Finished) -> list[dict[str, Any]]:
    report = json.loads(result.stdout)
    assert report["version"] == 1
    return report["findings"]


SIGNED = "sign: {keySecret: key, certSecret: cert, filesToSign: [/opt/acme_dummy.ko], unsignedImage: 'a/b:1'}"


def secret(name: str, **data: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "kmm-tests"}, "data": encoded}
