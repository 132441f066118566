"""Containers in every place, and the spellings of what makes one dangerous."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.draws import drawn
from tests.webhook.reviews import Object, loading_container, named, pod, review
from tests.webhook.server import Webhook

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


_ROOT = {"name": "root", "hostPath": {"path": "/"}}
_CLAIM = {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}
ADDED: dict[str, tuple[Object, Object]] = {
    "a folder of the node": ({"volumes": [_ROOT]}, {"volumeMounts": [{"name": "root", "mountPath": "/host"}]}),
    "a disk": ({"volumes": [_CLAIM]}, {"volumeDevices": [{"name": "disk", "devicePath": "/dev/sda"}]}),
    "the processes of the node": ({"hostPID": True}, {"securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}}),
    "a capability": ({}, {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}),
    "everything": ({}, {"securityContext": {"privileged": True}}),
    "all of /proc": ({}, {"securityContext": {"procMount": "Unmasked"}}),
}
"""What a pod that harms nobody has, and what a container does with it that is added later."""


@pytest.mark.parametrize(("spec", "fields"), ADDED.values(), ids=ADDED.keys())
def test_an_ephemeral_container_is_refused_for_all_that_another_one_is(
    strict: Webhook, spec: Object, fields: Object
) -> None:
    container = {"name": "late", "image": "quay.io/acme/tool:1.0", **fields}
    before, after = pod(**spec), pod(**spec, ephemeralContainers=[container])
    assert strict.post(review("CREATE", "Pod", before)).allowed
    rules = strict.post(review("CREATE", "Pod", pod(**spec, containers=[container]))).rules()
    assert rules
    assert strict.post(review("UPDATE", "Pod", after, before, subResource="ephemeralcontainers")).rules() == rules


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


@settings(max_examples=drawn(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
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


CAPABILITIES = ["SYS_MODULE", "CAP_SYS_MODULE", "sys_module", "Cap_Sys_Module", "ALL", "all"]


@pytest.mark.parametrize("name", CAPABILITIES)
def test_a_capability_is_recognised_in_any_spelling(strict: Webhook, name: str) -> None:
    container = loading_container(securityContext={"capabilities": {"add": [name]}})
    assert strict.post(review("CREATE", "Pod", pod(containers=[container]))).rules() == ["PRV101"]
