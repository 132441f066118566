"""`check --namespace` gives objects outside fleets and trees the namespace that they will get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import run
from tests.fleets import git

MODULE = """\
apiVersion: kmm.sigs.x-k8s.io/v1beta1
kind: Module
metadata: {name: nic}
spec:
  selector: {node-role.kubernetes.io/worker: ""}
  moduleLoader:
    container:
      modprobe: {moduleName: acme_nic}
      kernelMappings:
      - {regexp: '^5\\.14\\..+$', containerImage: 'quay.io/acme/nic:1.0-${KERNEL_FULL_VERSION}'}
"""
PREFLIGHT = """\
apiVersion: kmm.sigs.x-k8s.io/v1beta2
kind: PreflightValidation
metadata: {name: next}
spec: {kernelVersion: 5.14.0-570.12.1.el9_6.x86_64, pushBuiltImage: false}
"""


def check(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    result = run("check", "m.yaml", "--format", "json", *arguments, cwd=folder)
    return list(json.loads(result.stdout)["findings"])


@pytest.mark.parametrize("text", [MODULE, MODULE.replace("{name: nic}", '{name: nic, namespace: ""}')])
def test_a_module_without_namespace_is_a_warning_that_names_the_flag(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.yaml").write_text(text)
    (finding,) = (item for item in check(tmp_path) if item["rule"] == "SCH107")
    assert finding["mode"] == "warn"
    assert "--namespace" in finding["fix"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (MODULE, "drivers/nic"),
        (MODULE.replace("{name: nic}", "{name: nic, namespace: other}"), "other/nic"),
        (MODULE.replace("{name: nic}", '{name: nic, namespace: ""}'), "drivers/nic"),
    ],
)
def test_with_the_flag_it_is_judged_in_that_namespace(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "m.yaml").write_text(text.replace("^5", "^(5"))
    found = check(tmp_path, "--namespace", "drivers")
    assert not any(item["rule"] == "SCH107" for item in found)
    assert {item["object"] for item in found if item["rule"] == "KMM203"} == {f"Module {name}"}


def test_kinds_that_have_no_namespace_get_none(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(PREFLIGHT)
    assert check(tmp_path, "-n", "drivers") == check(tmp_path)


@pytest.mark.parametrize("name", ["Drivers", "a/b", "", "x" * 64])
def test_a_name_that_no_namespace_has_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "m.yaml").write_text(MODULE)
    result = run("check", "m.yaml", "--namespace", name, cwd=tmp_path)
    assert result.returncode == 2
    assert "no namespace has this name" in result.stderr


def test_the_object_in_git_is_in_that_namespace_too(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MODULE)
    git(tmp_path, "init")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-m", "first")
    (tmp_path / "m.yaml").write_text(MODULE.replace("modprobe:", "version: '2'\n      modprobe:"))
    assert any(item["rule"].startswith("KMM") for item in check(tmp_path, "-n", "drivers"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MODULE, "1 object checked:"),
        (f"{MODULE}---\napiVersion: v1\nkind: Event\nmetadata: {{name: a}}\n", "1 object checked, 1 without rules:"),
        ("apiVersion: v1\nkind: Event\nmetadata: {name: a}\n", "0 objects checked, 1 without rules:"),
    ],
)
def test_objects_of_kinds_without_rules_are_counted_apart(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "m.yaml").write_text(text)
    assert said in run("check", "m.yaml", cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("old", "new", "rule", "fix"),
    [
        ("modprobe:", "registryTLS: {insecure: yes}\n      modprobe:", "SCH005", "write true"),
        ('worker: ""', "worker: true", "SCH102", 'put it in quotes: "true"'),
        ('worker: ""', "worker: on", "SCH102", 'quote it: "on"'),
        ("{name: nic}", "{name: nic, labels: {a: 0x1F}}", "SCH102", 'put it in quotes: "0x1F"'),
        ("kernelMappings:", "kernelMaping:", "SCH101", "did you mean kernelMappings?"),
        ("{moduleName: acme_nic}", "{moduleName: acme_nic, version: '2'}", "SCH101", "moduleLoader.container.version"),
        ("spec:\n", "spec:\n  imageRepoSecret: pull\n", "SCH102", "write imageRepoSecret: {name: pull}"),
        ("selector: {", "selector: {matchLabels: {", "SCH002", ""),
    ],
)
def test_a_slip_in_an_object_is_one_finding_with_the_line_to_write(
    tmp_path: Path, old: str, new: str, rule: str, fix: str
) -> None:
    (tmp_path / "m.yaml").write_text(MODULE.replace(old, new, 1))
    (finding,) = (item for item in check(tmp_path, "-n", "drivers") if item["rule"].startswith("SCH"))
    assert finding["rule"] == rule
    assert fix in finding["fix"]
