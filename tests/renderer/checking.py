"""Run `kmodgate check` on a Module, and read its findings."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.fleets import REPOSITORY, FleetFolder

GOOD = (REPOSITORY / "tests/rules/KMM203/pass-re2.yaml").read_text()
BAD = (REPOSITORY / "tests/rules/KMM203/fail-not-re2.yaml").read_text()
PLACE = "spec.moduleLoader.container.kernelMappings[0].regexp"


def break_driver(fleet: FleetFolder, name: str) -> None:
    path = fleet.root / f"drivers/{name}.yaml"
    path.write_text(path.read_text().replace(r"^5\.14\..+$", "^5(.+$"))


def check(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kmodgate.renderer.start", "check", *arguments],
        cwd=folder, env={"PYTHONPATH": str(REPOSITORY / "src"), "PATH": ""}, input=stdin, capture_output=True, text=True, check=False,
    )  # fmt: skip


def findings(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    report = json.loads(result.stdout)
    assert report["version"] == 1
    return report["findings"]


SIGNED = "sign: {keySecret: key, certSecret: cert, filesToSign: [/opt/dummy.ko], unsignedImage: 'a/b:1'}"


def secret(name: str, **data: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "kmm-tests"}, "data": encoded}
