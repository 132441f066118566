"""Known ways around an admission webhook, and that none of them is one here.

docs/security.md lists the classes, and which of these tests is for which.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Kmodgate
from tests.fleets import run
from tests.reaching import Request, called
from tests.webhook.api_stub import ApiStub, page
from tests.webhook.reviews import (
    CLUSTER,
    LARGE,
    Object,
    broken_module,
    dkms_pod,
    dump,
    loading_container,
    module,
    named,
    namespace,
    padded,
    pod,
    review,
    uid,
)
from tests.webhook.server import Webhook, serving
from tests.webhook.stalling import modules_of

LABEL = "kmm.node.k8s.io/contains-modules"

POLICY = """\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {name: strict}
spec:
  modes: {PRV: enforce, MAP202: enforce}
  parameters:
    kernelAccess: {approved: [{namespace: storage, serviceAccount: csi-node}]}
    forbiddenHostPaths: [/var/lib/kubelet]
    allowedRegistries: [quay.io/acme, registry.local]
"""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """A server that refuses what can load kernel modules and is not approved."""
    folder = tmp_path_factory.mktemp("strict")
    (folder / "policy.yaml").write_text(POLICY)
    with serving(folder, "--policy", str(folder / "policy.yaml"), facts=dump(*CLUSTER)) as server:
        yield server


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The webhook configurations for a namespace of drivers."""
    done = run("webhook-config", "--namespace=drivers", cwd=tmp_path_factory.mktemp("registered"))
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item["kind"].endswith("WebhookConfiguration")]


def is_asked(registered: list[Any], request: Request) -> bool:
    return any(called(item, request) for item in registered)


# --- containers in every place ---

LISTS = {
    "containers": {"containers": [loading_container()]},
    "init containers": {"initContainers": [loading_container()]},
    "sidecars": {"initContainers": [loading_container(restartPolicy="Always")]},
    "the last of many": {"containers": [*pod()["spec"]["containers"] * 40, loading_container()]},
}


@pytest.mark.parametrize("spec", LISTS.values(), ids=LISTS.keys())
def test_containers_of_every_list_are_judged(strict: Webhook, spec: Object) -> None:
    assert strict.post(review("CREATE", "Pod", pod(**spec))).rules() == ["PRV101"]


def test_ephemeral_containers_are_judged_when_they_are_added(strict: Webhook) -> None:
    item = pod(ephemeralContainers=[loading_container()])
    assert strict.post(review("UPDATE", "Pod", item, pod(), subResource="ephemeralcontainers")).rules() == ["PRV101"]


TEMPLATES = {
    "Deployment": ("apps", "deployments", ("template",)),
    "DaemonSet": ("apps", "daemonsets", ("template",)),
    "StatefulSet": ("apps", "statefulsets", ("template",)),
    "ReplicaSet": ("apps", "replicasets", ("template",)),
    "ReplicationController": ("", "replicationcontrollers", ("template",)),
    "Job": ("batch", "jobs", ("template",)),
    "CronJob": ("batch", "cronjobs", ("jobTemplate", "spec", "template")),
}


def workload(kind: str, spec: Object) -> Object:
    """A review of a workload that makes pods of that spec."""
    group, resource, path = TEMPLATES[kind]
    holder: Object = {"spec": spec}
    for step in reversed(path):
        holder = {step: holder}
    item = named(kind, "a", "apps", f"{group}/v1" if group else "v1", spec=holder)
    what = {
        "kind": {"group": group, "version": "v1", "kind": kind},
        "resource": {"group": group, "version": "v1", "resource": resource},
    }
    return review("CREATE", "Pod", item, **what)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_place_of_any_workload_hides_a_container(strict: Webhook, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["Pod", *TEMPLATES]))
    place = data.draw(st.sampled_from(["containers", "initContainers"]))
    harmless = pod()["spec"]["containers"][0]
    others = {key: [harmless] * data.draw(st.integers(0, 3)) for key in ("containers", "initContainers")}
    items = [*others[place], loading_container(), *[harmless] * data.draw(st.integers(0, 2))]
    spec = {**others, place: data.draw(st.permutations(items))}
    asked = review("CREATE", "Pod", pod(**spec)) if kind == "Pod" else workload(kind, spec)
    assert strict.post(asked).rules() == ["PRV101"]


