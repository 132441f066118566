"""Kata: what is DKMS work, what a pod of it is changed to, and why another one is left as it is."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import Parameters, read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Mode
from kmodgate.policy.kata.ims_jobs import ims_job
from kmodgate.policy.kata.view import HYPERVISOR, NOT_INJECTABLE, Reason
from kmodgate.policy.mutations.kata_injection import Injection, inject
from kmodgate.policy.review import Review
from kmodgate.policy.views.pod import POD_KINDS, TEMPLATES, WORKLOAD_KINDS, PodView
from tests.conftest import CASES
from tests.fleets import run
from tests.json_patch import applied
from tests.oracle import lines

ID = "0d1e2f3a-1111-2222-3333-444455556666"
XATTR = f"{HYPERVISOR}virtio_fs_extra_args"
MEMORY = f"{HYPERVISOR}default_memory"
SECCOMP = "io.katacontainers.config.runtime.disable_guest_seccomp"

KATA_QEMU = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "kata-qemu"},
    "handler": "kata-qemu",
    "overhead": {"podFixed": {"cpu": "250m", "memory": "160Mi"}},
    "scheduling": {"nodeSelector": {"katacontainers.io/kata-runtime": "true"}},
}
GVISOR = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "gvisor"}, "handler": "runsc"}
FACTS = SnapshotFacts([KATA_QEMU, GVISOR], {"RuntimeClass"})
NO_CLASS = SnapshotFacts([GVISOR], {"RuntimeClass"})
STALE = SnapshotFacts([])


def parameters(**kata: Any) -> Parameters:
    return read_policy({"parameters": {"kata": kata}}).parameters


PERMITTED = parameters(annotations={XATTR: "--xattr", SECCOMP: "true"})


def dkms_pod(**spec: Any) -> dict[str, Any]:
    """A pod of IMS with DKMS, as the Job controller sends it: without a name."""
    sshd = {
        "name": "sshd",
        "image": "registry.local/sshd:1",
        "env": [{"name": "JOB_ENABLE_DKMS", "value": "True"}],
        "securityContext": {"privileged": True, "capabilities": {"add": ["SYS_ADMIN"]}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": "ims",
            "generateName": f"cray-ims-{ID}-create-",
            "labels": {"app": f"ims-{ID}-create"},
        },
        "spec": {"containers": [sshd], "serviceAccountName": "ims-service-job-mount", **spec},
    }


def injection(pod: Any, facts: SnapshotFacts | None = FACTS, **more: Any) -> Injection:
    return inject(Review(pod, facts=facts, **{"parameters": Parameters(), **more}))


# -- what is written ------------------------------------------------------------------------------


def test_dkms_work_is_given_the_class_and_nothing_else() -> None:
    assert injection(dkms_pod()) == Injection(
        [{"op": "add", "path": "/spec/runtimeClassName", "value": "kata-qemu"}], Reason.INJECTED
    )


def test_the_first_class_of_the_policy_is_the_one_that_is_given() -> None:
    known = SnapshotFacts([{**KATA_QEMU, "metadata": {"name": name}} for name in ("kata-clh", "kata-qemu")])
    found = injection(dkms_pod(), known, parameters=parameters(runtimeClasses=["kata-clh", "kata-qemu"]))
    assert applied(found.patch, dkms_pod())["spec"]["runtimeClassName"] == "kata-clh"


@pytest.mark.parametrize("present", [None, {}, {"a/b~c": "1"}])
def test_permitted_annotations_are_set_beside_those_that_are_there(present: dict[str, str] | None) -> None:
    pod = dkms_pod()
    pod["metadata"]["annotations"] = present
    found = applied(injection(pod, parameters=PERMITTED).patch, pod)
    assert found["metadata"]["annotations"] == {**(present or {}), XATTR: "--xattr", SECCOMP: "true"}


def test_metadata_without_annotations_gets_them_in_one_operation() -> None:
    assert [item["path"] for item in injection(dkms_pod(), parameters=PERMITTED).patch] == [
        "/spec/runtimeClassName",
        "/metadata/annotations",
    ]


def test_names_of_annotations_are_escaped() -> None:
    pod = dkms_pod(runtimeClassName="kata-qemu")
    pod["metadata"]["annotations"] = {f"{HYPERVISOR}a/b~1": "x"}
    (operation,) = injection(pod, parameters=parameters(annotations={})).patch
    assert operation == {"op": "remove", "path": f"/metadata/annotations/{HYPERVISOR}a~1b~01"}
    assert applied([operation], pod)["metadata"]["annotations"] == {}


def test_the_value_of_the_policy_replaces_that_of_a_template() -> None:
    pod = dkms_pod(runtimeClassName="kata-qemu")
    pod["metadata"]["annotations"] = {XATTR: '["-o", "xattr"]', SECCOMP: "true"}
    assert injection(pod, parameters=PERMITTED) == Injection(
        [{"op": "replace", "path": f"/metadata/annotations/{XATTR}", "value": "--xattr"}], Reason.ALREADY_KATA
    )


def test_only_what_nodes_must_permit_is_removed_and_only_where_the_policy_names_what_they_do() -> None:
    pod = dkms_pod()
    pod["metadata"]["annotations"] = {MEMORY: "4096", "example.com/owner": "gpu", f"{SECCOMP}.other": "x"}
    found = applied(injection(pod, parameters=PERMITTED).patch, pod)["metadata"]["annotations"]
    assert set(found) == {XATTR, SECCOMP, "example.com/owner", f"{SECCOMP}.other"}
    assert [item["path"] for item in injection(pod).patch] == ["/spec/runtimeClassName"]


# -- what is left as it is ------------------------------------------------------------------------


def owned(group: str, kind: str) -> dict[str, Any]:
    pod = dkms_pod()
    pod["metadata"]["ownerReferences"] = [{"apiVersion": group, "kind": kind, "name": "x", "controller": True}]
    return pod


def annotated(**annotations: str) -> dict[str, Any]:
    pod = dkms_pod()
    pod["metadata"]["annotations"] = annotations
    return pod


def mounting(path: str, *, privileged: bool = True) -> dict[str, Any]:
    pod = dkms_pod(volumes=[{"name": "host", "hostPath": {"path": path}}])
    (container,) = pod["spec"]["containers"]
    container["volumeMounts"] = [{"name": "host", "mountPath": "/host"}]
    container["securityContext"]["privileged"] = privileged
    return pod


def mounted_at(path: str) -> dict[str, Any]:
    pod = dkms_pod(volumes=[{"name": "scratch", "emptyDir": {}}])
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "scratch", "mountPath": path}]
    return pod


def with_variable(name: str, value: str) -> dict[str, Any]:
    pod = dkms_pod()
    pod["spec"]["initContainers"] = [{"name": "prepare", "env": [{"name": name, "value": value}]}]
    return pod


NOT_INJECTED = [
    (dkms_pod(hostNetwork=True), Reason.HOST_NETWORK),
    (dkms_pod(hostPID=True), Reason.HOST_PID),
    (dkms_pod(hostIPC=True), Reason.HOST_IPC),
    (mounting("/usr/src"), Reason.HOST_PATH),
    (mounting("/dev/kvm"), Reason.HOST_DEVICES),
    (mounting("//dev/../dev/"), Reason.HOST_DEVICES),
    (mounting("/dev", privileged=False), Reason.DEV_MOUNT),
    (mounted_at("/dev/."), Reason.DEV_MOUNT),
    (mounted_at("//dev/kvm"), Reason.DEV_MOUNT),
    (owned("apps/v1", "DaemonSet"), Reason.DAEMONSET_POD),
    (owned("kmm.sigs.x-k8s.io/v1beta1", "NodeModulesConfig"), Reason.KMM_POD),
    (annotated(**{"kubernetes.io/config.mirror": "0f"}), Reason.MIRROR_POD),
    (with_variable("REMOTE_BUILD_NODE", "x3000c0s19b1n0"), Reason.REMOTE_BUILD),
    (dkms_pod(runtimeClassName="kata-qemu"), Reason.ALREADY_KATA),
    (dkms_pod(runtimeClassName="kata-site"), Reason.ALREADY_KATA),
    (dkms_pod(runtimeClassName="gvisor"), Reason.OTHER_CLASS),
    (dkms_pod(runtimeClassName=["kata"]), Reason.MALFORMED),
    (dkms_pod(nodeSelector={"katacontainers.io/kata-runtime": "false"}), Reason.NODE_SELECTOR),
]


IMS = "system:serviceaccount:services:ims-service-launch-job"
REMOTE = with_variable("REMOTE_BUILD_NODE", "x3000c0s19b1n0")
REMOTE["metadata"]["ownerReferences"] = [{"apiVersion": "batch/v1", "kind": "Job", "name": "j", "controller": True}]


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("system:serviceaccount:kube-system:job-controller", Reason.REMOTE_BUILD),
        ("system:kube-controller-manager", Reason.REMOTE_BUILD),
        (IMS, Reason.REMOTE_BUILD),
        ("system:serviceaccount:ims:ims-service-job-mount", Reason.INJECTED),
        ("alice", Reason.INJECTED),
    ],
)
def test_a_build_elsewhere_is_believed_of_the_pods_of_ims_only(user: str, reason: Reason) -> None:
    assert injection(REMOTE, user=user).reason is reason


def test_a_build_elsewhere_is_not_believed_of_pods_of_other_workloads() -> None:
    pod = copy.deepcopy(REMOTE)
    pod["metadata"]["ownerReferences"][0] |= {"apiVersion": "apps/v1", "kind": "ReplicaSet"}
    assert injection(pod, user="system:kube-controller-manager").reason is Reason.INJECTED


def workload(kind: str, pod: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """A workload of pods like one, in the namespace of IMS."""
    group, _, name = kind.rpartition("/")
    object: dict[str, Any] = {"apiVersion": f"{group}/v1" if group else "v1", "kind": name}
    object["metadata"] = {"name": "any", "namespace": "ims", **metadata}
    place = object
    for step in TEMPLATES[kind][:-1]:
        place = place.setdefault(str(step), {})
    place["template"] = {"metadata": {"labels": pod["metadata"]["labels"]}, "spec": pod["spec"]}
    return object


def rules_about(object: dict[str, Any], **known: Any) -> dict[str, Mode]:
    found = Engine(read_policy({}), "admit").evaluate(Review(object, facts=FACTS, **known))
    return {finding.rule: finding.mode for finding in found}


@pytest.mark.parametrize("kind", WORKLOAD_KINDS)
@pytest.mark.parametrize("name", ["any", f"cray-ims-{ID}-create"])
@pytest.mark.parametrize("app", ["any", f"ims-{ID}-create"])
def test_a_build_elsewhere_is_refused_of_the_workloads_of_others(kind: str, name: str, app: str) -> None:
    pod = copy.deepcopy(REMOTE)
    pod["metadata"]["labels"]["app"] = app
    object = workload(kind, pod, name=name)
    users = ("alice", "system:serviceaccount:kube-system:cronjob-controller", "system:kube-controller-manager")
    for user in users:
        assert rules_about(object, user=user)["KTA114"] is Mode.ENFORCE
    assert "KTA114" not in rules_about(object, user=IMS)


def test_a_job_of_ims_that_directs_a_build_elsewhere_is_only_noted() -> None:
    found = rules_about(workload("batch/Job", REMOTE, name=f"cray-ims-{ID}-create"), user=IMS)
    assert (found["KTA102"], "KTA114" in found) == (Mode.AUDIT, False)


def test_a_job_of_another_that_needs_no_kata_may_say_what_it_wants() -> None:
    pod = with_variable("REMOTE_BUILD_NODE", "x")
    pod["spec"] |= {"serviceAccountName": "other"}
    pod["spec"]["containers"][0]["env"][0]["value"] = "False"
    pod["spec"]["containers"][0].pop("securityContext")
    assert "KTA114" not in rules_about(workload("batch/Job", pod), user="alice")


def test_who_changes_a_workload_but_not_its_spec_is_not_asked_who_made_it() -> None:
    object = workload("batch/Job", REMOTE)
    changed = workload("batch/Job", REMOTE, annotations={"a": "b"})
    assert "KTA114" not in rules_about(changed, old=object, operation="UPDATE", user="alice")
    other = workload("batch/Job", dkms_pod())
    assert "KTA114" in rules_about(changed, old=other, operation="UPDATE", user="alice")


def test_a_build_elsewhere_names_a_node() -> None:
    assert injection(with_variable("REMOTE_BUILD_NODE", " ")).reason is Reason.INJECTED


def test_shared_memory_of_its_own_is_no_device() -> None:
    assert injection(mounted_at("/dev/shm")).reason is Reason.INJECTED


@pytest.mark.parametrize(("pod", "reason"), NOT_INJECTED, ids=[str(reason) for _, reason in NOT_INJECTED])
def test_what_kata_cannot_take_is_left_as_it_is_with_a_reason(pod: dict[str, Any], reason: Reason) -> None:
    assert injection(pod) == Injection([], reason)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [(NO_CLASS, Reason.CLASS_MISSING), (STALE, Reason.CLASS_UNKNOWN), (None, Reason.CLASS_UNKNOWN)],
)
def test_no_pod_is_sent_to_a_class_that_is_not_known_to_be_there(facts: SnapshotFacts | None, reason: Reason) -> None:
    assert injection(dkms_pod(), facts) == Injection([], reason)


def test_every_reason_not_to_inject_has_words_and_a_case() -> None:
    told = {reason for _, reason in NOT_INJECTED} | {Reason.CLASS_MISSING, Reason.CLASS_UNKNOWN}
    assert told - {Reason.ALREADY_KATA} == set(NOT_INJECTABLE)


def test_pods_that_kmm_makes_are_never_touched() -> None:
    found = injection(dkms_pod(), user="system:serviceaccount:openshift-kmm:kmm-operator-controller")
    assert found == Injection([], Reason.KMM_POD)
    named = read_policy({"parameters": {"controllers": ["system:serviceaccount:kmm:c"]}}).parameters
    assert injection(dkms_pod(), user="system:serviceaccount:kmm:c", parameters=named).reason is Reason.KMM_POD


@pytest.mark.parametrize(
    "more",
    [
        {"operation": "UPDATE"},
        {"operation": "DELETE"},
        {"subresource": "ephemeralcontainers"},
        {"subresource": "status"},
    ],
)
def test_only_new_pods_are_changed(more: dict[str, str]) -> None:
    assert injection(dkms_pod(), **more) == Injection([], Reason.NOT_A_NEW_POD)


@pytest.mark.parametrize("kind", sorted(set(POD_KINDS) - {"Pod"}))
def test_workloads_are_never_changed(kind: str) -> None:
    group, _, name = kind.rpartition("/")
    workload = {**dkms_pod(), "kind": name, "apiVersion": f"{group}/v1" if group else "v1"}
    assert injection(workload) == Injection([], Reason.NOT_A_NEW_POD)


def test_what_is_no_dkms_work_is_left_as_it_is() -> None:
    pod = dkms_pod()
    pod["metadata"]["namespace"] = "services"
    assert injection(pod) == Injection([], Reason.NOT_DKMS_WORK)
    assert injection(pod, parameters=parameters(imsNamespace="services")).reason is Reason.INJECTED


def test_rendered_manifests_stay_as_they_are() -> None:
    """Invariant I2, for every object of the examples and under a policy that takes everything for DKMS work."""
    count = 0
    for path in sorted(CASES.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            namespace = document["metadata"].get("namespace", "")
            greedy = parameters(work={"namespaces": [namespace]}, annotations={XATTR: "--xattr"})
            assert injection(document, parameters=greedy).patch == [], path
            count += 1
    assert count > 50


# -- what is DKMS work ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("work", "is_work"),
    [
        ({"namespaces": ["builds"]}, True),
        ({"namespaces": ["build"]}, False),
        ({"serviceAccounts": ["builds/default"]}, True),
        ({"serviceAccounts": ["builds/other", "other/default"]}, False),
        ({"podLabels": [{"a": "1", "b": "2"}]}, True),
        ({"podLabels": [{"a": "1", "b": "3"}, {"c": "1"}]}, False),
        ({}, False),
    ],
)  # fmt: skip
def test_the_policy_names_more_by_namespace_service_account_or_labels(work: dict[str, Any], is_work: bool) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "b", "namespace": "builds", "labels": {"a": "1", "b": "2"}},
        "spec": {"containers": []},
    }
    assert bool(Review(pod, parameters=parameters(work=work)).kata.work) is is_work


def _recorded() -> list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """The pod and the Job of every recorded decision of IMS, with its outcome."""
    found = []
    for case in lines("ims-decisions"):
        outcome = case["outcome"]
        if "containers" not in outcome or "is_remote" not in outcome:
            continue  # no job, or one of which a later step failed
        spec = {"serviceAccountName": outcome["serviceAccountName"], "containers": [], "initContainers": []}
        for item in outcome["containers"]:
            env = [{"name": name, "value": value} for name, value in item["env"].items()]
            container = {"name": item["name"], "env": env, "securityContext": {"privileged": item["privileged"]}}
            spec["initContainers" if item["init"] else "containers"].append(container)
        template = {"metadata": {"labels": outcome["pod"]["labels"]}, "spec": spec}
        pod = {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(template)}
        pod["metadata"]["namespace"] = outcome["job"]["namespace"]
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": outcome["job"], "spec": {"template": template}}
        found.append((*(json.loads(json.dumps(item).replace("<ID>", ID)) for item in (pod, job)), outcome))
    return found


def test_pods_and_jobs_of_the_real_service_are_recognised_for_what_they_are() -> None:
    cases = _recorded()
    assert len(cases) > 300
    for pod, job, outcome in cases:
        for view in (PodView(pod, "Pod"), PodView(job, "batch/Job")):
            found = ims_job(view, view.namespace)
            assert found is not None
            assert (found.id, found.kind) == (ID, outcome["job"]["name"].rpartition("-")[2])
            assert found.recipe == ("kiwi-ng" if found.kind == "create" else "")
            assert found.is_dkms is (outcome["enable_dkms"] == "True")
            assert found.is_remote is outcome["is_remote"]
            assert found.is_emulated is (outcome["arch"] == "aarch64")
            assert ims_job(view, "other") is None


def test_every_local_dkms_pod_that_the_real_service_leaves_without_a_class_is_put_into_kata() -> None:
    reasons = set()
    for pod, _, outcome in _recorded():
        found = injection(pod, parameters=parameters(imsNamespace=pod["metadata"]["namespace"]))
        reasons.add(found.reason)
        needs = outcome["enable_dkms"] == "True" and not outcome["is_remote"]
        assert (found.reason is Reason.INJECTED) is needs, outcome["job"]
    assert reasons == {Reason.INJECTED, Reason.REMOTE_BUILD, Reason.NOT_DKMS_WORK}


@pytest.mark.parametrize(
    "label", [f"ims-{ID}-create\n", f"ims-{ID}-build", f"ims-{ID[:-1]}-create", f"ims-{ID.upper()}-create", f"x-ims-{ID}-create"]
)  # fmt: skip
def test_a_label_that_is_not_quite_that_of_ims_is_another_pods(label: str) -> None:
    pod = dkms_pod()
    pod["metadata"]["labels"]["app"] = label
    assert ims_job(PodView(pod, "Pod"), "ims") is None


# -- for any pod at all ---------------------------------------------------------------------------

_KEYS = st.sampled_from(
    "name namespace labels annotations ownerReferences spec metadata containers initContainers ephemeralContainers env value "
    "securityContext privileged capabilities add volumes hostPath path volumeMounts mountPath runtimeClassName hostPID "
    "nodeSelector resources limits cpu template jobTemplate controller apiVersion kind app".split()
)
_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from(["ims", "kata-qemu", "/dev", "8"])
)
_ANY = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5), max_leaves=25
)
_KINDS = st.sampled_from([("v1", "Pod"), ("batch/v1", "Job"), ("batch/v1", "CronJob"), ("apps/v1", "DaemonSet")])


@st.composite
def _objects(draw: st.DrawFn) -> dict[str, Any]:
    """Anything, some of it in the place of a good pod's parts."""
    version, kind = draw(_KINDS)
    pod = {**dkms_pod(), "apiVersion": version, "kind": kind}
    for path in draw(
        st.lists(
            st.sampled_from(
                [
                    ("metadata",),
                    ("spec",),
                    ("metadata", "annotations"),
                    ("metadata", "labels"),
                    ("spec", "containers"),
                    ("spec", "runtimeClassName"),
                    ("spec", "volumes"),
                    ("spec", "template"),
                ]
            ),
            max_size=3,
        )
    ):
        target: Any = pod
        for step in path[:-1]:
            target = target.get(step) if isinstance(target, dict) else None
        if isinstance(target, dict):
            target[path[-1]] = draw(_ANY)
    return pod


