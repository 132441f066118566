"""Nodes that are given beside other objects: facts of the cluster, or an error where they stand in a tree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fleets import FleetFolder
from tests.renderer.check.dumps import dump, typed
from tests.renderer.checking import GOOD, check, findings

NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "n1"},
    "status": {"nodeInfo": {"kernelVersion": "4.18.0"}},
}
WORKER = {**NODE, "metadata": {"name": "w", "labels": {"node-role.kubernetes.io/worker": ""}}}


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        (dump, "SEL201"),
        (lambda path, *items: path.write_text(typed("NodeList", *items)), "SEL201"),
        (lambda path, *items: path.write_text(json.dumps(items[0])), "SEL201"),
        (lambda path, *_: dump(path, WORKER), "SEL202"),
    ],
    ids=["List", "NodeList", "single", "selected"],
)
def test_nodes_among_files_outside_of_a_tree_are_facts(tmp_path: Path, nodes: Any, expected: str) -> None:
    (tmp_path / "module.yaml").write_text(GOOD)
    nodes(tmp_path / "nodes.yaml", NODE)
    found = findings(check(tmp_path, "module.yaml", "nodes.yaml", "--format", "json"))
    assert [(item["rule"], item["mode"]) for item in found if item["mode"] != "audit"] == [(expected, "warn")]
    assert check(tmp_path, "nodes.yaml").returncode == 0


def counted_nodes(result: Any) -> list[str]:
    return [item["message"] for item in findings(result) if item["rule"] == "REF009"]


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "the 1 Node object given"), (2, "the 2 Node objects given"), (7, "the 7 Node objects given")],
)
def test_given_nodes_are_counted_in_a_note(tmp_path: Path, count: int, words: str) -> None:
    (tmp_path / "module.yaml").write_text(GOOD)
    dump(tmp_path / "nodes.yaml", *({**NODE, "metadata": {"name": f"n{number}"}} for number in range(count)))
    arguments = ("module.yaml", "nodes.yaml")
    assert counted_nodes(check(tmp_path, *arguments, "--format", "json")) == [
        f"not checked: other nodes than {words}, which count as all nodes"
    ]
    assert words in check(tmp_path, *arguments).stdout


def test_nodes_that_nothing_was_judged_by_are_not_counted(tmp_path: Path, fleet: FleetFolder) -> None:
    (tmp_path / "nodes.json").write_text(json.dumps(NODE))
    (tmp_path / "module.yaml").write_text(GOOD)
    assert counted_nodes(check(tmp_path, "nodes.json", "--format", "json")) == []
    assert counted_nodes(check(tmp_path, "module.yaml", "--format", "json")) == []
    assert counted_nodes(check(fleet.root, ".", "--format", "json")) == []


def test_a_node_in_a_tree_is_no_fact_and_an_error(fleet: FleetFolder) -> None:
    fleet.render()
    fleet.write("rendered/paris/node.yaml", json.dumps(NODE))
    found = findings(check(fleet.root, "rendered", "--format", "json"))
    assert [item["rule"] for item in found if item["mode"] == "enforce"] == ["GIT202"]
    assert "SEL201" not in {item["rule"] for item in found}