# --- subresources ---

SUBRESOURCES = [
    Request("UPDATE", "pods/ephemeralcontainers", namespace="apps", old={}),
    Request("UPDATE", "namespaces/finalize", name="drivers", old={}),
    Request("UPDATE", "namespaces/status", name="drivers", old={}),
    Request("DELETE", "namespaces", name="drivers", labels=None, old={}),
    Request("UPDATE", "namespaces", name="drivers", labels={}, old={LABEL: ""}),
]


@pytest.mark.parametrize("request_", SUBRESOURCES, ids=lambda item: f"{item.operation} {item.resource}")
def test_subresources_that_matter_are_registered(registered: list[Any], request_: Request) -> None:
    assert is_asked(registered, request_)


# --- versions ---


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("kmm.sigs.x-k8s.io/v1alpha1", "Module"),
        ("kmm.sigs.x-k8s.io/v2", "Module"),
        ("kmm.sigs.x-k8s.io/v1beta1", "module"),
        ("kmm.sigs.x-k8s.io/V1beta1", "Module"),
    ],
)
def test_a_version_of_kmms_kinds_that_does_not_exist_is_refused(strict: Webhook, api_version: str, kind: str) -> None:
    group, _, version = api_version.rpartition("/")
    item = module() | {"apiVersion": api_version, "kind": kind}
    asked = review("CREATE", "Module", item, kind={"group": group, "version": version, "kind": kind})
    assert not strict.post(asked).allowed


def test_other_versions_are_converted_by_the_api_server_before_they_are_judged(registered: list[Any]) -> None:
    entries = [entry for item in registered for entry in item["webhooks"]]
    assert entries
    assert {entry["matchPolicy"] for entry in entries} == {"Equivalent"}


@pytest.mark.parametrize("version", ["v1beta1", "v1beta2"])
def test_each_version_that_kmm_has_served_is_judged(strict: Webhook, registered: list[Any], version: str) -> None:
    group = "kmm.sigs.x-k8s.io"
    item = named("PreflightValidation", "next", api_version=f"{group}/{version}", spec={"kernelVersion": "6"})
    what = {"kind": {"group": group, "version": version, "kind": "PreflightValidation"}}
    assert "KMM801" in strict.post(review("CREATE", "PreflightValidation", item, **what)).rules()
    assert is_asked(registered, Request("CREATE", "preflightvalidations", group, version))


# --- operations ---


def test_a_connection_is_no_pod_whatever_it_says_it_is(strict: Webhook) -> None:
    for item in (pod(containers=[loading_container()]), {"spec": {"containers": None}}, {}, None):
        reply = strict.post(review("CONNECT", "Pod", item, subResource="exec", name="tool", namespace="apps"))
        assert (reply.allowed, reply.rules("noted-by")) == (True, [])


def test_of_a_collection_each_object_is_judged_and_those_in_use_stay(strict: Webhook) -> None:
    names = ["a", "pull", "b", "c"]
    replies = [
        strict.post(review("DELETE", "Secret", None, named("Secret", name, "drivers"), name="")) for name in names
    ]
    assert [reply.allowed for reply in replies] == [True, False, True, True]
    assert all("patch" not in reply.response for reply in replies)


def test_a_dry_run_is_refused_where_the_request_would_be(strict: Webhook) -> None:
    assert strict.post(review("DELETE", "Namespace", None, namespace("drivers"), dryRun=True)).rules() == ["REF201"]


