"""Entries for DKMS work: which pods the API server asks about, and that nothing else waits beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kmodgate.policy.config import Policy
from kmodgate.policy.webhook_entries.entry_table import ROWS
from tests.command import run
from tests.fleets import FleetFolder
from tests.image_services import PLAIN, ImageServiceFleet
from tests.renderer.registration.reaching import Request, called
from tests.renderer.registration.registering import KMM_GROUP, answer, generated, made, mutating, policy, validating

ID = "0d1e2f3a-1111-2222-3333-444455556666"
CREATE = {"app": f"ims-{ID}-create"}
CUSTOMIZE = {"app": f"ims-{ID}-customize", "app.kubernetes.io/name": "ims-job"}

OTHERS: list[dict[str, str]] = [
    {},
    {"run": "shell"},
    {"app.kubernetes.io/name": "ims-job"},
    {"app.kubernetes.io/name": "cray-ims"},
    {"name": f"ims-{ID}-create"},
]
"""Labels of pods that no job of IMS has in any release: `app` is there always."""

NAMESAKES = [
    {"app": name} for name in ("cray-ims", f"ims-{ID}-build", f"ims-{ID}", f"x-ims-{ID}-create", f"ims-{ID}-creates")
]


def of_kubernetes(version: str, folder: Path) -> dict[str, Any]:
    return made(run("webhook-config", "--namespace=kmm-tests", f"--kubernetes={version}", cwd=folder))


@pytest.mark.parametrize("version", ["1.22", "1.27", "1.28", "1.36"])
@pytest.mark.parametrize("labels", [CREATE, CUSTOMIZE])
def test_pods_of_ims_are_asked_about_and_refused_when_nobody_answers(
    tmp_path: Path, version: str, labels: dict[str, str]
) -> None:
    objects = of_kubernetes(version, tmp_path)
    pod = Request("CREATE", "pods", namespace="ims", labels=labels)
    (entry,) = called(mutating(objects), pod)
    assert (entry["failurePolicy"], entry["reinvocationPolicy"]) == ("Ignore", "IfNeeded")
    debugged = Request("UPDATE", "pods/ephemeralcontainers", namespace="ims", labels=labels, old=labels)
    for request in (pod, debugged):
        assert [item for item in answer(objects, request) if item[1] == "Fail"] == [("dkms-pods", "Fail")]
    assert called(mutating(objects), debugged) == []
    assert called(mutating(objects), Request("CREATE", "pods", namespace="elsewhere", labels=labels)) == []


@pytest.mark.parametrize("version", ["1.22", "1.28", "1.36"])
@pytest.mark.parametrize("labels", [*OTHERS, *NAMESAKES])
def test_other_pods_of_the_namespace_wait_for_nobody(tmp_path: Path, version: str, labels: dict[str, str]) -> None:
    objects = of_kubernetes(version, tmp_path)
    pod = Request("CREATE", "pods", namespace="ims", labels=labels)
    if version == "1.22" and labels in NAMESAKES:  # no selector knows how a value begins
        assert ("dkms-pods", "Fail") in answer(objects, pod)
    else:
        assert answer(objects, pod) == [("workloads", "Ignore")]
        assert called(mutating(objects), pod) == []


def test_a_pod_of_ims_is_asked_about_once(fleet: FleetFolder) -> None:
    objects = generated(fleet)
    assert answer(objects, Request("CREATE", "pods", namespace="ims", labels=CREATE)) == [("dkms-pods", "Fail")]
    assert answer(objects, Request("CREATE", "jobs", "batch", namespace="ims")) == [("workloads", "Ignore")]


def test_where_the_policy_takes_the_whole_namespace_every_pod_is_asked_about(fleet: FleetFolder) -> None:
    policy(fleet, "parameters: {kata: {work: {namespaces: [ims]}}}")
    for labels in (CREATE, {}, {"run": "shell"}):
        pod = Request("CREATE", "pods", namespace="ims", labels=labels)
        assert answer(generated(fleet), pod) == [("dkms-pods", "Fail")]


def test_other_dkms_work_that_the_policy_names_is_asked_about(fleet: FleetFolder) -> None:
    work = "work: {namespaces: [builds], serviceAccounts: [ci/dkms], podLabels: [{dkms: 'yes', team: a}]}"
    policy(fleet, f"parameters: {{kata: {{imsNamespace: images, {work}}}}}")
    objects = generated(fleet)
    of_ims = Request("CREATE", "pods", namespace="images", labels=CREATE)
    assert answer(objects, of_ims) == [("dkms-pods-2", "Fail")]
    for namespace in ("builds", "ci"):
        assert answer(objects, Request("CREATE", "pods", namespace=namespace)) == [("dkms-pods-1", "Fail")]
    labels = {"dkms": "yes", "team": "a", "b": "c"}
    for namespace in ("default", "images"):
        pod = Request("CREATE", "pods", namespace=namespace, labels=labels)
        assert ("labelled-dkms-pods", "Fail") in answer(objects, pod)
        assert [item["failurePolicy"] for item in called(mutating(objects), pod)] == ["Ignore"]
    for pod in (
        Request("CREATE", "pods", namespace="default", labels={"dkms": "yes"}),
        Request("CREATE", "pods", namespace="images"),
        Request("CREATE", "pods", namespace="ims", labels=CREATE),
    ):
        assert answer(objects, pod) == [("workloads", "Ignore")]
    assert answer(objects, Request("CREATE", "pods", namespace="kube-system", labels=labels)) == []


def test_a_row_that_may_leave_an_event_says_so(fleet: FleetFolder) -> None:
    effects = {item["name"]: item["sideEffects"] for item in validating(generated(fleet))["webhooks"]}
    assert effects["dkms-pods.kmodgate.io"] == "NoneOnDryRun"


def without_kmm(fleet: FleetFolder) -> FleetFolder:
    """A fleet with a cluster that has no KMM, and no drivers."""
    for path in fleet.root.glob("drivers/*.yaml"):
        path.unlink()
    path = fleet.cluster("paris")
    document = yaml.safe_load(path.read_text())
    del document["spec"]["kmm"]
    path.write_text(yaml.safe_dump(document))
    return fleet


def test_without_kmm_only_entries_for_dkms_work_are_registered(fleet: FleetFolder) -> None:
    work = "work: {namespaces: [builds], podLabels: [{dkms: 'yes'}]}"
    policy(fleet, f"modes: {{PRV: enforce}}\n  parameters: {{kata: {{imsJobs: all, {work}}}}}")
    result = without_kmm(fleet).run("webhook-config")
    assert "note: cluster paris: its spec has no kmm; only entries for DKMS work are registered" in result.stderr
    assert "who KMM is" not in result.stderr
    objects = made(result)
    mutated = ["dkms-pods-1", "dkms-pods-2", "labelled-dkms-pods"]
    for configuration, wanted in ((mutating(objects), mutated), (validating(objects), [*mutated, "dkms-workloads"])):
        assert [item["name"].removesuffix(".kmodgate.io") for item in configuration["webhooks"]] == wanted
    for request in (
        Request("CREATE", "modules", KMM_GROUP, "v1beta1", namespace="drivers", content={"spec": 1}),
        Request("DELETE", "namespaces", name="elsewhere", labels=None, old={}),
        Request("CREATE", "pods", namespace="elsewhere"),
        Request("CREATE", "jobs", "batch", namespace="elsewhere"),
    ):
        assert answer(objects, request) == []


def test_without_kmm_a_job_that_says_it_is_remote_is_still_asked_about(fleet: FleetFolder) -> None:
    """Nothing tells of its pods who made it."""
    request = Request("CREATE", "jobs", "batch", namespace="ims")
    assert answer(generated(fleet), request) == [("workloads", "Ignore")]
    assert answer(generated(without_kmm(fleet)), request) == [("dkms-workloads", "Ignore")]


def test_a_cluster_whose_policy_knows_kmm_has_it(fleet: FleetFolder) -> None:
    policy(fleet, "parameters: {controllers: ['system:serviceaccount:gpu:gpu-kmm-controller']}")
    names = [item["name"] for item in validating(generated(without_kmm(fleet)))["webhooks"]]
    assert "modules.kmodgate.io" in names


def test_without_kmm_and_without_rules_about_kata_nothing_is_registered(fleet: FleetFolder) -> None:
    policy(fleet, "modes: {KTA: disabled}")
    kinds = {name.partition("/")[0] for name in generated(without_kmm(fleet))}
    assert not {kind for kind in kinds if kind.endswith("WebhookConfiguration")}


def test_the_policy_of_a_cluster_without_kmm_is_rendered_and_names_no_controllers(fleet: FleetFolder) -> None:
    policy(fleet, "parameters: {kata: {imsJobs: all}}")
    without_kmm(fleet).render()
    written = fleet.object("paris/cluster/configmap-kmodgate-policy.yaml")
    spec = yaml.safe_load(written["data"]["policy.yaml"])["spec"]
    assert spec["parameters"] == {"kata": {"imsJobs": "all"}}
    metadata = validating(generated(fleet))["metadata"]
    assert (
        metadata["annotations"]["kmodgate.io/policy-hash"]
        == written["metadata"]["annotations"]["kmodgate.io/policy-hash"]
    )


def test_an_image_service_alone_is_enough_for_entries_and_policy(tmp_path: Path) -> None:
    fleet = ImageServiceFleet(tmp_path)
    fleet.service(f"{PLAIN}\nnamespaces: {{jobs: builds}}")
    fleet.render()
    objects = generated(fleet)
    assert answer(objects, Request("CREATE", "pods", namespace="builds", labels=CREATE)) == [("dkms-pods", "Fail")]
    assert answer(objects, Request("CREATE", "pods", namespace="builds")) == []
    written = fleet.object("alps/cluster/configmap-kmodgate-policy.yaml")["metadata"]["annotations"]
    registered = validating(objects)["metadata"]["annotations"]
    assert registered["kmodgate.io/policy-hash"] == written["kmodgate.io/policy-hash"]


def test_what_is_for_dkms_is_for_nothing_else() -> None:
    assert {row.name for row in ROWS if row.is_for_dkms and row.is_wanted(Policy())} == {
        "dkms-pods",
        "labelled-dkms-pods",
        "dkms-workloads",
    }
    assert {row.families for row in ROWS if row.is_for_dkms} == {("KTA",)}
