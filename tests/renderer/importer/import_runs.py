"""Run `kmodgate import` on a Module, and read the specs that it writes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.command import run

MODULE = """\
apiVersion: kmm.sigs.x-k8s.io/v1beta1
kind: Module
metadata:
  name: {name}
  namespace: kmm-tests
spec:
  selector: {{node-role.kubernetes.io/worker: ""}}
  moduleLoader:
    container:
      modprobe: {{moduleName: acme_dummy}}
      containerImage: quay.io/acme/{name}:{tag}
      kernelMappings:
      - {{regexp: '^5\\.14\\..+\\.el9_4\\.x86_64$', containerImage: ""}}
"""


def module(name: str = "nic", tag: str = "1.0", more: str = "") -> str:
    """A Module; `more` is YAML below `spec`, written at column 1."""
    return MODULE.format(name=name, tag=tag) + "".join(f"  {line}\n" for line in more.splitlines())


def imported(here: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    result = run("import", *arguments, cwd=here)
    assert result.returncode == code, result.stderr
    return result


def spec(path: Path) -> Any:
    return yaml.safe_load(path.read_text())["spec"]


def rendered(folder: Path) -> list[str]:
    """The names of the rendered files, without those of the policy, which every cluster with a driver gets."""
    policy = {"configmap-kmodgate-policy.yaml", "namespace-kmodgate-system.yaml"}
    return sorted(path.name for path in folder.rglob("*.yaml") if path.name not in policy)
