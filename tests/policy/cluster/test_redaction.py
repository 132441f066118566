"""A redacted dump holds no secret, and all that rules ask of a cluster."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import yaml

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.cluster.redaction import redacted, registries_in
from kmodgate.policy.engine import Engine
from tests.policy.rules.test_rules import EXAMPLES, example

WITH_FACTS = [path for path in EXAMPLES if "\n# facts:\n" in path.read_text()]
SECRET = "hunter2"


@pytest.mark.parametrize("path", WITH_FACTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_rules_find_the_same_with_a_redacted_dump(path: Any) -> None:
    policy, review = example(path)
    known = path.read_text().partition("# facts:\n")[2].partition("# before:\n")[0]
    objects = [item for item in yaml.safe_load_all(known) if item]
    expected = Engine(policy).evaluate(review)
    complete = set(review.facts._complete) if isinstance(review.facts, SnapshotFacts) else set()
    review.facts = SnapshotFacts([redacted(item) for item in objects], complete)
    assert Engine(policy).evaluate(review) == expected


def objects() -> list[dict[str, Any]]:
    container = {
        "name": "c", "image": "a:1", "command": ["sh", SECRET], "args": [SECRET], "env": [{"name": "A", "value": SECRET}],
        "livenessProbe": {"httpGet": {"httpHeaders": [{"name": "Authorization", "value": SECRET}]}},
        "lifecycle": {"preStop": {"exec": {"command": [SECRET]}}},
    }  # fmt: skip
    volume = {"name": "v", "csi": {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"token": SECRET}}}
    pod = {"containers": [container], "initContainers": [container], "volumes": [volume]}
    noted = {"annotations": {"vault.hashicorp.com/agent-inject-template": SECRET, "io.katacontainers.config.a": "1"}}
    applied = {
        "kubectl.kubernetes.io/last-applied-configuration": SECRET, "kmodgate.io/spec": "a.yaml", "example.com/a": SECRET,
    }  # fmt: skip
    metadata = {"name": "a", "namespace": "b", "annotations": applied}
    build = {"dockerfileConfigMap": {"name": "df"}, "buildArgs": [{"name": "TOKEN", "value": SECRET}]}
    loader = {"container": {"build": build, "kernelMappings": [{"literal": "1", "build": build}]}}
    return [
        {"kind": "Pod", "metadata": metadata, "spec": pod},
        {"kind": "Deployment", "metadata": metadata, "spec": {"template": {"metadata": noted, "spec": pod}}},
        {"kind": "CronJob", "metadata": metadata, "spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}},
        {
            "kind": "Module",
            "metadata": metadata,
            "spec": {"moduleLoader": loader, "devicePlugin": {"container": container}},
        },
        {"kind": "ConfigMap", "metadata": metadata, "data": {"settings": SECRET}, "binaryData": {"more": SECRET}},
        {"kind": "ConfigMap", "metadata": metadata, "data": {"dockerfile": "FROM a", "settings": SECRET}},
        {"kind": "MachineConfig", "metadata": metadata, "spec": machines()},
        {"kind": "Secret", "metadata": metadata, "stringData": {"key": SECRET, "cert": SECRET}, "type": "Opaque"},
    ]


def machines() -> dict[str, Any]:
    """What a MachineConfig holds of users, units and files."""
    return {
        "kernelArguments": ["module_blacklist=ice"],
        "config": {
            "passwd": {"users": [{"name": "core", "passwordHash": SECRET}]},
            "systemd": {"units": [{"name": "a.service", "contents": SECRET}]},
            "storage": {"files": [{"path": "/etc/a", "contents": {"source": f"data:,{SECRET}"}}]},
        },
    }


def test_of_a_machine_config_stays_what_modprobe_and_the_kernel_read() -> None:
    spec = machines()
    file = {"path": "/etc/modprobe.d/a.conf", "contents": {"source": "data:,blacklist%20i40e"}}
    spec["config"]["storage"]["files"].append(file)
    kept = redacted({"kind": "MachineConfig", "metadata": {"name": "a"}, "spec": spec})["spec"]
    assert kept["kernelArguments"] == ["module_blacklist=ice"]
    assert kept["config"]["storage"]["files"] == [{"path": "/etc/a"}, file]


@pytest.mark.parametrize(
    "spec", [None, {}, [], {"config": 7}, {"config": {"storage": {"files": [7, {"path": 7}, {"path": "/a"}]}}}]
)
def test_an_odd_machine_config_is_redacted(spec: Any) -> None:
    assert redacted({"kind": "MachineConfig", "metadata": {"name": "a"}, "spec": spec})["kind"] == "MachineConfig"


@pytest.mark.parametrize("item", objects(), ids=lambda item: item["kind"])
def test_no_value_of_a_program_is_left(item: dict[str, Any]) -> None:
    text = json.dumps(redacted(item))
    assert SECRET not in text
    assert SECRET in json.dumps(item)  # and the object that was given is as it was
    for name in ("settings", "more", "TOKEN", '"A"', "Authorization", "cert"):
        assert (name in text) == (name in json.dumps(item))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("df", {"dockerfile": "FROM a"}),
        ("ims-config", {"JOB_ENABLE_DKMS": "true"}),
        ("cray-configmap-ims-v2-image-customize", {"image_job_customize.yaml.template": "kind: Job"}),
        ("kmm-operator-manager-config", {"controller_config.yaml": "webhookPort: 9443"}),
        ("kmodgate-policy", {"policy.yaml": "kind: DriverPolicy"}),
    ],
)
def test_what_rules_read_of_a_config_map_stays(name: str, data: dict[str, str]) -> None:
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    assert redacted(item) == item


def test_of_a_pull_secret_the_names_of_registries_stay() -> None:
    url = f"https://me:{SECRET}@example.com/v1/"
    text = json.dumps({"auths": {"quay.io": {"auth": SECRET}, "registry.example.com": {"password": SECRET}, url: {}}})
    found = redacted({"kind": "Secret", "metadata": {"name": "a"}, "stringData": {".dockerconfigjson": text}})
    assert SECRET not in json.dumps(found)
    facts = SnapshotFacts([found], {"Secret"})
    assert facts.find("Secret", "", "a") == found
    assert registries_in(b"no json") == registries_in(b"[]") == []


def carriers() -> list[dict[str, Any]]:
    """Objects that hold others, or text for other programs, each with a secret in many places."""
    data = {"a": base64.b64encode(SECRET.encode()).decode()}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": data,
        "stringData": {"b": SECRET},
    }
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": SECRET}}
    head = {"metadata": {"name": "a", "namespace": "b", "annotations": {"x": SECRET}}}
    feedback = {"statusFeedback": {"values": [{"name": "x", "fieldValue": {"string": SECRET}}]}}
    inner = {"object-templates": [{"objectDefinition": secret}]}
    helm = {"values": SECRET, "parameters": [{"name": "p", "value": SECRET}], "valuesObject": {"p": SECRET}}
    flex = {"flexVolume": {"driver": "x", "options": {"password": SECRET}}, "mountOptions": [SECRET]}
    hook = {"lifecycle": {"postStart": {"httpGet": {"path": f"/?token={SECRET}"}}}}
    return [
        {
            "apiVersion": "work.open-cluster-management.io/v1", "kind": "ManifestWork", **head,
            "spec": {"workload": {"manifests": [secret, settings]}}, "status": feedback,
        },
        {"apiVersion": "policy.open-cluster-management.io/v1", "kind": "Policy", **head,
         "spec": {"policy-templates": [{"objectDefinition": {"kind": "ConfigurationPolicy", "spec": inner}}]}},
        {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", **head,
         "spec": {"target": {"name": "t", "template": {"data": {"a": SECRET}}}}},
        {"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", **head,
         "spec": {"template": {"data": {"a": SECRET}, "metadata": {"name": "t"}}}},
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", **head,
         "spec": {"source": {"repoURL": f"https://me:{SECRET}@git.example.com/a", "helm": helm}}},
        {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", **head, "spec": {"values": {"p": SECRET}}},
        {"apiVersion": "build.openshift.io/v1", "kind": "BuildConfig", **head, "spec": {"source": {"dockerfile": SECRET}}},
        {"apiVersion": "v1", "kind": "PersistentVolume", **head, "spec": flex},
        {"apiVersion": "v1", "kind": "Event", **head, "message": SECRET, "note": SECRET},
        {"apiVersion": "v1", "kind": "Pod", **head, "spec": {"containers": [hook]}, "status": {"message": SECRET}},
    ]  # fmt: skip


@pytest.mark.parametrize("item", carriers(), ids=lambda item: item["kind"])
def test_nothing_secret_is_left_of_what_carries_objects_or_texts(item: dict[str, Any]) -> None:
    text = json.dumps(redacted(item))
    assert SECRET not in text
    assert base64.b64encode(SECRET.encode()).decode() not in text
    assert {key: redacted(item)[key] for key in ("apiVersion", "kind")} == {
        key: item[key] for key in ("apiVersion", "kind")
    }


def test_what_makes_a_secret_keeps_the_name_of_it() -> None:
    made = {item["kind"]: redacted(item)["spec"] for item in carriers() if item["kind"].endswith("edSecret")}
    assert made == {"SealedSecret": {"template": {"metadata": {"name": "t"}}}}
    (external,) = (redacted(item)["spec"] for item in carriers() if item["kind"] == "ExternalSecret")
    assert external == {"target": {"name": "t"}}


def test_objects_within_objects_are_redacted_however_deep_they_lie() -> None:
    item: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "eA=="}}
    for _ in range(2000):
        item = {"apiVersion": "work.open-cluster-management.io/v1", "kind": "ManifestWork", "spec": {"a": [item]}}
    found: Any = redacted(item)
    while found["kind"] == "ManifestWork":
        (found,) = found["spec"]["a"]
    assert found["data"] == {"a": ""}


DEVICE = {"driver": "a.example.com", "parameters": {"password": SECRET}}
SOURCE = {
    "jsonnet": {"tlas": [{"name": "a", "value": SECRET}], "extVars": [{"name": "a", "value": SECRET}]},
    "kustomize": {"patches": [{"patch": SECRET}]},
    "plugin": {"parameters": [{"name": "a", "string": SECRET}, {"name": "b", "array": [SECRET], "map": {"c": SECRET}}]},
}


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("argoproj.io/v1alpha1 Application", {"source": SOURCE, "info": [{"name": "a", "value": SECRET}]}),
        ("kmm.sigs.x-k8s.io/v1beta1 Module", {"dra": {"deviceClasses": [{"config": [{"opaque": DEVICE}]}]}}),
        ("policy.open-cluster-management.io/v1 ConfigurationPolicy", {"object-templates-raw": SECRET}),
        (
            "addon.open-cluster-management.io/v1alpha1 AddOnDeploymentConfig",
            {"customizedVariables": [{"value": SECRET}]},
        ),
        ("agent-install.openshift.io/v1beta1 InfraEnv", {"ignitionConfigOverride": SECRET}),
        ("certificates.k8s.io/v1 CertificateSigningRequest", {"extra": {"a": [SECRET]}}),
        ("config.openshift.io/v1 OAuth", {"identityProviders": [{"ldap": {"url": SECRET}}]}),
        ("machineconfiguration.openshift.io/v1 ControllerConfig", {"internalRegistryPullSecret": SECRET}),
        ("resource.k8s.io/v1 ResourceClaim", {"devices": {"config": [{"opaque": DEVICE}]}}),
        ("apps.openshift.io/v1 DeploymentConfig", {"strategy": {"customParams": {"environment": [{"value": SECRET}]}}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_of_other_programs_are_emptied(kind: str, spec: dict[str, Any]) -> None:
    version, _, name = kind.partition(" ")
    item = {"apiVersion": version, "kind": name, "metadata": {"name": "a"}, "spec": spec}
    assert SECRET not in json.dumps(redacted(item))


def test_the_manifests_of_an_install_plan_go() -> None:
    step = {"resource": {"kind": "Deployment", "manifest": SECRET}}
    head = {"apiVersion": "operators.coreos.com/v1alpha1", "kind": "InstallPlan", "metadata": {"name": "a"}}
    item = {**head, "spec": {"approved": True}, "status": {"plan": [step]}}
    assert redacted(item) == {**head, "spec": {"approved": True}}


@pytest.mark.parametrize(
    "item",
    [
        {"kind": "Pod", "spec": {"containers": [{"name": "c", "args": SECRET, "command": SECRET}]}},
        {"kind": "ValidatingWebhookConfiguration", "webhooks": [{"clientConfig": {"url": f"https://a/b?token={SECRET}"}}]},
        {"kind": "Workflow", "apiVersion": "argoproj.io/v1alpha1", "spec": {"templates": [{"script": {"source": SECRET}}]}},
        {
            "kind": "ApplicationSet", "apiVersion": "argoproj.io/v1alpha1",
            "spec": {
                "generators": [
                    {"list": {"elements": [{"token": SECRET}]}}, {"plugin": {"input": {"parameters": {"a": SECRET}}}},
                ],
                "templatePatch": SECRET,
            },
        },
        {"kind": "AppProject", "apiVersion": "argoproj.io/v1alpha1", "spec": {"roles": [{"jwtTokens": [{"id": SECRET}]}]}},
        {
            "kind": "AppProject", "apiVersion": "argoproj.io/v1alpha1",
            "status": {"jwtTokensByRole": {"ci": {"items": [{"id": SECRET}]}}},
        },
        {
            "kind": "ApplicationSet", "apiVersion": "argoproj.io/v1alpha1",
            "spec": {"generators": [{"clusters": {"values": {"token": SECRET}}}, {"list": {"elementsYaml": SECRET}}]},
        },
        {
            "kind": "Application", "apiVersion": "argoproj.io/v1alpha1",
            "operation": {"sync": {"manifests": [SECRET]}},
            "status": {"operationState": {"operation": {"sync": {"manifests": [SECRET]}}}},
        },
        {
            "kind": "ReplicationController", "apiVersion": "v1",
            "metadata": {"annotations": {"openshift.io/encoded-deployment-config": SECRET}},
        },
        {"kind": "MachineConfig", "spec": {"kernelArguments": [f"rd.iscsi.password={SECRET}", f"ro a={SECRET}"]}},
        {"kind": "Pod", "spec": {"containers": [{"name": "c", "env": {"TOKEN": SECRET}}, {"name": "d", "env": [SECRET]}]}},
        {"kind": "Settings", "apiVersion": "kmm.example.com/v1", "spec": {"token": SECRET}},
    ],
    ids=lambda item: item["kind"],
)  # fmt: skip
def test_rarer_places_of_secrets_are_emptied(item: dict[str, Any]) -> None:
    assert SECRET not in json.dumps(redacted(item))


def test_what_merely_names_an_object_stays() -> None:
    owner = {"apiVersion": "amd.com/v1alpha1", "kind": "NetworkConfig", "name": "a", "uid": "1", "controller": True}
    item = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b", "ownerReferences": [owner]}}
    assert redacted(item) == item