def test_objects_without_a_name_yet_are_told_apart(strict: Webhook) -> None:
    item = pod(containers=[loading_container()])
    item["metadata"] = {"generateName": "tool-", "namespace": "apps"}
    asked = [review("CREATE", "Pod", body, name="") for body in (item, item | {"spec": pod()["spec"]})]
    assert [strict.post(body).allowed for body in asked] == [False, True]


# --- namespaces ---


def test_a_namespace_stays_whatever_its_labels_say(strict: Webhook) -> None:
    for labels in ({}, {LABEL: ""}, {LABEL: "false"}, {"kmodgate.io/exempt": "true"}):
        assert strict.post(review("DELETE", "Namespace", None, namespace("drivers", **labels))).rules() == ["REF201"]


@pytest.mark.parametrize("labels", [{}, {LABEL: "true"}], ids=["removed", "changed"])
def test_the_protecting_label_stays_too(strict: Webhook, labels: dict[str, str]) -> None:
    asked = review("UPDATE", "Namespace", namespace("drivers", **labels), namespace("drivers", **{LABEL: ""}))
    assert strict.post(asked).rules() == ["REF202"]


def test_the_protecting_label_does_not_go_by_the_status(strict: Webhook) -> None:
    for value in ("", "true"):
        old = namespace("drivers", **{LABEL: value})
        asked = review("UPDATE", "Namespace", namespace("drivers"), old, subResource="status")
        assert strict.post(asked).rules() == ["REF202"]


def test_what_a_module_needs_is_not_left_to_the_garbage_collector(strict: Webhook) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "0"}
    for name, rules in (("pull", ["REF207"]), ("other", [])):
        old = named("Secret", name, "drivers")
        new = old | {"metadata": old["metadata"] | {"ownerReferences": [owner]}}
        assert strict.post(review("UPDATE", "Secret", new, old)).rules() == rules
        assert strict.post(review("UPDATE", "Secret", old, new)).rules() == []


def test_a_namespace_is_not_finalized_past_its_modules(strict: Webhook) -> None:
    for name, rules in (("drivers", ["REF203"]), ("empty", [])):
        asked = review("UPDATE", "Namespace", namespace(name), namespace(name), subResource="finalize")
        assert strict.post(asked).rules() == rules


def test_who_may_not_override_cannot_annotate_the_way_free(strict: Webhook) -> None:
    free = namespace("drivers")
    free["metadata"]["annotations"] = {"kmodgate.io/override": "mallory until 2999-01-01T00:00:00Z"}
    assert strict.post(review("UPDATE", "Namespace", free, namespace("drivers"))).rules() == ["REF205"]
    assert strict.post(review("DELETE", "Namespace", None, free)).rules() == ["REF201"]


# --- who asks ---

CONTROLLERS = ["replicaset-controller", "job-controller", "daemon-set-controller", "generic-garbage-collector"]


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_a_pod_is_judged_whichever_controller_makes_it(strict: Webhook, controller: str) -> None:
    user = {"username": f"system:serviceaccount:kube-system:{controller}", "groups": ["system:serviceaccounts"]}
    item = pod(containers=[loading_container()])
    item["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a", "controller": True}
    ]
    assert strict.post(review("CREATE", "Pod", item, userInfo=user)).rules() == ["PRV101"]


def test_a_user_with_the_name_of_an_approved_account_is_not_that_account(strict: Webhook) -> None:
    containers = [loading_container()]
    for namespace_, account, allowed in (
        ("storage", "csi-node", True),
        ("apps", "csi-node", False),
        ("storage", "default", False),
    ):
        user = {"username": "system:serviceaccount:storage:csi-node"}
        item = pod(namespace=namespace_, containers=containers, serviceAccountName=account)
        assert strict.post(review("CREATE", "Pod", item, userInfo=user)).allowed is allowed


