"""What installs KMM's operator, on a real API server: admitted as a whole, and its Jobs' scripts with a real kubectl.

OLM cannot run here. The test is OLM: it makes the InstallPlan, and says what is installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import CASES
from tests.e2e.api_server import definitions
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.definitions import Kind
from tests.e2e.api_server.programs import Programs
from tests.e2e.waiting import eventually
from tests.fleets import REPOSITORY

pytestmark = pytest.mark.timing

TREE = CASES / "sno-from-nothing/sno-7"
SCRIPTS = REPOSITORY / "renderer/compile/operator_install/scripts"
WAVE = "argocd.argoproj.io/sync-wave"
NAMESPACE = "openshift-kmm"
CSV = "kernel-module-management.v2.6.0"
OLM = "operators.coreos.com"
KINDS = (
    Kind("Subscription", OLM, "subscriptions", ("v1alpha1",), namespaced=True),
    Kind("OperatorGroup", OLM, "operatorgroups", ("v1",), namespaced=True),
    Kind("PrometheusRule", "monitoring.coreos.com", "prometheusrules", ("v1",), namespaced=True),
)


def stand_in(kind: str, plural: str) -> Any:
    """The definition of a kind of OLM's own, of which only the fields matter that the script reads."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{OLM}"},
        "spec": {"group": OLM, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def tree() -> list[Any]:
    """The objects of the example but those of the webhook, which other tests have there, in the order of a sync."""
    values = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(TREE.rglob("*.yaml"))]
    values = [value for value in values if "kmodgate-system" not in value["metadata"].values()]
    return sorted(values, key=lambda value: int(value["metadata"].get("annotations", {}).get(WAVE, 0)))


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The control plane with the tree of the example applied, in the order of its waves."""
    found = [*definitions.definitions(KINDS), stand_in("InstallPlan", "installplans")]
    found.append(stand_in("ClusterServiceVersion", "clusterserviceversions"))
    control_plane.install(*found)
    for value in tree():
        control_plane.apply(value)
    yield control_plane
    names = (item["metadata"]["name"] for item in found)
    control_plane.kubectl("delete", "customresourcedefinition", *names, "--wait=false", check=True)
    control_plane.kubectl("delete", "module", "simple-kmod", "--namespace=kmm-tests", check=True)


def test_a_second_sync_changes_nothing(cluster: ControlPlane) -> None:
    kept = [value for value in tree() if value["kind"] != "Job"]
    before = [live(cluster, value) for value in kept]
    for value in kept:
        cluster.apply(value)

    assert [live(cluster, value) for value in kept] == before


def live(cluster: ControlPlane, value: Any) -> str:
    metadata = value["metadata"]
    kind = f"{value['kind']}.{value['apiVersion'].rpartition('/')[0]}".rstrip(".")
    where = [f"--namespace={metadata['namespace']}"] if "namespace" in metadata else []
    return str(cluster.get(kind, metadata["name"], *where)["metadata"]["resourceVersion"])


def test_the_pods_of_the_jobs_pass_the_restricted_level(cluster: ControlPlane, namespace: str) -> None:
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted", check=True)
    jobs = [value for value in tree() if value["kind"] == "Job"]
    assert len(jobs) == 2
    for number, job in enumerate(jobs):
        template = job["spec"]["template"]
        metadata = {"name": f"pod-{number}", "namespace": namespace}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        cluster.kubectl("create", "--dry-run=server", "--filename=-", input=json.dumps(pod), check=True)


# -- the scripts ------------------------------------------------------------------------------------------------------


class Script:
    """A script as the Job of its name runs it: as the Job's ServiceAccount, with its environment."""

    def __init__(self, cluster: ControlPlane, programs: Programs, folder: Path, job: str) -> None:
        account = f"system:serviceaccount:{NAMESPACE}:{job}"
        program = folder / "kubectl"
        kubeconfig = cluster.kubeconfig("admin")
        program.write_text(f'#!/bin/sh\nexec "{programs.kubectl}" --kubeconfig="{kubeconfig}" --as={account} "$@"\n')
        program.chmod(0o755)
        found = cluster.get("job", job, f"--namespace={NAMESPACE}")
        (container,) = found["spec"]["template"]["spec"]["containers"]
        self._text = container["command"][2]
        own = {item["name"]: item["value"] for item in container["env"]}
        self._env = {**own, "HOME": str(folder), "PATH": f"{folder}:{os.environ['PATH']}", "PAUSE": "0.1"}

    def run(self, **env: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, a minute at most."""
        return subprocess.run(
            ["sh", "-c", self._text], env={**self._env, "TIMEOUT": "50", **env},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    @contextmanager
    def running(self) -> Iterator[list[subprocess.CompletedProcess[str]]]:
        """Run it beside the body of `with`; the list has the result afterwards."""
        results: list[subprocess.CompletedProcess[str]] = []
        thread = threading.Thread(target=lambda: results.append(self.run()))
        thread.start()
        try:
            yield results
        finally:
            thread.join()


def plan(cluster: ControlPlane, name: str, *names: str) -> None:
    """Make an InstallPlan as OLM does, and have the Subscription point at it."""
    metadata = {"name": name, "namespace": NAMESPACE}
    spec = {"approval": "Manual", "approved": False, "clusterServiceVersionNames": list(names)}
    value = {"apiVersion": f"{OLM}/v1alpha1", "kind": "InstallPlan", "metadata": metadata, "spec": spec}
    cluster.apply({**value, "status": {"phase": "RequiresApproval"}})
    say(cluster, installPlanRef={"name": name})


def say(cluster: ControlPlane, **status: Any) -> None:
    """Write into the status of the Subscription, whose conditions its definition demands a time of."""
    patch = {"status": {"lastUpdated": "2026-01-01T00:00:00Z", **status}}
    flags = ("--subresource=status", "--type=merge", f"--patch={json.dumps(patch)}", f"--namespace={NAMESPACE}")
    cluster.kubectl("patch", f"subscription.{OLM}", "kernel-module-management", *flags, check=True)


def is_approved(cluster: ControlPlane, name: str) -> bool:
    found = cluster.get(f"installplan.{OLM}", name, f"--namespace={NAMESPACE}")
    return bool(found["spec"]["approved"])


@pytest.fixture
def approving(cluster: ControlPlane, programs: Programs, tmp_path: Path) -> Script:
    return Script(cluster, programs, tmp_path, "kmodgate-approve-kernel-module-management")


def test_a_plan_with_more_than_the_pinned_version_is_left_alone(cluster: ControlPlane, approving: Script) -> None:
    plan(cluster, "install-more", CSV, "other-operator.v1.0.0")

    result = approving.run()

    assert (result.returncode, is_approved(cluster, "install-more")) == (1, False)
    assert f"would install more than {CSV}: {CSV} other-operator.v1.0.0" in result.stderr


def test_the_plan_of_another_version_is_left_alone(cluster: ControlPlane, approving: Script) -> None:
    plan(cluster, "install-other", "kernel-module-management.v2.7.0")

    result = approving.run()

    assert (result.returncode, is_approved(cluster, "install-other")) == (1, False)
    assert f"would install kernel-module-management.v2.7.0 and not {CSV}" in result.stderr


def test_the_pinned_version_is_approved_and_waited_for(cluster: ControlPlane, approving: Script) -> None:
    plan(cluster, "install-pinned", CSV)
    version = {"apiVersion": f"{OLM}/v1alpha1", "kind": "ClusterServiceVersion"}
    version["metadata"] = {"name": CSV, "namespace": NAMESPACE}  # type: ignore[assignment]

    with approving.running() as results:
        eventually(lambda: is_approved(cluster, "install-pinned"), "the plan is approved")
        cluster.apply({**version, "status": {"phase": "Installing"}})
        say(cluster, installedCSV=CSV)
        assert not results, "it waits until the version has succeeded"
        cluster.apply({**version, "status": {"phase": "Succeeded"}})

    assert results[0].returncode == 0, results[0].stderr
    again = approving.run()
    assert (again.returncode, again.stdout) == (0, f"{CSV} is installed\n")


def test_the_rights_of_the_job_end_there(cluster: ControlPlane) -> None:
    account = f"system:serviceaccount:{NAMESPACE}:kmodgate-approve-kernel-module-management"
    plans = f"installplans.{OLM}"
    asked = [
        ("patch", plans, NAMESPACE),
        ("list", plans, NAMESPACE),
        ("delete", plans, NAMESPACE),
        ("patch", plans, "default"),
        ("patch", f"subscriptions.{OLM}", NAMESPACE),
        ("get", "secrets", NAMESPACE),
    ]
    answers = [
        cluster.kubectl("auth", "can-i", verb, what, f"--namespace={where}", as_=account).stdout.strip()
        for verb, what, where in asked
    ]
    assert answers == ["yes", "no", "no", "no", "no", "no"]


def deployment(name: str) -> Any:
    labels = {"control-plane": name}
    pod = {"containers": [{"name": "manager", "image": "quay.io/acme/kmm:1"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def pods(cluster: ControlPlane) -> dict[str, str]:
    """The pods of the namespace that are not on their way out, with the Deployment that each is of."""
    found = cluster.get("pods", f"--namespace={NAMESPACE}")["items"]
    return {
        item["metadata"]["name"]: item["metadata"]["labels"]["control-plane"]
        for item in found
        if "control-plane" in item["metadata"]["labels"] and "deletionTimestamp" not in item["metadata"]
    }


def make_ready(cluster: ControlPlane) -> None:
    """Say of all pods what a kubelet would."""
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    patch = json.dumps({"status": {"phase": "Running", "conditions": [condition]}})
    for name in pods(cluster):
        flags = ("--subresource=status", "--type=merge", f"--patch={patch}", f"--namespace={NAMESPACE}")
        cluster.kubectl("patch", "pod", name, *flags)


def test_what_is_older_than_its_configuration_is_restarted_once(
    cluster: ControlPlane, controllers: ControlPlane, programs: Programs, tmp_path: Path
) -> None:
    script = Script(cluster, programs, tmp_path, "kmodgate-restart-kernel-module-management")
    names = ("kmm-operator-controller", "kmm-operator-webhook")
    cluster.apply(*map(deployment, names))
    eventually(lambda: len(pods(cluster)) == 2, "each has its pod")
    before = pods(cluster)
    text = json.dumps({"data": {"controller_config.yaml": "worker: {runAsUser: 0}\n"}})
    flags = (f"--namespace={NAMESPACE}", "--type=merge", f"--patch={text}")
    cluster.kubectl("patch", "configmap", "kmm-operator-manager-config", *flags, check=True)
    changed = int(time.time())
    eventually(lambda: time.time() >= changed + 1, "a pod of the same second would count as older")

    with script.running() as results:
        eventually(lambda: bool(make_ready(cluster)) or bool(results), "all Deployments run again")

    assert results[0].returncode == 0, results[0].stdout + results[0].stderr
    after = pods(cluster)
    assert sorted(after.values()) == sorted(names)
    assert not before.keys() & after.keys()
    again = script.run()
    assert again.returncode == 0, again.stderr
    assert pods(cluster) == after
