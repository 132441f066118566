"""Rights of the webhook."""

from __future__ import annotations

from typing import Any

from tests.fleets import FleetFolder
from tests.renderer.registration.registering import (
    SIGNED,
    generated,
)


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
        ("", "events", "", "create"),
        ("kmm.sigs.x-k8s.io", "modules", "", "get list watch"),
        ("kmm.sigs.x-k8s.io", "nodemodulesconfigs", "", "get list watch"),
        ("hub.kmm.sigs.x-k8s.io", "managedclustermodules", "", "get list watch"),
        ("node.k8s.io", "runtimeclasses", "", "get list watch"),
        ("", "replicationcontrollers", "", "get"),
        ("apps", "daemonsets", "", "get list watch"),
        ("apps", "deployments", "", "get"),
        ("apps", "replicasets", "", "get"),
        ("apps", "statefulsets", "", "get"),
        ("batch", "cronjobs", "", "get"),
        ("batch", "jobs", "", "get"),
        ("authorization.k8s.io", "subjectaccessreviews", "", "create"),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "kmodgate", "get patch"),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations", "kmodgate", "get patch"),
    }
    assert rights(objects["Role/kmodgate-system/kmodgate-webhook"]) == {
        ("", "secrets", "kmodgate-webhook-tls", "get update")
    }
    assert rights(objects["Role/kmm-tests/kmodgate-webhook-certificates"]) == {("", "secrets", "cert", "get")}
    assert "data" not in objects["Secret/kmodgate-system/kmodgate-webhook-tls"]


def test_on_openshift_the_webhook_may_list_what_gives_the_use_of_sccs(fleet: FleetFolder) -> None:
    plain = rights(generated(fleet)["ClusterRole/kmodgate-webhook"])
    path = fleet.cluster("paris")
    path.write_text(path.read_text().replace("platform: kubernetes", "platform: openshift"))
    group = "rbac.authorization.k8s.io"
    names = ("clusterrolebindings", "clusterroles", "rolebindings", "roles")
    assert rights(generated(fleet)["ClusterRole/kmodgate-webhook"]) - plain == {
        *((group, name, "", "list") for name in names),
        ("security.openshift.io", "securitycontextconstraints", "", "list"),
    }


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
    literal = "  - {literal: 5.14.1, sign: {unsignedImage: a:1, keySecret: key, certSecret: third, filesToSign: ['/opt/a.ko']}}\n"
    path.write_text(path.read_text().replace("  kernelMappings:\n", f"  kernelMappings:\n{literal}"))
    fleet.driver("plain")
    role = generated(fleet)["Role/kmm-tests/kmodgate-webhook-certificates"]
    assert rights(role) == {("", "secrets", "cert other third", "get")}