@pytest.mark.parametrize(("platform", "is_approved"), [("kubernetes", False), ("openshift", True)])
def test_an_account_of_a_product_of_another_platform_is_not_approved(
    tmp_path: Path, platform: str, is_approved: bool
) -> None:
    item = pod("worker", "openshift-nfd", containers=[loading_container()], serviceAccountName="nfd-worker")
    with serving(tmp_path, "--platform", platform, facts=dump(*CLUSTER)) as server:
        for size in (0, LARGE):
            reply = server.post(review("CREATE", "Pod", padded(item, size)))
            assert ("PRV101" not in reply.rules("noted-by")) is is_approved


@pytest.mark.parametrize(
    "user", ["", "system:admin", "system:masters", "system:serviceaccount:drivers:kmm-operator-controller"]
)
def test_no_name_but_those_of_the_controllers_opens_the_protection(strict: Webhook, user: str) -> None:
    asked = review("DELETE", "Secret", None, named("Secret", "pull", "drivers"), userInfo={"username": user})
    assert strict.post(asked).rules() == ["REF204"]


EXEMPT = {
    "app.kubernetes.io/part-of": "kmm",
    "kmodgate.io/exempt": "true",
    "control-plane": "true",
    "kmm.node.kubernetes.io/module.name": "nic",
}


def test_nobody_exempts_a_pod_by_labels_and_annotations(strict: Webhook) -> None:
    item = pod(containers=[loading_container()])
    item["metadata"] |= {"labels": EXEMPT, "annotations": EXEMPT}
    assert strict.post(review("CREATE", "Pod", item)).rules() == ["PRV101"]


def test_nobody_exempts_a_namespace_by_labels(registered: list[Any]) -> None:
    for labels in ({}, EXEMPT, {"admissions.enforcer/disabled": "true", "admission.gatekeeper.sh/ignore": "yes"}):
        for request in (
            Request("CREATE", "pods", namespace="apps", place=labels),
            Request("DELETE", "secrets", namespace="drivers", labels=None, old={}, place=labels),
            Request("DELETE", "namespaces", name="drivers", labels=None, old=labels, place=labels),
            Request("CREATE", "modules", "kmm.sigs.x-k8s.io", "v1beta1", namespace="apps", place=labels),
        ):
            assert is_asked(registered, request), (labels, request)


def test_what_somebody_adds_to_a_live_configuration_shows_as_a_difference(registered: list[Any]) -> None:
    """Fields that the API server would fill in are written out, so that whoever compares sees any that was changed."""
    for entry in (entry for item in registered for entry in item["webhooks"]):
        assert entry.keys() >= {
            "namespaceSelector", "objectSelector", "matchPolicy", "failurePolicy", "timeoutSeconds", "sideEffects",
        }  # fmt: skip
        assert all("scope" in rule for rule in entry["rules"])


def mirrored(item: Object) -> Object:
    metadata = item["metadata"] | {
        "annotations": {"kubernetes.io/config.mirror": "a", "kubernetes.io/config.source": "file"}
    }
    return item | {"metadata": metadata}


def test_a_mirror_pod_is_not_changed_and_yet_judged(strict: Webhook) -> None:
    reply = strict.post(review("CREATE", "Pod", mirrored(dkms_pod())), "/mutate")
    assert ("patch" in reply.response, reply.response["auditAnnotations"]["note"]) == (False, "mirror-pod")
    asked = review("CREATE", "Pod", mirrored(pod(containers=[loading_container()])))
    assert strict.post(asked).rules() == ["PRV101"]
    assert strict.decision(uid(asked))["denied"] == ["PRV101"]


# --- bytes that readers disagree about ---

NUMBERS = {
    "NaN": b"NaN", "Infinity": b"Infinity", "an integer of 5,000 digits": b"9" * 5000, "a lone surrogate": rb'"\ud800"',
    "nesting": b"[" * 1025 + b"]" * 1025, "a key that is no string": b"{1: 2}", "bytes that are no UTF-8": b'"\xff"',
}  # fmt: skip


