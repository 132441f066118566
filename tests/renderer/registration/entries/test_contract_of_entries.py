"""What holds for every entry: conditions, one entry a request, and the questions of rules that guard."""

from __future__ import annotations

import re

from kmodgate.policy.cluster.controllers import OLM_GROUP
from kmodgate.policy.cluster.dependents import RESOURCES
from kmodgate.policy.rule import RULES, load_rules
from kmodgate.policy.webhook_entries.entry_table import is_reached
from tests.fleets import FleetFolder
from tests.renderer.registration.reaching import called
from tests.renderer.registration.registering import (
    COMES_UP,
    KMM_GROUP,
    generated,
    mutating,
    validating,
)


def test_an_entry_that_fails_has_no_condition_that_could(fleet: FleetFolder) -> None:
    """A field that may be missing is asked for before it is read."""
    entries = [item for item in validating(generated(fleet))["webhooks"] if item["failurePolicy"] == "Fail"]
    expressions = {cel["expression"] for item in entries for cel in item.get("matchConditions", ())}
    assert len(expressions) >= 6
    for expression in expressions:
        for field in set(
            re.findall(r"\b(?:object|oldObject)(?:\.\w+)+", re.sub(r"\.(?:exists|endsWith)\(", "(", expression))
        ):
            assert expression.index(f"has({field})") < re.search(rf"(?<!has\(){re.escape(field)}", expression).start()  # type: ignore[union-attr]


def test_a_request_is_sent_to_one_entry_of_a_kind_at_most(fleet: FleetFolder) -> None:
    objects = generated(fleet)
    for request in COMES_UP:
        assert len(called(validating(objects), request)) <= 1
        assert len(called(mutating(objects), request)) <= 1


def test_every_entry_keeps_the_contract(fleet: FleetFolder) -> None:
    objects = generated(fleet)
    entries = [*validating(objects)["webhooks"], *mutating(objects)["webhooks"]]
    for item in entries:
        assert item["sideEffects"] in ("None", "NoneOnDryRun")
        assert item["admissionReviewVersions"] == ["v1"]
        assert item["matchPolicy"] == "Equivalent"
        assert 1 <= item["timeoutSeconds"] <= 5
        assert item["name"].endswith(".kmodgate.io")
    for configuration in (validating(objects), mutating(objects)):
        names = [item["name"] for item in configuration["webhooks"]]
        assert len(set(names)) == len(names)


_KINDS = {
    **RESOURCES, "Namespace": ("", "namespaces"),
    "ResourceQuota": ("", "resourcequotas"), "LimitRange": ("", "limitranges"),
    "Module": (KMM_GROUP, "modules"), "NodeModulesConfig": (KMM_GROUP, "nodemodulesconfigs"),
    "ModuleImagesConfig": (KMM_GROUP, "moduleimagesconfigs"), "ModuleBuildSignConfig": (KMM_GROUP, "modulebuildsignconfigs"),
    "apiextensions.k8s.io/CustomResourceDefinition": ("apiextensions.k8s.io", "customresourcedefinitions"),
    "operators.coreos.com/Subscription": (OLM_GROUP, "subscriptions"), "operators.coreos.com/InstallPlan": (OLM_GROUP, "installplans"),
    "operators.coreos.com/ClusterServiceVersion": (OLM_GROUP, "clusterserviceversions"),
    "operators.coreos.com/OperatorGroup": (OLM_GROUP, "operatorgroups"),
}  # fmt: skip


def test_what_a_guarding_rule_looks_at_is_asked() -> None:
    load_rules()
    guards = [rule for rule in RULES.values() if rule.guards and rule.id.startswith("REF")]
    assert guards
    for rule in guards:
        for kind in rule.kinds:
            group, resource = _KINDS[kind]
            for operation in rule.operations:
                assert is_reached("/validate", group, resource, "", operation), rule.id


def test_what_the_webhook_is_not_registered_for_it_is_not_asked() -> None:
    assert is_reached("/validate", "", "namespaces", "finalize", "UPDATE")
    assert is_reached("/validate", "", "namespaces", "status", "UPDATE")
    assert not is_reached("/validate", "", "secrets", "", "CREATE")
    assert not is_reached("/validate", "", "pods", "exec", "CONNECT")
    assert not is_reached("/mutate", "", "pods", "ephemeralcontainers", "UPDATE")
    assert not is_reached("/validate", "", "nodes", "", "CREATE")
