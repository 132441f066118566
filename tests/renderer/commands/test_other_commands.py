"""Commands that print: completion, version, schema, rules; and the imports that a command takes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kmodgate import schemas
from kmodgate.policy.rule import RULES, load_rules
from kmodgate.renderer.version import __version__
from tests.command import run
from tests.fleets import REPOSITORY

load_rules()


def test_version_and_schemas_are_printed_to_stdout(tmp_path: Path) -> None:
    assert run("version", cwd=tmp_path).stdout == f"kmodgate {__version__}\n"
    assert run("schema", cwd=tmp_path).stdout.split() == sorted(schemas.KINDS)
    for kind in schemas.KINDS:
        schema = json.loads(run("schema", kind, cwd=tmp_path).stdout)
        assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ren"], "render"),
        (["render", "--all"], "--allow-removal"),
        (["render", "--color", "al"], "always"),
        (["schema", "Clu"], "Cluster"),
        (["init", "dr"], "driver"),
        (["ims", "dec"], "decide"),
        (["ims", "decide", "--typ"], "--type"),
        (["ims", "decide", "--type", "cus"], "customize"),
        (["ims", "--color", "never", "compare", "--rec"], "--recipes"),
    ],
)
def test_bash_completes_verbs_options_and_values(tmp_path: Path, words: list[str], expected: str) -> None:
    script = run("completion", "bash", cwd=tmp_path).stdout
    line = " ".join(f"'{word}'" for word in ["kmodgate", *words])
    probe = f"{script}\nCOMP_WORDS=({line})\nCOMP_CWORD={len(words)}\n_kmodgate\necho ${{COMPREPLY[@]}}"
    result = subprocess.run(["bash", "-c", probe], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == (f"{expected}\n", "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_accept_their_scripts(tmp_path: Path, shell: str) -> None:
    script = run("completion", shell, cwd=tmp_path)
    assert script.returncode == 0
    for word in ("render", "allow-removal", "Cluster", "decide", "recipe-dkms"):
        assert word in script.stdout
    binary = shutil.which(shell)
    if binary is None:
        pytest.skip(f"{shell} is not installed: its script was made, not run")
    (tmp_path / "script").write_text(script.stdout)
    result = subprocess.run([binary, "-n", str(tmp_path / "script")], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_plain_install_imports_no_server_and_help_imports_no_verb() -> None:
    listing = "import sys; sys.argv = ['kmodgate', {!r}]; from kmodgate.renderer import cli\ntry: cli.main()\nexcept SystemExit: pass\nprint(' '.join(sys.modules), file=sys.stderr)"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}

    def modules(argument: str) -> set[str]:
        command = [sys.executable, "-c", listing.format(argument)]
        result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", check=False)
        loaded = set(result.stderr.splitlines()[-1].split())
        assert "kmodgate.renderer.cli" in loaded, result.stderr
        return loaded

    assert not modules("render") & {"aiohttp", "kubernetes", "cryptography", "jsonschema", "ruamel", "hypothesis"}
    assert not modules("--help") & {
        "yaml",
        "dataclasses",
        "kmodgate.renderer.failures",
        "kmodgate.renderer.commands.render",
    }


def test_rules_are_listed_and_explained(tmp_path: Path) -> None:
    lines = run("rules", cwd=tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(RULES)
    page = run("rules", "kmm203", cwd=tmp_path).stdout
    assert page.endswith("\n\nFile: policy/rules/parity/kmm_mappings.py\n")
    assert page.startswith("KMM203 (error; Module, ManagedClusterModule)\n\nThe regexp of a kernel mapping")
    missing = run("rules", "KMM230", cwd=tmp_path)
    assert (missing.returncode, "did you mean KMM" in missing.stderr) == (2, True)


@pytest.mark.parametrize(
    "arguments", ["--color always ims decide", "ims --color always decide", "ims decide --color always"]
)
def test_color_may_stand_before_or_after_any_verb(tmp_path: Path, arguments: str) -> None:
    result = run(*arguments.split(), "--csm", "0", "--type", "create", cwd=tmp_path)
    assert (result.returncode, "\x1b[" in result.stderr) == (2, True)
