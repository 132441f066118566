"""Changes that leave a namespace of Modules in place and make it useless to them, on a real API server."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.objects import module
from tests.e2e.protection.guarded import Json, named, namespaces_rules, override, refused, role_of
from tests.e2e.protection.test_overrides import grants_override
from tests.e2e.waiting import eventually
from tests.e2e.webhook import Webhook

ENFORCE = "pod-security.kubernetes.io/enforce"
NOBODY = {"auth": "", "username": "somebody", "password": "", "email": "a@example.com"}


def test_a_secret_that_a_module_needs_is_rotated_and_not_emptied(control_plane: ControlPlane, held: str) -> None:
    full = {".dockerconfigjson": json.dumps({"auths": {"quay.io": {"auth": "YWJjOmRlZg=="}}})}
    secret = named("Secret", "pull", held) | {"type": "kubernetes.io/dockerconfigjson"}
    control_plane.apply(secret | {"stringData": full})

    def patched(text: str) -> tuple[str, ...]:
        return (
            "patch",
            "secret",
            "pull",
            "-n",
            held,
            "--type=merge",
            "-p",
            json.dumps({"stringData": {".dockerconfigjson": text}}),
        )

    indented = json.dumps({"auths": {}}, indent=4) + "\n"
    without = [json.dumps({"auths": {"registry.redhat.io": item}}) for item in ({}, {"auth": ""}, {"auth": "Og=="})]
    nobody = {"auths": {f"registry-{name}.internal.example.com:5000": NOBODY for name in "abc"}}
    without += [json.dumps(nobody), json.dumps(nobody, indent=4)]
    for text in ('{"auths":{}}', "{}", indented, *without):
        refused(control_plane.kubectl(*patched(text)), "REF212", "Module")
    control_plane.kubectl(*patched(json.dumps({"auths": {"quay.io": {"auth": "eHl6OmRlZg=="}}})), check=True)
    control_plane.apply(named("Secret", "netrc", held) | {"stringData": {"netrc": "machine quay.io login abc"}})
    for blank in (" " * 99, "\n" * 40, "\0" * 60):
        data = json.dumps({"data": {"netrc": base64.b64encode(blank.encode()).decode()}})
        emptied = ("patch", "secret", "netrc", "-n", held, "--type=merge", "-p", data)
        refused(control_plane.kubectl(*emptied), "REF212", "Module")


def test_the_dockerfile_of_a_module_is_replaced_with_a_warning_and_not_emptied(
    control_plane: ControlPlane, held: str
) -> None:
    control_plane.apply(named("ConfigMap", "dockerfile", held) | {"data": {"dockerfile": "FROM quay.io/acme/dtk:1"}})

    def patched(text: str | None) -> tuple[str, ...]:
        return (
            "patch",
            "configmap",
            "dockerfile",
            "-n",
            held,
            "--type=merge",
            "-p",
            json.dumps({"data": {"dockerfile": text}}),
        )

    done = control_plane.kubectl(*patched("FROM quay.io/evil/dtk:1"), check=True)
    assert "REF213" in done.stderr
    for text in ("", None):
        refused(control_plane.kubectl(*patched(text)), "REF212", "Module")


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_a_namespace_with_modules_stays_privileged(control_plane: ControlPlane, held: str, level: str) -> None:
    control_plane.kubectl("label", "namespace", held, f"{ENFORCE}=privileged", check=True)
    refused(control_plane.kubectl("label", "--overwrite", "namespace", held, f"{ENFORCE}={level}"), "REF210")
    others = [f"pod-security.kubernetes.io/{mode}={level}" for mode in ("warn", "audit")]
    control_plane.kubectl("label", "--overwrite", "namespace", held, *others, check=True)


LITTLE: list[Json] = [{"requests.cpu": "0.25"}, {"limits.memory": "100Mi"}]
"""Less than one of KMM's workers takes."""


def test_a_namespace_with_modules_gets_no_quota_without_pods(control_plane: ControlPlane, held: str) -> None:
    def quota(name: str, hard: Json) -> str:
        return json.dumps(named("ResourceQuota", name, held) | {"spec": {"hard": hard}})

    for hard in (
        {"pods": "0"},
        {"pods": 0},
        {"count/pods": "0k"},
        {"requests.cpu": 0},
        {"limits.memory": "0Mi"},
        *LITTLE,
    ):
        refused(control_plane.kubectl("create", "-f", "-", input=quota("none", hard)), "REF211", "Module")
    control_plane.kubectl("create", "-f", "-", input=quota("some", {"pods": "10", "cpu": "500m"}), check=True)
    patch = ("--type=merge", "-p", json.dumps({"spec": {"hard": {"pods": "0"}}}))
    refused(control_plane.kubectl("patch", "resourcequota", "some", "-n", held, *patch), "REF211")


