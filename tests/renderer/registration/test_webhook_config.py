"""`kmodgate webhook-config`: what the webhook is asked, what it may read, and that nothing of a cluster waits for it."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from kmodgate.policy.config import Policy, read_policy
from kmodgate.policy.rule import RULES, load_rules
from kmodgate.policy.views.pod import POD_KINDS
from kmodgate.policy.webhook_entries import ROWS, is_reached
from tests.fleets import FleetFolder, run
from tests.renderer.registration.reaching import Request, called
from tests.renderer.registration.registering import (
    COMES_UP,
    LABEL,
    OVERRIDE,
    answer,
    generated,
    made,
    mutating,
    policy,
    validating,
)

PEM = "-----BEGIN CERTIFICATE-----\n" + base64.b64encode(b"one" * 40).decode() + "\n-----END CERTIFICATE-----\n"

SIGNED = """\
sign: {unsignedImage: quay.io/acme/plain:1.0, keySecret: key, certSecret: cert, filesToSign: ['/opt/a.ko']}
"""


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    folder = FleetFolder(tmp_path / "fleet")
    folder.cluster("paris")
    folder.driver("nic", SIGNED)
    return folder


# -- the rows of the table ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "version", "resource"),
    [
        ("kmm.sigs.x-k8s.io", "v1beta1", "modules"),
        ("hub.kmm.sigs.x-k8s.io", "v1beta1", "managedclustermodules"),
        ("kmm.sigs.x-k8s.io", "v1beta2", "preflightvalidations"),
        ("kmm.sigs.x-k8s.io", "v1beta1", "preflightvalidations"),
        ("kmm.sigs.x-k8s.io", "v1beta2", "preflightvalidationsocp"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("namespace", ["kmm-tests", "elsewhere", "kube-system", "kmodgate-system", "openshift-kmm"])
def test_row_modules_fails_in_all_namespaces(
    fleet: FleetFolder, group: str, version: str, resource: str, namespace: str
) -> None:
    objects = generated(fleet)
    for operation in ("CREATE", "UPDATE"):
        request = Request(operation, resource, group, version, namespace=namespace)
        assert answer(objects, request) == [("modules", "Fail")]
    assert answer(objects, Request("UPDATE", f"{resource}/status", group, version, namespace=namespace)) == []
    assert answer(objects, Request("DELETE", resource, group, version, namespace=namespace)) == []


@pytest.mark.parametrize(
    "request_",
    [
        Request("DELETE", "namespaces", name="kmm-tests", labels=None, old={}),
        Request("UPDATE", "namespaces", name="kmm-tests"),
        Request("CREATE", "namespaces", name="kmm-tests"),
        Request("UPDATE", "namespaces/finalize", name="kmm-tests"),
        Request("UPDATE", "namespaces/status", name="kmm-tests"),
        Request("DELETE", "secrets", namespace="kmm-tests", labels=None, old={}),
        Request("DELETE", "serviceaccounts", namespace="kmm-tests", labels=None, old={}),
        Request("DELETE", "configmaps", namespace="kmm-tests", labels=None, old={}),
        Request("DELETE", "rolebindings", "rbac.authorization.k8s.io", namespace="kmm-tests", labels=None, old={}),
        Request("UPDATE", "rolebindings", "rbac.authorization.k8s.io", namespace="kmm-tests", old={}),
    ],
    ids=lambda request: f"{request.operation} {request.resource}",
)  # fmt: skip
def test_row_protection_fails_in_the_namespaces_of_drivers(fleet: FleetFolder, request_: Request) -> None:
    assert answer(generated(fleet), request_) == [("protection", "Fail")]


@pytest.mark.parametrize(("old", "new"), [({LABEL: ""}, {}), ({LABEL: ""}, {LABEL: "true"}), ({}, {LABEL: ""})])
def test_row_protection_sees_kmms_label_taken_off_and_changed_in_a_namespace_that_no_fleet_knows(
    fleet: FleetFolder, old: dict[str, str], new: dict[str, str]
) -> None:
    request = Request("UPDATE", "namespaces", name="foreign", labels=new, old=old, place=old)
    assert answer(generated(fleet), request) == [("labelled-namespaces", "Fail")]


@pytest.mark.parametrize("value", ["", "true"])
def test_row_protection_covers_labelled_namespaces_and_what_lies_in_them(fleet: FleetFolder, value: str) -> None:
    objects, label = generated(fleet), {LABEL: value}
    gone = Request("DELETE", "namespaces", name="foreign", labels=None, old=label, place=label)
    finalized = Request("UPDATE", "namespaces/finalize", name="foreign", labels=label, old=label, place=label)
    patched = Request("UPDATE", "namespaces/status", name="foreign", labels={}, old=label, place=label)
    for request in (gone, finalized, patched):
        assert answer(objects, request) == [("labelled-namespaces", "Fail")]
    for resource, group in (("secrets", ""), ("configmaps", ""), ("rolebindings", "rbac.authorization.k8s.io")):
        request = Request("DELETE", resource, group, namespace="foreign", labels=None, old={}, place=label)
        assert answer(objects, request) == [("labelled-contents", "Fail")]


@pytest.mark.parametrize("resource", ["secrets", "configmaps", "serviceaccounts"])
def test_row_owners_sees_an_owner_that_is_added_and_no_other_change(fleet: FleetFolder, resource: str) -> None:
    objects = generated(fleet)

    def asked(old: tuple[str, ...], new: tuple[str, ...], **place: Any) -> list[tuple[str, str]]:
        return answer(objects, Request("UPDATE", resource, old={}, owners=new, old_owners=old, **place))

    for old, new in (((), ("a",)), (("a",), ("a", "b")), (("a",), ("b",))):
        assert asked(old, new, namespace="kmm-tests") == [("owners", "Fail")]
        assert asked(old, new, namespace="foreign", place={LABEL: ""}) == [("labelled-owners", "Fail")]
        assert asked(old, new, namespace="elsewhere") == []
    for old, new in (((), ()), (("a",), ("a",)), (("a",), ())):
        assert asked(old, new, namespace="kmm-tests") == []


@pytest.mark.parametrize(
    ("operation", "resource"),
    [("CREATE", "namespaces"), ("UPDATE", "namespaces"), ("UPDATE", "namespaces/status"), ("UPDATE", "namespaces/finalize")],
)  # fmt: skip
def test_row_overrides_sees_an_override_before_the_namespace_is_one_of_drivers(
    fleet: FleetFolder, operation: str, resource: str
) -> None:
    objects = generated(fleet)

    def asked(name: str, annotations: dict[str, str] | None) -> list[tuple[str, str]]:
        return answer(objects, Request(operation, resource, name=name, annotations=annotations))

    assert asked("foreign", {OVERRIDE: "alice until 2026-01-31T18:00:00Z"}) == [("overrides", "Fail")]
    assert asked("kmm-tests", {OVERRIDE: "yes"}) == [("protection", "Fail")]
    for others in (None, {}, {"team": "nic"}):
        assert asked("foreign", others) == []
    for name in ("kube-system", "kmodgate-system"):
        assert asked(name, {OVERRIDE: "yes"}) == []


def test_row_ims_mutates_new_pods_and_validates_them_and_their_ephemeral_containers(fleet: FleetFolder) -> None:
    objects = generated(fleet)
    pod = Request("CREATE", "pods", namespace="ims")
    (entry,) = called(mutating(objects), pod)
    assert (entry["failurePolicy"], entry["reinvocationPolicy"]) == ("Ignore", "IfNeeded")
    debugged = Request("UPDATE", "pods/ephemeralcontainers", namespace="ims", old={})
    for request in (pod, debugged):
        assert answer(objects, request) == [("dkms-pods", "Fail")]
    assert called(mutating(objects), debugged) == []
    assert called(mutating(objects), Request("CREATE", "pods", namespace="elsewhere")) == []
    assert answer(objects, Request("CREATE", "jobs", "batch", namespace="ims")) == [("workloads", "Ignore")]


def test_row_ims_covers_other_dkms_work_that_the_policy_names(fleet: FleetFolder) -> None:
    work = "work: {namespaces: [builds], serviceAccounts: [ci/dkms], podLabels: [{dkms: 'yes', team: a}]}"
    policy(fleet, f"parameters: {{kata: {{imsNamespace: images, {work}}}}}")
    objects = generated(fleet)
    for namespace in ("images", "builds", "ci"):
        assert answer(objects, Request("CREATE", "pods", namespace=namespace)) == [("dkms-pods", "Fail")]
    pod = Request("CREATE", "pods", namespace="default", labels={"dkms": "yes", "team": "a", "b": "c"})
    assert ("labelled-dkms-pods", "Fail") in answer(objects, pod)
    assert [item["failurePolicy"] for item in called(mutating(objects), pod)] == ["Ignore"]
    assert answer(objects, Request("CREATE", "pods", namespace="default", labels={"dkms": "yes"})) == [
        ("workloads", "Ignore")
    ]
    assert (
        answer(objects, Request("CREATE", "pods", namespace="kube-system", labels={"dkms": "yes", "team": "a"})) == []
    )
    assert answer(objects, Request("CREATE", "pods", namespace="ims")) == [("workloads", "Ignore")]


WORKLOADS = [
    ("", "pods"), ("", "replicationcontrollers"), ("apps", "deployments"), ("apps", "daemonsets"),
    ("apps", "statefulsets"), ("apps", "replicasets"), ("batch", "jobs"), ("batch", "cronjobs"),
]  # fmt: skip


@pytest.mark.parametrize(("group", "resource"), WORKLOADS)
def test_row_ring_0_is_ignored_when_nobody_answers_and_leaves_the_platform_out(
    fleet: FleetFolder, group: str, resource: str
) -> None:
    objects = generated(fleet)
    for namespace in ("default", "kmm-tests", "kubevirt", "openshift"):
        assert answer(objects, Request("CREATE", resource, group, namespace=namespace)) == [("workloads", "Ignore")]
    for namespace in ("kube-system", "kube-flannel", "openshift-sdn", "kmodgate-system"):
        assert answer(objects, Request("CREATE", resource, group, namespace=namespace)) == []


def test_row_ring_0_sees_ephemeral_containers(fleet: FleetFolder) -> None:
    request = Request("UPDATE", "pods/ephemeralcontainers", namespace="default", old={})
    assert answer(generated(fleet), request) == [("workloads", "Ignore")]


# -- nothing waits for the webhook ----------------------------------------------------------------


@pytest.mark.parametrize("request_", COMES_UP, ids=lambda item: f"{item.operation} {item.resource} {item.namespace}")
def test_without_the_webhook_nothing_is_blocked_that_a_cluster_needs_to_come_up(
    fleet: FleetFolder, request_: Request
) -> None:
    entries = [*called(validating(objects := generated(fleet)), request_), *called(mutating(objects), request_)]
    assert [item["name"] for item in entries if item["failurePolicy"] == "Fail"] == []


def test_a_driver_in_kube_system_or_beside_the_webhook_does_not_draw_protection_there(fleet: FleetFolder) -> None:
    for namespace in ("kube-system", "kmodgate-system"):
        path = fleet.driver(namespace)
        path.write_text(path.read_text().replace("name: kmm-tests", f"name: {namespace}"))
    objects = generated(fleet)
    assert _protected(objects) == ["kmm-tests"]
    for request in COMES_UP:
        assert not [item for item in called(validating(objects), request) if item["failurePolicy"] == "Fail"]


def test_an_entry_that_fails_has_no_condition_that_could(fleet: FleetFolder) -> None:
    """A field that may be missing is asked for before it is read."""
    entries = [item for item in validating(generated(fleet))["webhooks"] if item["failurePolicy"] == "Fail"]
    expressions = {cel["expression"] for item in entries for cel in item.get("matchConditions", ())}
    assert len(expressions) == 2
    for expression in expressions:
        for field in set(re.findall(r"\b(?:object|oldObject)(?:\.\w+)+", expression)):
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
        assert item["sideEffects"] == "None"
        assert item["admissionReviewVersions"] == ["v1"]
        assert item["matchPolicy"] == "Equivalent"
        assert 1 <= item["timeoutSeconds"] <= 5
        assert item["name"].endswith(".kmodgate.io")
    for configuration in (validating(objects), mutating(objects)):
        names = [item["name"] for item in configuration["webhooks"]]
        assert len(set(names)) == len(names)


# -- table and rules ------------------------------------------------------------------------------

_KINDS = {
    "Namespace": ("", "namespaces"), "Secret": ("", "secrets"), "ServiceAccount": ("", "serviceaccounts"),
    "ConfigMap": ("", "configmaps"), "rbac.authorization.k8s.io/RoleBinding": ("rbac.authorization.k8s.io", "rolebindings"),
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


# -- the policy decides ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "left"),
    [
        ("modes: {REF: disabled}", "modules dkms-pods workloads"),
        (
            "gates: {admit: {'*': disabled, REF: warn}}",
            "modules protection labelled-namespaces labelled-contents owners labelled-owners overrides",
        ),
        ("profile: parity", "modules"),
    ],
)  # fmt: skip
def test_a_family_that_the_policy_disables_is_not_registered(fleet: FleetFolder, spec: str, left: str) -> None:
    policy(fleet, spec)
    objects = generated(fleet)
    names = [item["name"].removesuffix(".kmodgate.io") for item in validating(objects)["webhooks"]]
    assert names == left.split()
    assert ("MutatingWebhookConfiguration/kmodgate" in objects) is ("dkms-pods" in names)


@pytest.mark.parametrize(
    ("name", "family"),
    [("dkms-pods", "KTA"), ("labelled-dkms-pods", "KTA"), ("protection", "REF"), ("overrides", "REF")],
)
def test_a_row_goes_by_the_modes_of_its_family(name: str, family: str) -> None:
    rows = [row for row in ROWS if row.name == name]
    assert rows
    for row in rows:
        assert row.is_wanted(Policy())
        assert not row.is_wanted(read_policy({"modes": {family: "disabled"}}))
        assert not row.is_wanted(read_policy({"gates": {"admit": {family: "disabled"}}}))
        assert row.is_wanted(read_policy({"gates": {"render": {family: "disabled"}}}))


@pytest.mark.parametrize("left", ["KTA103", "KTA107", "PRV105"])
def test_workloads_are_asked_about_as_long_as_one_rule_about_them_is_in_force(left: str) -> None:
    row = next(row for row in ROWS if row.name == "workloads")
    assert row.is_wanted(read_policy({"modes": {"PRV": "disabled"}}))
    assert row.is_wanted(read_policy({"modes": {"KTA": "disabled"}}))
    assert row.is_wanted(read_policy({"modes": {"*": "disabled", left: "warn"}}))
    assert not row.is_wanted(read_policy({"modes": {"PRV": "disabled", "KTA": "disabled"}}))


def test_a_workload_that_kata_cannot_take_is_asked_about_without_the_rules_of_ring_0(fleet: FleetFolder) -> None:
    policy(fleet, "modes: {PRV: disabled}")
    request = Request("CREATE", "deployments", "apps", namespace="ims")
    assert answer(generated(fleet), request) == [("workloads", "Ignore")]


def test_a_rule_whose_parameter_is_not_set_keeps_no_row() -> None:
    row, modes = next(row for row in ROWS if row.name == "workloads"), {"*": "disabled", "KTA113": "warn"}
    assert not row.is_wanted(read_policy({"modes": modes}))
    registries = {"allowedRegistries": ["registry.example.com"]}
    assert row.is_wanted(read_policy({"modes": modes, "parameters": registries}))


def test_every_rule_about_pods_and_what_makes_them_keeps_the_row_that_asks_about_those() -> None:
    load_rules()
    row = next(row for row in ROWS if row.name == "workloads")
    families = {rule.id[:3] for rule in RULES.values() if set(rule.kinds) & set(POD_KINDS)}
    assert families == set(row.families)


def test_one_guarding_rule_is_enough_for_the_protection_to_stay() -> None:
    row = next(row for row in ROWS if row.name == "protection")
    assert row.is_wanted(read_policy({"modes": {"REF": "disabled", "REF204": "audit"}}))
    assert not row.is_wanted(read_policy({"modes": {"*": "disabled"}}))
    assert row.is_wanted(Policy())


def test_options_say_which_policy_holds(fleet: FleetFolder) -> None:
    policy(fleet, "modes: {REF: disabled}")
    assert len(validating(generated(fleet, "--profile", "parity"))["webhooks"]) == 1
    policies = fleet.root / "policies/p.yaml"
    policies.rename(fleet.root.parent / "p.yaml")
    names = [item["name"] for item in validating(generated(fleet, "--policy", "../p.yaml"))["webhooks"]]
    assert "protection.kmodgate.io" not in names


def test_the_configuration_names_the_policy_that_it_was_made_for(fleet: FleetFolder) -> None:
    metadata = validating(generated(fleet))["metadata"]
    assert metadata["annotations"]["kmodgate.io/policy-hash"] == Policy().digest


def test_the_policy_that_the_webhook_mounts_generates_what_the_fleet_generates(fleet: FleetFolder) -> None:
    policy(fleet, "modes: {KTA: disabled}")
    fleet.render()
    config_map = fleet.object("paris/cluster/configmap-kmodgate-policy.yaml")
    fleet.write("../policy.yaml", config_map["data"]["policy.yaml"])
    wanted = fleet.run("webhook-config").stdout
    (fleet.root / "policies/p.yaml").unlink()
    result = fleet.run("webhook-config", "--policy", "../policy.yaml")
    assert (result.returncode, result.stdout) == (0, wanted), result.stderr


def test_a_mistake_in_a_mounted_policy_is_still_an_error_with_its_place(tmp_path: Path) -> None:
    head = "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: p}\n"
    (tmp_path / "policy.yaml").write_text(f"{head}spec:\n  profil: strict\n")
    result = run("webhook-config", "--namespace", "drivers", "--policy", "policy.yaml", cwd=tmp_path)
    assert result.returncode == 2
    assert "policy.yaml:5:3: error[SCH101] spec.profil" in result.stderr


# -- the fleet decides ----------------------------------------------------------------------------


def test_the_namespaces_are_those_of_the_drivers_of_the_cluster_overrides_applied(fleet: FleetFolder) -> None:
    fleet.cluster("lab", labels={"tier": "lab"})
    override = "overrides:\n- clusters: {names: [lab]}\n  patch: {namespace: {name: lab-drivers}}\n"
    fleet.driver("nic", override, clusters="{matchLabels: {}}")
    fleet.driver("gone", "state: absent")
    text = (fleet.root / "drivers/gone.yaml").read_text().replace("kmm-tests", "unloading")
    fleet.write("drivers/gone.yaml", text)
    found = {name: _protected(generated(fleet, "--cluster", name)) for name in ("paris", "lab")}
    assert found == {"paris": ["kmm-tests", "unloading"], "lab": ["lab-drivers"]}


@pytest.mark.parametrize(
    ("namespace", "whose"), [("kmodgate-system", "the webhook's own"), ("kube-system", "the platform's")]
)
def test_a_driver_in_a_namespace_that_is_never_guarded_is_told_of(
    fleet: FleetFolder, namespace: str, whose: str
) -> None:
    path = fleet.driver("odd")
    path.write_text(path.read_text().replace("kmm-tests", namespace))
    result = fleet.run("webhook-config")
    assert _protected(made(result)) == ["kmm-tests"]
    assert f"warning: cluster paris: namespace {namespace} is {whose}, and is never guarded" in result.stderr
    assert "neither the namespace nor what its drivers need is protected there" in result.stderr


def test_dkms_work_in_a_namespace_that_is_never_guarded_is_told_of(fleet: FleetFolder) -> None:
    policy(fleet, "parameters: {kata: {imsNamespace: kube-system}}")
    result = fleet.run("webhook-config")
    assert "warning: cluster paris: namespace kube-system is the platform's" in result.stderr
    assert "its pods are not put into Kata, nor refused outside of it" in result.stderr


def test_what_the_policy_does_not_want_guarded_is_not_told_of(fleet: FleetFolder) -> None:
    policy(fleet, "modes: {KTA: disabled, REF: disabled}\n  parameters: {kata: {imsNamespace: kube-system}}")
    path = fleet.driver("odd")
    path.write_text(path.read_text().replace("kmm-tests", "kube-system"))
    result = fleet.run("webhook-config")
    assert (result.returncode, result.stderr) == (0, "")


def test_a_cluster_without_drivers_protects_what_kmm_has_labelled(fleet: FleetFolder) -> None:
    fleet.cluster("empty", labels={"tier": "none"})
    objects = generated(fleet, "--cluster", "empty")
    assert _protected(objects) == []
    gone = Request("DELETE", "namespaces", name="a", labels=None, old={LABEL: ""}, place={LABEL: ""})
    assert answer(objects, gone) == [("labelled-namespaces", "Fail")]


def test_without_a_fleet_the_namespaces_are_named(tmp_path: Path) -> None:
    result = run("webhook-config", "--namespace=b", "--namespace=a", "--namespace=b", cwd=tmp_path)
    assert _protected(made(result)) == ["a", "b"]


def _protected(objects: dict[str, Any]) -> list[str]:
    entries = [item for item in validating(objects)["webhooks"] if item["name"] == "protection.kmodgate.io"]
    return [name for item in entries for name in item["namespaceSelector"]["matchExpressions"][0]["values"]]


# -- what it may do -------------------------------------------------------------------------------


def rights(role: dict[str, Any]) -> set[tuple[str, str, str, str]]:
    """Group, resource, names and verbs of every rule."""
    return {
        (group, resource, " ".join(rule.get("resourceNames", ())), " ".join(rule["verbs"]))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_the_webhook_may_read_what_its_rules_ask_for_and_nothing_else(fleet: FleetFolder) -> None:
    objects = generated(fleet)
    assert rights(objects["ClusterRole/kmodgate-webhook"]) == {
        ("", "namespaces", "", "get list watch"),
        ("", "nodes", "", "get list watch"),
        ("kmm.sigs.x-k8s.io", "modules", "", "get list watch"),
        ("kmm.sigs.x-k8s.io", "nodemodulesconfigs", "", "get list watch"),
        ("node.k8s.io", "runtimeclasses", "", "get list watch"),
        ("authorization.k8s.io", "subjectaccessreviews", "", "create"),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "kmodgate", "get patch"),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations", "kmodgate", "get patch"),
    }
    assert rights(objects["Role/kmodgate-system/kmodgate-webhook"]) == {
        ("", "secrets", "kmodgate-webhook-tls", "get update")
    }
    assert rights(objects["Role/kmm-tests/kmodgate-webhook-certificates"]) == {("", "secrets", "cert", "get")}
    assert "data" not in objects["Secret/kmodgate-system/kmodgate-webhook-tls"]


def test_secrets_are_read_by_name_only(fleet: FleetFolder) -> None:
    for item in generated(fleet).values():
        for rule in item.get("rules", ()):
            if "secrets" in rule["resources"]:
                assert rule["resourceNames"]
                assert not {"list", "watch", "create", "*"} & set(rule["verbs"])


def test_every_role_is_bound_to_the_webhooks_account_but_the_right_to_override_to_nobody(fleet: FleetFolder) -> None:
    objects = generated(fleet)
    roles = {name for name in objects if name.startswith(("Role/", "ClusterRole/"))}
    bindings = {
        name: item for name, item in objects.items() if name.startswith(("RoleBinding/", "ClusterRoleBinding/"))
    }
    assert {name.replace("Binding", "") for name in bindings} == roles - {"ClusterRole/kmodgate-override"}
    for item in bindings.values():
        account = {"kind": "ServiceAccount", "name": "kmodgate-webhook", "namespace": "kmodgate-system"}
        assert item["subjects"] == [account]
    assert rights(objects["ClusterRole/kmodgate-override"]) == {("kmodgate.io", "namespaces", "", "override")}


def test_certificates_of_all_levels_of_all_drivers_may_be_read_and_no_key(fleet: FleetFolder) -> None:
    path = fleet.driver("gpu", SIGNED.replace("cert,", "other,"))
    literal = (
        "  - {literal: k1, sign: {unsignedImage: a:1, keySecret: key, certSecret: third, filesToSign: ['/opt/a.ko']}}\n"
    )
    path.write_text(path.read_text().replace("  kernelMappings:\n", f"  kernelMappings:\n{literal}"))
    fleet.driver("plain")
    role = generated(fleet)["Role/kmm-tests/kmodgate-webhook-certificates"]
    assert rights(role) == {("", "secrets", "cert other third", "get")}


# -- form -----------------------------------------------------------------------------------------


def test_the_same_fleet_gives_the_same_bytes(fleet: FleetFolder) -> None:
    first = fleet.run("webhook-config", env={"PYTHONHASHSEED": "1"}).stdout
    assert fleet.run("webhook-config", env={"PYTHONHASHSEED": "2"}).stdout == first
    assert first.startswith("# Generated by kmodgate webhook-config")


def test_a_folder_holds_one_file_an_object_and_loses_those_that_are_not_wanted_any_more(fleet: FleetFolder) -> None:
    fleet.cluster("lyon")
    result = fleet.run("webhook-config", "--output", "registered")
    assert result.returncode == 0, result.stderr
    files = {path for path in fleet.files("registered") if path.startswith("paris")}
    assert files == {
        "paris/.index",
        "paris/webhook/clusterrole-kmodgate-override.yaml",
        "paris/webhook/clusterrole-kmodgate-webhook.yaml",
        "paris/webhook/clusterrolebinding-kmodgate-webhook.yaml",
        "paris/webhook/mutatingwebhookconfiguration-kmodgate.yaml",
        "paris/webhook/role-kmm-tests-kmodgate-webhook-certificates.yaml",
        "paris/webhook/role-kmodgate-system-kmodgate-webhook.yaml",
        "paris/webhook/rolebinding-kmm-tests-kmodgate-webhook-certificates.yaml",
        "paris/webhook/rolebinding-kmodgate-system-kmodgate-webhook.yaml",
        "paris/webhook/secret-kmodgate-system-kmodgate-webhook-tls.yaml",
        "paris/webhook/serviceaccount-kmodgate-system-kmodgate-webhook.yaml",
        "paris/webhook/validatingwebhookconfiguration-kmodgate.yaml",
    }
    fleet.driver("nic")
    assert fleet.run("webhook-config", "--output", "registered", "--cluster", "paris").returncode == 0
    left = {path for path in fleet.files("registered") if "certificates" in path}
    assert left
    assert all(path.startswith("lyon") for path in left)
    fleet.render()  # the files in the fleet are no specs


def test_what_is_generated_passes_the_check(fleet: FleetFolder, tmp_path: Path) -> None:
    (tmp_path / "objects.yaml").write_text(fleet.run("webhook-config").stdout)
    result = run("check", "objects.yaml", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, "")


def test_a_service_and_its_certificates_are_given(fleet: FleetFolder) -> None:
    bundle = fleet.write("ca.pem", f"subject=/CN=a\n{PEM}\n{PEM}")
    objects = generated(fleet, "--service", "guards/hook:8443", "--ca-bundle", str(bundle))
    config = validating(objects)["webhooks"][0]["clientConfig"]
    assert config["service"] == {"namespace": "guards", "name": "hook", "port": 8443, "path": "/validate"}
    assert base64.b64decode(config["caBundle"]).count(b"BEGIN CERTIFICATE") == 2
    assert b"subject" not in base64.b64decode(config["caBundle"])
    assert "ServiceAccount/guards/hook" in objects
    own = Request("CREATE", "pods", namespace="guards")
    assert answer(objects, own) == []


def test_a_webhook_outside_the_cluster_is_called_by_its_url(fleet: FleetFolder) -> None:
    objects = generated(fleet, "--url", "https://127.0.0.1:8443/")
    urls = {item["clientConfig"]["url"] for kind in (validating, mutating) for item in kind(objects)["webhooks"]}
    assert urls == {"https://127.0.0.1:8443/validate", "https://127.0.0.1:8443/mutate"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--service", "hook"], "--service hook: not NAMESPACE/NAME[:PORT]"),
        (["--service", "a/b:70000"], "--service a/b:70000: not NAMESPACE/NAME[:PORT]"),
        (["--service", "a/9b"], "--service a/9b: not NAMESPACE/NAME[:PORT]"),
        (["--url", "http://a"], "the API server calls https://HOST[:PORT] only"),
        (["--url", "https://u:p@a"], "without user, query and fragment"),
        (["--url", "https://a:port"], "the API server calls https://HOST[:PORT] only"),
        (["--ca-bundle", "missing.pem"], "--ca-bundle missing.pem: No such file or directory"),
        (["--ca-bundle", "kmodgate.yaml"], "no PEM certificate in it"),
        (["--ca-bundle", "key.pem"], "holds a private key"),
        (["--cluster", "pariss"], "there is no such cluster in the fleet"),
        (["--namespace", "a", "."], "--namespace is for a cluster without a fleet"),
        (["--namespace", "A"], "--namespace A: not a name"),
        (["--namespace", "a", "--namespace", "kmodgate-system"], "--namespace kmodgate-system: is the webhook's own"),
        (["--namespace", "a", "--service", "a/hook"], "--namespace a: is the webhook's own"),
        (["--namespace", "kube-system"], "--namespace kube-system: is the platform's"),
        (["--namespace", "a", "--cluster", "b", "--cluster", "c"], "names several clusters"),
        (["--namespace", "a", "--kubernetes", "old"], "--kubernetes old: not a version of Kubernetes"),
        (["--kubernetes", "1.27"], "--kubernetes is for a cluster without a fleet"),
        (["--output", ""], "--output is empty"),
        (["--output", "rendered"], "holds what render wrote"),
        (["--output", "kmodgate.yaml"], "is a file, and must be a folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_an_argument_that_cannot_be_used_is_an_error_with_a_fix(
    fleet: FleetFolder, arguments: list[str], words: str
) -> None:
    fleet.render()
    fleet.write("key.pem", f"{PEM}-----BEGIN PRIVATE KEY-----\n")
    result = fleet.run("webhook-config", *arguments)
    assert result.returncode == 2
    assert words in result.stderr
    assert "\n    fix: " in result.stderr
    assert result.stdout == ""
    assert (fleet.root / "rendered/paris/nic/module-nic.yaml").exists()


def test_several_clusters_do_not_go_to_one_stream(fleet: FleetFolder) -> None:
    fleet.cluster("lyon")
    result = fleet.run("webhook-config")
    assert (result.returncode, result.stdout) == (2, "")
    assert "2 clusters (lyon, paris) have objects of the same names" in result.stderr


def test_specs_that_cannot_be_used_generate_nothing(fleet: FleetFolder) -> None:
    fleet.driver("broken", "nonsense: 1")
    result = fleet.run("webhook-config")
    assert (result.returncode, result.stdout) == (2, "")
    assert "nothing was generated" in result.stderr
