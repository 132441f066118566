"""KMM's own records and definitions, on a real API server with the webhook on Fail."""

from __future__ import annotations

import json

import pytest

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.objects import node_modules_config
from tests.e2e.protection.guarded import (
    KMM,
    USUAL,
    Json,
    full_module,
    kmm_rules,
    named,
    override,
    refused,
    role_of,
    tried,
)
from tests.e2e.protection.test_overrides import grants_override
from tests.e2e.waiting import eventually
from tests.e2e.webhook import Webhook
from tests.objects.changed_definitions import STRICTER, USEFUL, USELESS, empty_contents

EMPTIED = ("--type=merge", "-p", json.dumps({"spec": {"modules": []}}))


@pytest.fixture
def config(control_plane: ControlPlane, webhook: Webhook, held: str) -> str:
    """The NodeModulesConfig of a node, which has a driver of a namespace to load."""
    control_plane.apply(*role_of(KMM, "kmm", kmm_rules()), *role_of("bob", "kmm-bob", kmm_rules()))
    item = node_modules_config(f"node-of-{held}", full_module(held))
    done = control_plane.kubectl("create", "-f", "-", as_=KMM, input=json.dumps(item))
    assert done.returncode == 0, done.stderr
    return str(item["metadata"]["name"])


def test_nobody_but_kmm_writes_what_a_node_loads(control_plane: ControlPlane, config: str) -> None:
    for arguments in (
        ("patch", "nmc", config, *EMPTIED),
        ("patch", "nmc", config, "--subresource=status", "--type=merge", "-p", '{"status":{"modules":[]}}'),
        ("label", "nmc", config, "a=b"),
        ("delete", "nmc", config),
    ):
        refused(control_plane.kubectl(*arguments, user="bob"), "REF301", "bob is not KMM")
    item = node_modules_config(f"{config}-2")
    refused(control_plane.kubectl("create", "-f", "-", user="bob", input=json.dumps(item)), "REF301")
    status = ("--subresource=status", "--type=merge", "-p", '{"status":{"modules":[]}}')
    for arguments in (("patch", "nmc", config, *EMPTIED), ("patch", "nmc", config, *status), ("delete", "nmc", config)):
        control_plane.kubectl(*arguments, as_=KMM, check=True)


