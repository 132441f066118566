"""The golden trees as kubeconform sees them: strictly, without network, and with nothing skipped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import CASES, EXAMPLES, ROOT, golden_modules

pytestmark = pytest.mark.skipif(
    not os.environ.get("KUBECONFORM"), reason="KUBECONFORM names no program: `make test` builds it from tests/tools"
)

Kubeconform = Callable[[Path], subprocess.CompletedProcess[str]]

PARTIAL = "deployment-cray-ims.yaml"
"""A Deployment of which one annotation is applied on the server's side; the rest of it is the chart's."""

_LAYOUT = "{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"


@pytest.fixture(scope="module")
def kubeconform(tmp_path_factory: pytest.TempPathFactory) -> Kubeconform:
    """Runs kubeconform over a folder, with our own schemas and those of Kubernetes' kinds."""
    kubernetes = tmp_path_factory.mktemp("schemas")
    subprocess.run([sys.executable, "-m", "tools.compose_schemas", "--kubeconform", kubernetes], cwd=ROOT, check=True)
    locations = [f"-schema-location={folder}/{_LAYOUT}" for folder in (ROOT / "schemas", kubernetes)]

    def run(folder: Path) -> subprocess.CompletedProcess[str]:
        options = ["-strict", "-summary", "-output=json", f"-ignore-filename-pattern={PARTIAL}"]
        command = [os.environ["KUBECONFORM"], *options, *locations, folder]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_file_of_a_golden_tree_is_valid(name: str, kubeconform: Kubeconform) -> None:
    files = [path for path in (CASES / name).rglob("*.yaml") if path.name != PARTIAL]

    result = kubeconform(CASES / name)

    assert result.returncode == 0, result.stdout + result.stderr
    assert json.loads(result.stdout) == {
        "resources": [],
        "summary": {"valid": len(files), "invalid": 0, "errors": 0, "skipped": 0},
    }


def test_what_registers_the_webhook_is_valid(tmp_path: Path, kubeconform: Kubeconform) -> None:
    fleet = ROOT / "examples" / "full-module"
    command = [sys.executable, "-m", "kmodgate.renderer.start", "webhook-config", fleet, "--output", tmp_path]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    files = list(tmp_path.rglob("*.yaml"))

    result = kubeconform(tmp_path)

    assert result.returncode == 0, result.stdout + result.stderr
    assert json.loads(result.stdout)["summary"]["valid"] == len(files) > 20


def test_what_installs_the_webhook_is_valid(tmp_path: Path, kubeconform: Kubeconform) -> None:
    text = (ROOT / "manifests" / "webhook.yaml").read_text(encoding="utf-8")
    (tmp_path / "webhook.yaml").write_text(text, encoding="utf-8")

    result = kubeconform(tmp_path)

    assert result.returncode == 0, result.stdout + result.stderr
    assert json.loads(result.stdout)["summary"]["valid"] == len(list(yaml.safe_load_all(text)))


def test_a_module_with_an_unknown_field_is_invalid(tmp_path: Path, kubeconform: Kubeconform) -> None:
    _, module = next(golden_modules("full-module"))
    module["spec"]["nodeSelector"] = {"example.com/pool": "nics"}
    (tmp_path / "module.yaml").write_text(yaml.safe_dump(module), encoding="utf-8")

    result = kubeconform(tmp_path)

    assert result.returncode == 1
    assert json.loads(result.stdout)["summary"] == {"valid": 0, "invalid": 1, "errors": 0, "skipped": 0}
    assert "nodeSelector" in result.stdout


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("machineconfig-99-master-kmodgate-ice.yaml", "mask: true", "masked: true"),
        ("machineconfig-99-master-kmodgate-ice.yaml", "mode: 493", 'mode: "0755"'),
        ("bootmoduleconfig-sfc.yaml", "machineConfigPoolName", "machineConfigPool"),
    ],
)
def test_what_loads_at_boot_is_looked_into(
    tmp_path: Path, kubeconform: Kubeconform, name: str, old: str, new: str
) -> None:
    (path,) = (CASES / "boot-driver").rglob(name)
    (tmp_path / name).write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    result = kubeconform(tmp_path)

    assert result.returncode == 1
    assert json.loads(result.stdout)["summary"] == {"valid": 0, "invalid": 1, "errors": 0, "skipped": 0}


def test_a_kind_without_a_schema_is_an_error(tmp_path: Path, kubeconform: Kubeconform) -> None:
    (tmp_path / "pod.yaml").write_text("apiVersion: acme.example.com/v1\nkind: Unknown\nmetadata: {name: a}\n")

    result = kubeconform(tmp_path)

    assert result.returncode == 1
    assert json.loads(result.stdout)["summary"]["errors"] == 1
