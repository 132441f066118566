"""Updates of templates: what was there before is recorded only, and whatever is granted anew is judged."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kmodgate.policy.findings import Mode
from kmodgate.policy.views.pod import WORKLOAD_KINDS
from tests.policy.node_access.owned_workloads import ACCOUNT, owned, rights
from tests.policy.node_access.pods import Json, capable, container, modes, mounting, pod, privileged, template


def updated(kind: str, new: Json, old: Json, **more: Any) -> set[Mode]:
    return modes(template(kind, new), operation="UPDATE", old=template(kind, old), **more)


@pytest.mark.parametrize("kind", WORKLOAD_KINDS)
def test_a_template_that_stays_as_it_is_is_recorded_only(kind: str) -> None:
    old = template(kind, rights())
    new = copy.deepcopy(old)
    new["spec"]["replicas"] = 0
    new["metadata"]["labels"] = {"a": "b"}
    assert modes(new, operation="UPDATE", old=old) == {Mode.AUDIT}


@pytest.mark.parametrize(
    ("kind", "owner", "maker"),
    [
        ("apps/DaemonSet", "kmm.sigs.x-k8s.io/Module", ""),
        ("apps/ReplicaSet", "apps/Deployment", "deployment-controller"),
        ("batch/Job", "batch/CronJob", "cronjob-controller"),
    ],
)
def test_a_template_that_is_given_an_owner_is_judged_but_where_its_controller_takes_it_up(
    kind: str, owner: str, maker: str
) -> None:
    old = template(kind, rights())
    new = owned(copy.deepcopy(old), owner)
    assert modes(new, operation="UPDATE", old=old) == {Mode.ENFORCE}
    assert modes(new, operation="UPDATE", old=owned(copy.deepcopy(old), owner, uid="u2")) == {Mode.ENFORCE}
    assert modes(new, operation="UPDATE", old=new) == modes(old, operation="UPDATE", old=new) == {Mode.AUDIT}
    if maker:
        assert modes(new, operation="UPDATE", old=old, user=ACCOUNT.format(maker)) == {Mode.AUDIT}
    foreign = owned(copy.deepcopy(old), "argoproj.io/Rollout")
    assert modes(foreign, operation="UPDATE", old=old) == {Mode.AUDIT}


@pytest.mark.parametrize("kind", WORKLOAD_KINDS)
def test_a_template_that_is_created_never_counts_as_unchanged(kind: str) -> None:
    assert modes(template(kind, rights())) == {Mode.ENFORCE}
    assert modes(template(kind, rights()), old=None) == {Mode.ENFORCE}


def test_what_is_restarted_or_given_other_resources_or_labels_stays_as_it_is() -> None:
    old = template("apps/Deployment", rights())
    new = copy.deepcopy(old)
    new["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "now"}
    new["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1"}}
    new["spec"]["template"]["spec"]["nodeSelector"] = {"a": "b"}
    assert modes(new, operation="UPDATE", old=old) == {Mode.AUDIT}


def _with(change: dict[str, Any]) -> Json:
    item = rights()
    item["spec"] |= change
    return item


@pytest.mark.parametrize(
    "new",
    [
        pod(containers=[privileged() | {"image": "evil.example/a:1"}]),
        pod(containers=[privileged(command=["sh"])]),
        pod(containers=[privileged(args=["--x"])]),
        pod(containers=[privileged(env=[{"name": "LD_PRELOAD", "value": "/x"}])]),
        pod(containers=[privileged(livenessProbe={"exec": {"command": ["sh"]}})]),
        pod(containers=[privileged(), privileged() | {"name": "b"}]),
        pod(containers=[privileged(), container("harmless")]),
        pod(containers=[privileged()], initContainers=[container("i")]),
        pod(containers=[privileged(volumeMounts=[{"name": "v", "mountPath": "/x"}])], volumes=[{"name": "v", "emptyDir": {}}]),
        pod(containers=[privileged(volumeDevices=[{"name": "v", "devicePath": "/x"}])]),
        _with({"hostPID": True}), _with({"hostIPC": True}), _with({"hostNetwork": True}), _with({"shareProcessNamespace": True}),
        _with({"serviceAccountName": "other"}), _with({"runtimeClassName": "other"}),
        _with({"volumes": [{"name": "v", "hostPath": {"path": "/etc"}}]}),
    ],
)  # fmt: skip
def test_whatever_a_template_is_given_anew_is_judged(new: Json) -> None:
    assert Mode.ENFORCE in updated("apps/Deployment", new, rights())


@pytest.mark.parametrize(
    "security",
    [
        {"capabilities": {"add": ["SYS_ADMIN"]}}, {"capabilities": {"add": ["ALL"]}}, {"capabilities": {"add": ["SYS_MODULE"], "drop": ["ALL"]}},
        {"privileged": False, "capabilities": {"add": ["CAP_BPF", "perfmon"]}},
    ],
)  # fmt: skip
def test_a_privileged_container_may_become_one_with_some_capabilities(security: Json) -> None:
    assert updated("apps/DaemonSet", pod(containers=[container("a", securityContext=security)]), rights()) == {
        Mode.AUDIT
    }
    few = pod(containers=[capable("CHOWN")])
    assert updated("apps/DaemonSet", pod(containers=[container("a", securityContext=security)]), few) == {Mode.ENFORCE}


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("/etc", "/etc/foo", ""), ("/etc", "/etc/", ""), ("/etc", "/etc", "Directory"), ("/", "/etc", "DirectoryOrCreate"),
        ("/var/run", "/run/foo", ""), ("/lib", "/usr/lib/firmware", ""),
    ],
)  # fmt: skip
def test_a_folder_of_the_node_may_become_one_in_it(old: str, new: str, kind: str) -> None:
    assert updated("apps/DaemonSet", mounting(new, kind=kind), mounting(old)) <= {Mode.AUDIT}
    wider = updated("apps/DaemonSet", mounting(old), mounting(new, kind=kind))
    assert wider == {Mode.ENFORCE} or old == new.rstrip("/")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (mounting("/etc/foo"), mounting("/etc/foobar")),
        (mounting("/etc"), mounting("/etc/../root")),
        (mounting("/var"), mounting("/var/run/containerd")),
        (mounting("/proc"), mounting("/proc/1/root")),
        (mounting("/etc", readOnly=True), mounting("/etc/foo")),
        (mounting("/", subPath="srv"), mounting("/etc")),
    ],
)
def test_what_does_not_lie_in_what_was_written_to_is_judged(old: Json, new: Json) -> None:
    assert updated("apps/DaemonSet", new, old) == {Mode.ENFORCE}


def test_a_template_that_leaves_kata_or_its_user_namespace_is_judged() -> None:
    for key, value in (("runtimeClassName", "kata-qemu"), ("hostUsers", False)):
        assert Mode.ENFORCE in updated("apps/Deployment", rights(), _with({key: value}))


def test_a_template_may_be_mended_step_by_step() -> None:
    both = [privileged(), capable("SYS_ADMIN", "BPF") | {"name": "b"}]
    old = mounting("/etc", security={"privileged": True})
    old["spec"]["containers"] += both[1:]
    for change in (
        lambda spec: spec["containers"].pop(1),
        lambda spec: spec["containers"][0].update(securityContext={"privileged": False}),
        lambda spec: spec["containers"][0]["securityContext"].pop("privileged"),
        lambda spec: spec["containers"][1].update(securityContext={"capabilities": {"add": ["BPF"], "drop": ["ALL"]}}),
        lambda spec: spec["containers"][0]["volumeMounts"][0].update(readOnly=True),
        lambda spec: spec["containers"][0].update(volumeMounts=[]),
        lambda spec: spec["containers"][0]["securityContext"].update(
            allowPrivilegeEscalation=False, runAsUser=7, runAsNonRoot=True
        ),
        lambda spec: spec["containers"][0]["securityContext"].update(seccompProfile={"type": "RuntimeDefault"}),
        lambda spec: spec.update(securityContext={"runAsNonRoot": True, "fsGroup": 7}),
    ):
        new = copy.deepcopy(old)
        change(new["spec"])
        assert updated("apps/DaemonSet", new, old) <= {Mode.AUDIT}


@pytest.mark.parametrize(
    "context",
    [
        {"runAsUser": 0}, {"runAsGroup": 0}, {"procMount": "Unmasked"}, {"seccompProfile": {"type": "Unconfined"}},
        {"appArmorProfile": {"type": "Unconfined"}}, {"seLinuxOptions": {"type": "spc_t"}}, {"allowPrivilegeEscalation": True},
        {"runAsNonRoot": False}, {"capabilities": {"drop": []}}, {"somethingNew": True},
    ],
)  # fmt: skip
def test_a_security_context_that_allows_more_is_judged(context: Json) -> None:
    before = {"privileged": True, "capabilities": {"drop": ["ALL"]}, "runAsUser": 7, "runAsNonRoot": True}
    old = pod(containers=[container("a", securityContext=before)])
    new = pod(containers=[container("a", securityContext=before | context)])
    assert updated("apps/DaemonSet", new, old) == {Mode.ENFORCE}


@pytest.mark.parametrize(
    "context", [{"runAsUser": 0}, {"sysctls": [{"name": "kernel.sem", "value": "1"}]}, {"supplementalGroups": [6]}]
)
def test_a_security_context_of_the_pod_that_allows_more_is_judged(context: Json) -> None:
    assert updated("apps/DaemonSet", _with({"securityContext": context}), rights()) == {Mode.ENFORCE}


def test_a_mount_that_becomes_writable_or_another_one_is_judged() -> None:
    old = mounting("/var/lib/kubelet", readOnly=True)
    assert updated("apps/DaemonSet", mounting("/var/lib/kubelet"), old) == {Mode.ENFORCE}
    assert updated("apps/DaemonSet", mounting("/etc", readOnly=True), old) == set()
    deep = mounting("/var/lib/kubelet", readOnly=True, recursiveReadOnly="Enabled")
    assert (updated("apps/DaemonSet", old, deep), updated("apps/DaemonSet", deep, old)) == ({Mode.ENFORCE}, set())
    assert updated("apps/DaemonSet", mounting("/", readOnly=True), old) == {Mode.ENFORCE}
    assert updated("apps/DaemonSet", mounting("/var/lib", readOnly=True, subPath="kubelet"), old) == {Mode.ENFORCE}


def test_an_ephemeral_container_that_was_there_is_not_judged_again() -> None:
    old = pod(ephemeralContainers=[privileged()])
    new = pod(ephemeralContainers=[privileged(), container("harmless")])
    asked = {"operation": "UPDATE", "subresource": "ephemeralcontainers"}
    assert modes(new, old=old, **asked) == set()
    worse = pod(ephemeralContainers=[privileged(), privileged() | {"name": "b"}])
    assert modes(worse, old=old, **asked) == {Mode.ENFORCE}
