"""The commands of docs/import.md, with the objects of an example in place of those that kubectl would get."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command import run
from tests.conftest import CASES
from tests.fleets import REPOSITORY

PIPED = re.compile(r"^    (?:kubectl|oc) get (\S+) -A -o yaml \| kmodgate (import .*)$", re.MULTILINE)
COMMANDS = PIPED.findall((REPOSITORY / "docs/import.md").read_text(encoding="utf-8"))
TREES = {
    "modules": "edge-fleet/paris",
    "daemonsets": "plain-kubernetes/antwerp",
    "machineconfigs": "boot-driver/quarry-1",
    "specialresources": "plain-kubernetes/antwerp",
}
"""A rendered tree with the first kind of each command, or with what stands around it."""


def got(kinds: str, tree: Path) -> str:
    """What `kubectl get KINDS -A -o yaml` would print, were the tree the cluster."""
    named = {kind.partition(".")[0].removesuffix("s") for kind in kinds.split(",")}
    items: list[Any] = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(tree.rglob("*.yaml"))]
    chosen = [item for item in items if item["kind"].lower() in named]
    return yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": chosen})


@pytest.mark.parametrize(("kinds", "command"), COMMANDS)
def test_a_command_of_the_page_makes_a_fleet_that_renders(tmp_path: Path, kinds: str, command: str) -> None:
    text = got(kinds, CASES / TREES[kinds.partition(",")[0]])

    result = run(*shlex.split(command), cwd=tmp_path, stdin=text)

    assert result.returncode == 0, result.stderr
    assert run("render", "my-fleet", cwd=tmp_path).returncode == 0


def test_the_page_has_a_command_for_each_of_these_kinds() -> None:
    assert {kinds.partition(",")[0] for kinds, _ in COMMANDS} == TREES.keys()