@pytest.mark.parametrize("value", NUMBERS.values(), ids=NUMBERS.keys())
@pytest.mark.parametrize("size", [0, 300_000], ids=["small", "large"])
def test_what_cannot_be_decoded_is_denied(strict: Webhook, value: bytes, size: int) -> None:
    item = broken_module()
    item["metadata"]["annotations"] = {"a": "x" * size}
    item["spec"]["selector"] = "VALUE"
    asked = review("CREATE", "Module", item)
    reply = strict.post(json.dumps(asked).encode().replace(b'"VALUE"', value))
    assert (reply.response["uid"], reply.allowed) == (uid(asked), False)


def twice(key: str, first: object, second: object) -> bytes:
    return f"{json.dumps(key)}: {json.dumps(first)}, {json.dumps(key)}: {json.dumps(second)}".encode()


def test_of_a_key_that_stands_twice_the_last_counts_as_for_the_api_server(strict: Webhook) -> None:
    container = module()["spec"]["moduleLoader"]["container"]
    for images, allowed in (
        (("quay.io/acme/nic", "quay.io/acme/nic:1"), True),
        (("quay.io/acme/nic:1", "quay.io/acme/nic"), False),
    ):
        item = module(containerImage="IMAGE")
        body = json.dumps(review("CREATE", "Module", item)).encode()
        body = body.replace(b'"containerImage": "IMAGE"', twice("containerImage", *images))
        assert ("KMM205" not in strict.post(body).rules()) is allowed, container


def test_a_key_that_stands_twice_is_refused_before_there_is_an_api_server(kmodgate: Kmodgate, tmp_path: Path) -> None:
    text = json.dumps(module(containerImage="IMAGE")).encode()
    (tmp_path / "module.json").write_bytes(
        text.replace(b'"containerImage": "IMAGE"', twice("containerImage", "a:1", "b:1"))
    )
    (tmp_path / "module.yaml").write_text(f"{yaml.safe_dump(module())}kind: Module\n")
    for name in ("module.json", "module.yaml"):
        done = kmodgate("check", tmp_path / name)
        assert done.returncode != 0
        assert "twice" in done.stdout + done.stderr


def test_objects_of_the_largest_size_are_judged_and_not_waved_through(strict: Webhook) -> None:
    old, new = module(), broken_module()
    for item in (old, new):
        item["metadata"]["annotations"] = {"a": "x" * (3 << 20)}
    reply = strict.post(review("UPDATE", "Module", new, old), timeout="30s")
    assert {"KMM203", "KMM205"} <= set(reply.rules())


# --- texts that are read in more than one way ---

SLOW = ["^(a+)+$", "^(a|aa)+$", "^(.*)*$", "^(([a-z])+.)+[A-Z]([a-z])+$", f"^{'(a?)' * 200}{'a' * 200}$"]


@pytest.mark.parametrize("regexp", SLOW, ids=range(len(SLOW)))
def test_an_expression_that_backtracks_elsewhere_is_answered_in_time(strict: Webhook, regexp: str) -> None:
    mappings = [
        {"regexp": regexp, "containerImage": "quay.io/acme/nic:1"},
        {"literal": "a" * 60 + "!", "containerImage": "quay.io/acme/nic:2"},
    ]
    reply = strict.post(review("CREATE", "Module", module(kernelMappings=mappings)), timeout="10s")
    assert reply.allowed or reply.code == 422


def test_an_expression_that_matches_more_than_it_seems_to_is_found(strict: Webhook) -> None:
    mappings = [{"regexp": "4.18", "containerImage": "quay.io/acme/nic:1"}]
    assert "MAP202" in strict.post(review("CREATE", "Module", module(kernelMappings=mappings))).rules()