_ANNOTATIONS = st.dictionaries(
    st.sampled_from([XATTR, MEMORY, SECCOMP, f"{HYPERVISOR}a/b", f"{HYPERVISOR}a~b", "example.com/x"]),
    st.text(max_size=3),
)
_POLICIES = st.builds(
    lambda annotations, work: parameters(work=work, **({} if annotations is None else {"annotations": annotations})),
    st.none() | _ANNOTATIONS,
    st.sampled_from([{}, {"namespaces": ["ims", ""]}]),
)


def _check(pod: dict[str, Any], policy: Parameters) -> None:
    before = copy.deepcopy(pod)
    patch = injection(pod, parameters=policy).patch
    assert pod == before
    after = applied(patch, pod)
    assert injection(after, parameters=policy).patch == []
    for index in range(len(patch)):
        assert applied(patch[:index] + patch[index + 1 :], pod) != after
    for path in (item["path"] for item in patch):
        assert path == "/spec/runtimeClassName" or path.startswith("/metadata/annotations"), path


@given(_objects(), _POLICIES)
def test_the_patch_is_valid_minimal_and_empty_the_second_time_whatever_the_object(
    pod: dict[str, Any], policy: Parameters
) -> None:
    _check(pod, policy)


@given(st.none() | _ANNOTATIONS, st.sampled_from([None, "", "kata-qemu", "gvisor"]), _POLICIES)
def test_so_it_is_for_a_good_pod_with_any_annotations(present: Any, name: Any, policy: Parameters) -> None:
    pod = dkms_pod(runtimeClassName=name)
    pod["metadata"]["annotations"] = present
    _check(pod, policy)
    assert injection(pod, parameters=policy).reason in (Reason.INJECTED, Reason.ALREADY_KATA, Reason.OTHER_CLASS)


