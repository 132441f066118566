"""Where a Module would be, in one look at many nodes; and that it says what the resolver says of one."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import pytest

from kmodgate.policy.kmm.nodes.node_selection import Node, verdict
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.node_placement import Nodes, Placement
from tests.webhook.manifests import module

WORKER = {"node-role.kubernetes.io/worker": ""}
KERNELS = ("5.14.0-1.el9.x86_64", "5.15.0-1.el9.x86_64+", "5.17.0", "4.18.0", "")


def placed(manifest: dict[str, Any], nodes: Sequence[Node] | None) -> Placement:
    view = ModuleView(manifest)
    return Placement(view, nodes)


def with_mappings(*mappings: dict[str, str]) -> dict[str, Any]:
    manifest = module(0)
    manifest["spec"]["moduleLoader"]["container"]["kernelMappings"] = list(mappings)
    return manifest


MODULES = {
    "expressions": module(0),
    "literal before expression": with_mappings({"literal": "5.17.0"}, {"regexp": "^5.+$"}),
    "literal of a trimmed kernel": with_mappings({"literal": "5.15.0-1.el9.x86_64"}),
    "expression that cannot be compiled": with_mappings({"literal": "4.18.0"}, {"regexp": "("}, {"regexp": ".*"}),
    "long expression": with_mappings({"regexp": f"^5({'x' * 600})?.+$"}),
    "no mapping": with_mappings(),
    "empty mapping": with_mappings({}, {"regexp": "^4.+$"}),
}


@pytest.mark.parametrize("case", MODULES)
def test_the_mapping_that_wins_on_a_kernel_is_the_one_that_the_resolver_takes(case: str) -> None:
    manifest = MODULES[case]
    nodes = [Node(f"node-{index}", WORKER, [], kernel) for index, kernel in enumerate(KERNELS)]
    found = placed(manifest, nodes).winners
    for node in nodes:
        resolved = verdict(manifest, node).resolution
        assert found.get(node.kernel) == (resolved.mapping if resolved else None)


def test_a_node_that_repels_the_module_counts_as_selected_but_not_by_its_kernel() -> None:
    taint = ("example.com/only", "", "NoSchedule")
    manifest = module(0)
    manifest["spec"]["tolerations"] = []
    nodes = [Node("a", WORKER, [], "5.14.0"), Node("b", WORKER, [taint], "5.15.0"), Node("c", {}, [], "5.16.0")]
    placement = placed(manifest, nodes)
    assert placement.selection.names == {"a", "b"}
    assert list(placement.kernels) == ["5.14.0"]


def test_nothing_is_said_of_nodes_that_nobody_knows() -> None:
    placement = placed(module(0), None)
    assert placement.nodes is None
    assert placement.selected == []


def test_what_is_kept_of_selectors_is_bounded_and_no_answer_depends_on_it() -> None:
    nodes = Nodes(Node(f"node-{number}", {"number": str(number)}, [], "") for number in range(200))
    for _ in range(2):
        for number in range(200):
            assert nodes.selection({"number": str(number)}).names == {f"node-{number}"}
    assert nodes.selection({"number": "1" * 10_000}).nodes == []
    assert nodes.selection({"number": ["1"]}).nodes == []
    assert len(nodes.__dict__["_kept"]) <= 64
    assert pickle.loads(pickle.dumps(nodes)) == nodes


def test_nothing_is_said_of_kernels_where_an_expression_is_too_large() -> None:
    manifest = with_mappings({"literal": "4.18.0"}, {"regexp": r"^(?:\pL{10}){30}$"})
    assert placed(manifest, [Node("a", WORKER, [], "4.18.0")]).winners == {"4.18.0": 0}
    assert placed(manifest, [Node("a", WORKER, [], "5.14.0")]).winners == {}
