"""Modules beside very many others that load the same: the one that matters is seen, and the work has an end."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from kmodgate.policy.cluster.facts import SnapshotFacts, with_answers
from kmodgate.policy.config import Policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Finding
from kmodgate.policy.review import Review
from kmodgate.policy.views.module import ModuleView


def _module(name: str, place: str) -> dict[str, Any]:
    image = "quay.io/acme/nic:1.0"
    container = {
        "modprobe": {"moduleName": "nic"},
        "kernelMappings": [{"literal": "5.14.0-1", "containerImage": image}],
    }
    return {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {"name": name, "namespace": "drivers"},
        "spec": {"selector": {"place": place}, "moduleLoader": {"container": container}},
    }


def _found(*others: dict[str, Any]) -> list[Finding]:
    facts = SnapshotFacts(others, ("Module",))
    findings = Engine(Policy(), only=("SEL204",)).evaluate(Review(_module("mine", "here"), facts=facts))
    return [finding for finding in findings if finding.rule == "SEL204"]


@pytest.mark.parametrize("decoys", [0, 99, 100, 500])
def test_a_rival_is_seen_behind_modules_for_other_nodes(decoys: int) -> None:
    (finding,) = _found(
        *(_module(f"decoy-{number}", f"there-{number}") for number in range(decoys)), _module("b", "here")
    )
    assert "drivers/b loads nic on the same nodes" in finding.message


class _Counted(Sequence[ModuleView]):
    """Modules, and how many of them were looked at."""

    def __init__(self, modules: Sequence[dict[str, Any]]) -> None:
        self.modules = modules
        self.read = 0

    def __len__(self) -> int:
        return len(self.modules)

    def __getitem__(self, index: int) -> ModuleView:  # type: ignore[override]
        self.read += 1
        return ModuleView(self.modules[index])


def test_more_rivals_than_are_compared_are_a_finding_of_their_own() -> None:
    counted = _Counted([_module(f"decoy-{number}", f"there-{number}") for number in range(5000)])
    neighbours = SimpleNamespace(loading=lambda name: counted, making=lambda name: (), dra=tuple)
    facts = with_answers(SnapshotFacts((), ("Module",)), neighbours=lambda: neighbours)
    (finding,) = Engine(Policy(), only=("SEL204",)).evaluate(Review(_module("mine", "here"), facts=facts))
    assert "more than 1000 Modules load nic" in finding.message
    assert counted.read == 1001