_STRICT = Engine(
    read_policy({
        "profile": "strict",
        "parameters": {"kata": {"work": {"namespaces": ["ims", ""]}, "annotations": {}}, "allowedRegistries": ["a.b"]},
    })
)  # fmt: skip


@given(_objects(), st.sampled_from(["CREATE", "UPDATE"]), st.sampled_from(["", "ephemeralcontainers"]))
def test_no_rule_fails_whatever_the_object(pod: dict[str, Any], operation: Any, subresource: str) -> None:
    review = Review(pod, operation=operation, subresource=subresource, facts=FACTS)
    assert not [finding for finding in _STRICT.evaluate(review) if finding.message.startswith("the rule failed")]


# -- at check -------------------------------------------------------------------------------------


def test_check_judges_pods_and_workloads_of_a_tree_by_the_same_rules(tmp_path: Path) -> None:
    build = dkms_pod(hostNetwork=True)
    loader = dkms_pod(volumes=[{"name": "m", "hostPath": {"path": "/lib/modules"}}])
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"cray-ims-{ID}-create", "namespace": "ims"},
        "spec": {"template": {"spec": loader["spec"]}},
    }
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all([build, job]))
    report = json.loads(run("check", ".", "--format", "json", cwd=tmp_path).stdout)
    assert [(item["rule"], item["mode"], item["field"]) for item in report["findings"] if item["mode"] != "audit"] == [
        ("KTA101", "enforce", "spec.hostNetwork"),
        ("KTA103", "warn", "spec.template.spec.volumes[0].hostPath"),
    ]
    assert {item["rule"] for item in report["findings"]} >= {"PRV105"}