def test_an_account_of_a_usual_installation_that_nobody_names_is_anybody(
    control_plane: ControlPlane, config: str
) -> None:
    namespace = config.removeprefix("node-of-")
    rules = [*kmm_rules(), {"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]}]
    control_plane.apply(
        named("Secret", "pull", namespace), *role_of(USUAL, "kmm-squatter", rules), *role_of(KMM, "kmm", rules)
    )
    for arguments in (
        ("patch", "nmc", config, *EMPTIED),
        ("patch", "nmc", config, "--subresource=status", "--type=merge", "-p", '{"status":{"modules":[]}}'),
        ("delete", "nmc", config),
    ):
        refused(control_plane.kubectl(*arguments, as_=USUAL), "REF301", "is not KMM", "parameters.controllers")
    refused(control_plane.kubectl("delete", "secret", "pull", "-n", namespace, as_=USUAL), "REF204", "Module")
    control_plane.kubectl("delete", "secret", "pull", "-n", namespace, as_=KMM, check=True)


def test_a_namespace_is_not_freed_by_emptying_what_nodes_hold(control_plane: ControlPlane, config: str) -> None:
    namespace = config.removeprefix("node-of-")
    control_plane.kubectl("delete", "module", "nic", "-n", namespace, check=True)
    refused(control_plane.kubectl("patch", "nmc", config, *EMPTIED, user="bob"), "REF301")
    eventually(
        lambda: "not unloaded yet" in control_plane.kubectl("delete", "namespace", namespace).stderr,
        "the namespace stays while a node has its driver",
    )


def test_who_may_override_is_warned_and_recorded(control_plane: ControlPlane, webhook: Webhook, config: str) -> None:
    control_plane.apply(*grants_override("alice"), *role_of("alice", "kmm-alice", kmm_rules()))
    done = control_plane.kubectl("patch", "nmc", config, *EMPTIED, user="alice")
    assert done.returncode == 0, done.stderr
    assert "REF301" in done.stderr
    lines = [line for line in webhook.decisions() if line["user"] == "alice" and line["name"] == config]
    assert lines[-1]["warned"] == ["REF301"]


def loose(kind: str, plural: str) -> Json:
    """The definition of a kind of KMM's group with any content."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.kmm.sigs.x-k8s.io"},
        "spec": {"group": "kmm.sigs.x-k8s.io", "scope": "Namespaced", "names": names, "versions": [version]},
    }


WITHOUT_ACTION = ("image", "kernelVersion")


def test_kinds_beside_module_are_judged_or_told_of(control_plane: ControlPlane, webhook: Webhook, held: str) -> None:
    kinds = {
        "BootModuleConfig": "bootmoduleconfigs",
        "KernelPatch": "kernelpatches",
    }
    control_plane.install(*(loose(kind, plural) for kind, plural in kinds.items()))

    def created(kind: str, spec: Json) -> str:
        item = {"apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": kind, "metadata": {"name": "a", "namespace": held}}
        done = control_plane.kubectl("create", "-f", "-", "--dry-run=server", input=json.dumps(item | {"spec": spec}))
        return done.stderr

    assert "INJ108" in created("BootModuleConfig", {"kernelModuleName": "nic; reboot"})
    assert "REF302" in created("KernelPatch", {})
    images = [{"image": "quay.io/acme/nic:1", "kernelVersion": "5.14.0-427.el9.x86_64", "action": "BuildImage"}]
    assert "REF301" in created("ModuleBuildSignConfig", {"images": images})
    assert "REF301" in created("ModuleImagesConfig", {"images": [{key: images[0][key] for key in WITHOUT_ACTION}]})
    for plural in (*kinds.values(), "modulebuildsignconfigs", "moduleimagesconfigs"):
        refused(control_plane.kubectl("delete", "crd", f"{plural}.kmm.sigs.x-k8s.io"), "REF303", "Module")


@pytest.mark.parametrize("name", ["modules", "nodemodulesconfigs", "moduleimagesconfigs", "modulebuildsignconfigs"])
def test_the_definitions_of_kmm_are_not_made_useless_while_modules_exist(
    control_plane: ControlPlane, webhook: Webhook, held: str, name: str
) -> None:
    more = {"its maps and lists keep nothing": empty_contents} if name in ("modules", "nodemodulesconfigs") else {}
    stored = control_plane.get("crd", f"{name}.kmm.sigs.x-k8s.io")["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    is_loose = "properties" not in stored["properties"]["spec"]  # without KMM's own, some name no field that could go
    for what, change in (USELESS | STRICTER | more).items():
        if is_loose and "schema" in what:
            continue
        answer = tried(control_plane, f"{name}.kmm.sigs.x-k8s.io", change)
        assert answer.status >= 400, what
        # a version that objects are stored as may not go, which the API server itself says
        assert "REF303" in answer.body["message"] or what == "its version is another one", answer.body
    for what, change in USEFUL.items():
        answer = tried(control_plane, f"{name}.kmm.sigs.x-k8s.io", change)
        assert answer.status == 200, (what, answer.body)


def test_the_definitions_of_kmm_stay_while_modules_exist(
    control_plane: ControlPlane, webhook: Webhook, held: str
) -> None:
    for name in ("modules.kmm.sigs.x-k8s.io", "nodemodulesconfigs.kmm.sigs.x-k8s.io"):
        refused(control_plane.kubectl("delete", "crd", name, "--dry-run=server"), "REF303", "Module")
    name = "preflightvalidations.kmm.sigs.x-k8s.io"
    control_plane.kubectl("annotate", "crd", name, override(), check=True)
    control_plane.kubectl("delete", "crd", name, "--dry-run=server", check=True)
    control_plane.kubectl("annotate", "crd", name, "kmodgate.io/override-", check=True)


def test_an_override_on_a_definition_is_set_by_who_may(
    control_plane: ControlPlane, webhook: Webhook, held: str
) -> None:
    rule = {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["*"]}
    control_plane.apply(*role_of("bob", "definitions-bob", [rule]))
    name = "modules.kmm.sigs.x-k8s.io"
    refused(control_plane.kubectl("annotate", "crd", name, override(), user="bob"), "REF205", "bob")
    control_plane.kubectl("annotate", "crd", name, "team=nic", user="bob", check=True)
    control_plane.kubectl("annotate", "crd", name, "team-", user="bob", check=True)
