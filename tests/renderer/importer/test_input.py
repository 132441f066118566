"""Input of an import: stdin, files, options, and their mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.command import run
from tests.renderer.importer.import_runs import imported, module


def test_stdin_as_yaml_and_as_a_json_list(here: Path) -> None:
    value = {"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(module())]}
    for text in (module(), json.dumps(value)):
        result = run("import", "-", "--cluster=paris", "--dry-run", cwd=here, stdin=text)
        assert result.returncode == 0, result.stderr
        assert "name: nic" in result.stdout


BAD = {
    "empty": ("", "no object in it"),
    "no Module": ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "no driver in it, only ConfigMap of v1"),
    "another API": (module().replace("kmm.sigs.x-k8s.io/v1beta1", "kmm.example.com/v1"), "only Module of kmm.example.com/v1"),
    "not YAML": ("a: [", "error[SCH002]"),
    "no object": ("- 1\n", "error[SCH102]"),
    "no name": (module().replace("  name: nic\n", ""), "error[SCH103] metadata.name"),
    "wrong type": (module().replace("selector: {node-role.kubernetes.io/worker: \"\"}", "selector: 7"), "IMP001"),
    "no spec": ("apiVersion: kmm.sigs.x-k8s.io/v1beta1\nkind: Module\nmetadata: {name: a, namespace: b}\n", "IMP001"),
    "no namespace": (module().replace("  namespace: kmm-tests\n", ""), "a Module without a namespace"),
    "two of one name": (module() + "---\n" + module(tag="2"), "error[REF004]"),
    "name of a path": (module("../nic"), "IMP001"),
    "name of the shared folder": (module("cluster"), "IMP001"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_place_and_fix(case: str, here: Path) -> None:
    text, words = BAD[case]
    (here / "bad.yaml").write_text(text)
    result = imported(here, "--cluster=paris=bad.yaml", "--output=fleet", code=2)
    assert words in result.stderr
    assert "bad.yaml" in result.stderr
    assert "fix: " in result.stderr
    assert "Traceback" not in result.stderr
    assert not (here / "fleet").exists()


ARGUMENTS = {
    "nothing": ([], "import needs Modules"),
    "a file of no cluster": (["module.yaml", "--cluster=paris=module.yaml"], "of which cluster is it?"),
    "a cluster of no file": (["--cluster=paris"], "import needs Modules"),
    "a cluster of an empty file": (["--cluster=paris="], "names no file"),
    "an illegal name": (["--cluster=Pa/ris=module.yaml"], "cannot be the name of a cluster"),
    "no such file": (["--cluster=paris=none.yaml"], "there is no such file"),
    "stdin twice": (["--cluster=paris=-", "--cluster=lyon=-"], "stdin can be read only once"),
    "a file as folder": (["module.yaml", "--output=module.yaml"], "is a file"),
    "an empty folder name": (["module.yaml", "--output="], "--output is empty"),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_bad_arguments_are_explained(case: str, here: Path) -> None:
    arguments, words = ARGUMENTS[case]
    result = imported(
        here, *arguments, *([] if any("--output" in item for item in arguments) else ["--output=fleet"]), code=2
    )
    assert words in result.stderr
    assert "fix: " in result.stderr


def test_outside_of_a_fleet_a_place_is_needed(here: Path) -> None:
    assert "give --output DIR to start one there" in imported(here, "module.yaml", code=2).stderr


def test_a_file_that_is_too_large_is_refused(here: Path) -> None:
    with (here / "huge.yaml").open("wb") as file:
        file.truncate((64 << 20) + 1)
    assert "is larger than 64 MiB" in imported(here, "huge.yaml", "--output=fleet", code=2).stderr