def test_a_namespace_with_modules_gets_no_limits_without_workers(control_plane: ControlPlane, held: str) -> None:
    def limits(name: str, **item: Json) -> str:
        spec = {"limits": [{"type": "Container"} | item]}
        return json.dumps(named("LimitRange", name, held) | {"spec": spec})

    for item in ({"max": {"cpu": "100m"}}, {"max": {"memory": "0.1Gi"}}, {"min": {"cpu": 1}}):
        refused(control_plane.kubectl("create", "-f", "-", input=limits("none", **item)), "REF214", "Module")
    of_pods = limits("none", max={"ephemeral-storage": "10Gi"}).replace("Container", "Pod")
    refused(control_plane.kubectl("create", "-f", "-", input=of_pods), "REF214", "Module")
    control_plane.kubectl("create", "-f", "-", input=limits("some", max={"cpu": "4", "memory": "0.5Gi"}), check=True)
    worker = {"requests": {"cpu": "500m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}}
    pod = {"containers": [{"name": "worker", "image": "quay.io/acme/worker:1", "resources": worker}]}
    accepted = json.dumps(named("Pod", "worker", held) | {"spec": pod | {"automountServiceAccountToken": False}})
    control_plane.kubectl("create", "--dry-run=server", "-f", "-", input=accepted, check=True)
    patch = ("--type=merge", "-p", json.dumps({"spec": {"limits": [{"type": "Container", "max": {"cpu": "1m"}}]}}))
    refused(control_plane.kubectl("patch", "limitrange", "some", "-n", held, *patch), "REF214")
    control_plane.kubectl("delete", "limitrange", "some", "-n", held, check=True)


@pytest.mark.parametrize("name", ["openshift.io/node-selector", "scheduler.alpha.kubernetes.io/node-selector"])
def test_a_namespace_with_modules_keeps_their_nodes(control_plane: ControlPlane, held: str, name: str) -> None:
    def annotated(text: str) -> Any:
        return control_plane.kubectl("annotate", "--overwrite", "namespace", held, f"{name}{text}")

    refused(annotated("=node-role.kubernetes.io/worker=none"), "REF215", "Module")
    done = annotated("=example.com/zone=a")
    assert (done.returncode, "REF216" in done.stderr) == (0, True), done.stderr
    refused(annotated("=example.com/zone=a,node-role.kubernetes.io/worker=none"), "REF215")
    done = annotated("-")
    assert (done.returncode, "REF21" in done.stderr) == (0, False), done.stderr


def test_a_namespace_that_no_fleet_and_no_label_names_stays_too(
    control_plane: ControlPlane, webhook: Webhook, namespace: str
) -> None:
    control_plane.apply(module("nic", namespace))
    refused(control_plane.kubectl("delete", "namespace", namespace), "REF201", f"Module {namespace}/nic")


def test_no_module_arrives_in_a_namespace_right_after_it_was_deleted(
    control_plane: ControlPlane, webhook: Webhook, namespace: str
) -> None:
    finalizers = {"spec": {"finalizers": ["kubernetes", "example.com/hold"]}}
    found = control_plane.get("namespace", namespace)
    control_plane.call("PUT", f"/api/v1/namespaces/{namespace}/finalize", found | finalizers)
    path = f"/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/{namespace}/modules"
    with control_plane.connection() as connection:
        assert connection.call("DELETE", f"/api/v1/namespaces/{namespace}").status == 200
        answer = connection.call("POST", path, module("nic", namespace))
    assert answer.status == 403, answer.body
    found = control_plane.get("namespace", namespace)
    control_plane.call("PUT", f"/api/v1/namespaces/{namespace}/finalize", found | {"spec": {}})


def test_a_project_that_is_deleted_by_another_user_counts_for_that_user(
    control_plane: ControlPlane, webhook: Webhook, held: str
) -> None:
    """`oc delete project` deletes the Namespace as the API server of OpenShift, whoever asks."""
    server = "system:serviceaccount:openshift-apiserver:openshift-apiserver-sa"
    all_rights = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    control_plane.apply(*role_of(server, "openshift-apiserver", all_rights), *grants_override("alice"))
    control_plane.apply(*role_of("bob", "namespaces-bob", namespaces_rules()))
    refused(control_plane.kubectl("delete", "namespace", held, as_=server), "REF201")
    refused(control_plane.kubectl("annotate", "namespace", held, override(), user="bob"), "REF205")
    control_plane.kubectl("annotate", "namespace", held, override(), user="alice", check=True)
    eventually(
        lambda: control_plane.kubectl("delete", "namespace", held, "--wait=false", as_=server).returncode == 0,
        "the override counts for the project's API server",
    )
    used = [line for line in webhook.decisions() if line.get("override") and line["name"] == held]
    assert used[-1]["user"] == server
    assert "alice@example.com answers" in used[-1]["override"]
