"""One judgement of an object by every rule, with its work counted rule by rule."""

from __future__ import annotations

import importlib
from collections import Counter as Counts
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tests.policy.work.counting import Counter, counting
from tests.policy.work.growth import grown
from tests.policy.work.templates import templates

REVIEWER = "alice"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

POLICY: dict[str, Any] = {
    "profile": "strict",
    "parameters": {
        "allowedRegistries": ["quay.io/acme"],
        "requireDigest": True,
        "requireSigning": {"namespaces": ["drivers"], "nodeSelectors": [{"kmodgate.io/secure-boot": "true"}]},
        "forbiddenHostPaths": ["/etc"],
        "maxNodeShare": 1,
        "maxMappings": 1_000_000,
        "kata": {
            "runtimeClasses": ["kata-qemu"],
            "annotations": {"io.katacontainers.config.hypervisor.default_vcpus": "4"},
            "work": {"namespaces": ["dkms"]},
        },
    },
}
"""Every rule is asked that there is, and none of them ends the judgement."""

_TAINTS = [{"key": "own", "effect": "NoSchedule"}]
_KERNELS = ("5.14.0-1.x86_64", "5.14.0-2.x86_64", "6.1.0-1.x86_64")
_COMPLETE = (
    "Module", "NodeModulesConfig", "Namespace", "Secret", "ConfigMap", "ServiceAccount", "RuntimeClass", "Node", "Role",
    "ClusterRole", "RoleBinding", "ClusterRoleBinding", "SecurityContextConstraints",
)  # fmt: skip


def cluster() -> list[dict[str, Any]]:
    """Nodes with taints and several kernels, and Modules with which those that are judged collide."""
    nodes = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": f"n{index}", "labels": {"kmodgate.io/secure-boot": "true"}},
            "spec": {"taints": _TAINTS if index else []},
            "status": {"nodeInfo": {"kernelVersion": kernel}},
        }
        for index, kernel in enumerate(_KERNELS)
    ]
    rivals = [grown(templates()["Module with found names"], {}, distinct=True) for _ in range(3)]
    for index, rival in enumerate(rivals):
        rival["metadata"] = {"name": f"rival{index}", "namespace": "drivers"}
        rival["spec"]["selector"] = {}
    entry = {"namespace": "drivers", "name": "nic", "serviceAccountName": "loader"}
    config = {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "NodeModulesConfig",
        "metadata": {"name": "n0"},
        "status": {"modules": [entry]},
    }
    kata = {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": "kata-qemu"},
        "handler": "kata",
    }
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "drivers"}}
    return [*nodes, *rivals, config, kata, space]


class Judge:
    """The engine of counted modules. Made inside of `counted_modules`."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        importlib.import_module(
            "kmodgate.policy.memo"
        ).LONGEST = -1  # what is kept of one count would not be in the next
        config, engine, facts, defaults, review, rule, compiled = (
            importlib.import_module(f"kmodgate.{name}")
            for name in (
                "policy.config", "policy.engine", "policy.cluster.facts", "policy.kmm.defaults", "policy.review",
                "policy.rule", "schemas.compiled",
            )
        )  # fmt: skip
        rule.load_rules()
        self._of_rules: Counts[str] = Counts()
        for item in rule.RULES.values():
            object.__setattr__(item, "check", self._attributed(item.id, item.check))
            if item.needs is not None:
                object.__setattr__(item, "needs", self._attributed_need(item.id, item.needs))
        self._engine = engine.Engine(config.read_policy(POLICY), "admit")
        self._facts = facts.SnapshotFacts(cluster(), _COMPLETE)
        self._defaulted, self._review = defaults.defaulted, review.Review
        self._traits = review.ClusterTraits(schema_of=compiled.object_schema)

    def work(self, object: Any, old: Any, *, with_facts: bool, profiled: bool) -> dict[str, int]:
        """What each rule took, and under an empty name all of it; what rules share counts for the first that asks."""
        self._of_rules.clear()
        with counting(self._counter, profiled=profiled):
            review = self._review(
                self._defaulted(object),
                None if old is None else self._defaulted(old),
                "CREATE" if old is None else "UPDATE",
                self._traits,
                facts=self._facts if with_facts else None,
                in_tree=True,
                user=REVIEWER,
                now=NOW,
                before=self._facts if with_facts else None,
            )
            findings = self._engine.evaluate(review)
        failed = [finding for finding in findings if "the rule failed" in finding.message]
        assert not failed, failed
        return {"": self._counter.work, **self._of_rules}

    def _attributed(self, rule: str, check: Any) -> Any:
        def attributed(review: Any) -> Iterator[Any]:
            problems = iter(check(review))
            while True:
                before = self._counter.work
                try:
                    problem = next(problems)
                except StopIteration:
                    return
                finally:
                    self._of_rules[rule] += self._counter.work - before
                yield problem

        return attributed

    def _attributed_need(self, rule: str, needs: Any) -> Any:
        def attributed(review: Any) -> Any:
            before = self._counter.work
            try:
                return needs(review)
            finally:
                self._of_rules[rule] += self._counter.work - before

        return attributed