@pytest.mark.parametrize(
    ("image", "rule"),
    [
        ("registry:5000/acme/nic", "IMG101"),
        ("quay.io/acme.evil.example/nic:1", "IMG301"),
        ("quay.io/acmeevil/nic:1", "IMG301"),
        ("quay.io.evil.example/acme/nic:1", "IMG301"),
        ("evil.example/quay.io/acme/nic:1", "IMG301"),
        ("QUAY.IO/acme/nic:1", "IMG301"),
        ("quay.io/acme/../evil/nic:1", "IMG104"),
        ("quay.io//acme/nic:1", "IMG104"),
    ],
)
def test_an_image_is_read_in_its_parts(strict: Webhook, image: str, rule: str) -> None:
    reply = strict.post(review("CREATE", "Module", module(containerImage=image)))
    assert rule in reply.rules() + reply.rules("warned-by")


@pytest.mark.parametrize(
    "path", ["/lib/modules/../modules", "//lib//modules", "/lib/./modules/", "/../lib/modules", "/opt/../lib"]
)
def test_a_path_of_the_node_is_read_in_its_parts(strict: Webhook, path: str) -> None:
    container = {"name": "a", "image": "quay.io/acme/a:1", "securityContext": {"privileged": True}}
    mounted = container | {"volumeMounts": [{"name": "v", "mountPath": "/m"}]}
    item = pod(containers=[mounted], volumes=[{"name": "v", "hostPath": {"path": path}}])
    assert "PRV102" in strict.post(review("CREATE", "Pod", item)).rules()


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/opt/../etc/shadow", "SGN103"),
        ("/opt//../a.ko", "SGN103"),
        ("/opt/a.ko; cat /run/key", "INJ101"),
        ("/opt/$(id).ko", "INJ101"),
        ("/optional/a.ko", "KMM502"),
    ],
)
def test_a_file_to_sign_is_read_in_its_parts(strict: Webhook, path: str, rule: str) -> None:
    sign = {"filesToSign": [path], "keySecret": {"name": "key"}, "certSecret": {"name": "cert"}}
    assert rule in strict.post(review("CREATE", "Module", module(sign=sign))).rules()


CAPABILITIES = ["SYS_MODULE", "CAP_SYS_MODULE", "sys_module", "Cap_Sys_Module", "ALL", "all"]


@pytest.mark.parametrize("name", CAPABILITIES)
def test_a_capability_is_recognised_in_any_spelling(strict: Webhook, name: str) -> None:
    container = loading_container(securityContext={"capabilities": {"add": [name]}})
    assert strict.post(review("CREATE", "Pod", pod(containers=[container]))).rules() == ["PRV101"]


# --- between two requests ---


def test_a_module_that_a_watch_has_not_told_of_yet_keeps_its_namespace(stub: ApiStub, watching: Webhook) -> None:
    stub.lists(page(module("late", "fresh")), path=modules_of("fresh"))
    assert watching.post(review("DELETE", "Namespace", None, namespace("fresh"))).rules() == ["REF201"]


def test_a_module_that_a_watch_has_not_told_of_yet_keeps_what_it_needs(stub: ApiStub, watching: Webhook) -> None:
    stub.lists(page(module("late", "fresh")), path=modules_of("fresh"))
    asked = review("DELETE", "ServiceAccount", None, named("ServiceAccount", "loader", "fresh"))
    assert watching.post(asked).rules() == ["REF204"]


def test_no_address_in_an_object_is_ever_asked(stub: ApiStub, watching: Webhook) -> None:
    before = len(stub.asked)
    item = module("../../secrets", "..%2fsecrets", containerImage=f"127.0.0.1:{stub._port}/a:1")
    item["metadata"]["annotations"] = {"a": f"http://127.0.0.1:{stub._port}/metadata"}
    item["spec"]["moduleLoader"]["container"]["sign"] = {
        "filesToSign": ["/opt/a.ko"], "keySecret": {"name": "../key"}, "certSecret": {"name": "../../namespaces"},
    }  # fmt: skip
    watching.post(review("CREATE", "Module", item))
    watching.post(review("DELETE", "Namespace", None, namespace("../drivers")))
    asked = {request.raw_path for request in stub.asked[before:] if "watch" not in request.query}
    assert not [path for path in itertools.chain(asked) if ".." in path or "metadata" in path or "%" in path], asked
