"""What installs KMM's operator, and the images that it runs, on a real API server with the webhook of an OpenShift."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.protection.guarded import full_module, override, refused, role_of
from tests.e2e.rendered.test_operator_install import stand_in
from tests.e2e.webhook import Webhook, in_force

pytestmark = pytest.mark.timing

DRIVERS, OPERATOR = "operator-drivers", "openshift-kmm"
OLM = "operators.coreos.com/v1alpha1"
VERSION = "kernel-module-management.v2.6.0"
OWN = {"app.kubernetes.io/managed-by": "kmodgate"}
POLICY = (
    "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: a}\nspec:\n"
    "  clusters: {matchLabels: {}}\n  parameters: {allowedRegistries: [quay.io]}\n"
)

INSTALLING = {
    "subscription/kmm": {"spec": {"name": "kernel-module-management"}},
    f"clusterserviceversion/{VERSION}": {"spec": {"displayName": "KMM"}},
}
OTHERS = {
    "subscription/nfd": {"spec": {"name": "nfd"}},
    "clusterserviceversion/nfd.v1": {},
    "installplan/install-a": {"spec": {"clusterServiceVersionNames": ["nfd.v1"]}},
    "installplan/install-b": {"spec": {"clusterServiceVersionNames": [VERSION]}},
}
KINDS = {"subscription": "Subscription", "clusterserviceversion": "ClusterServiceVersion", "installplan": "InstallPlan"}


@pytest.fixture(scope="module")
def webhook(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    folder = tmp_path_factory.mktemp("webhook")
    (folder / "policy.yaml").write_text(POLICY)
    options = ("--policy", str(folder / "policy.yaml"), "--platform", "openshift")
    with in_force(control_plane, folder, [DRIVERS], *options, registration=options) as running:
        yield running


@pytest.fixture
def installed(control_plane: ControlPlane) -> Iterator[None]:
    """A Module, and objects of OLM beside it."""
    control_plane.install(*(stand_in(kind, f"{resource}s") for resource, kind in KINDS.items()))
    for name in (DRIVERS, OPERATOR):
        if control_plane.kubectl("get", "namespace", name).returncode:
            control_plane.kubectl("create", "namespace", name, check=True)
    control_plane.apply(full_module(DRIVERS))
    for title, content in (INSTALLING | OTHERS).items():
        resource, _, name = title.partition("/")
        metadata = {"name": name, "namespace": OPERATOR}
        control_plane.apply({"apiVersion": OLM, "kind": KINDS[resource], "metadata": metadata, **content})
    yield
    control_plane.kubectl("delete", "module", "--all", "-n", DRIVERS)


def test_what_installs_kmm_stays_while_there_are_modules_and_nothing_else(
    control_plane: ControlPlane, webhook: Webhook, installed: None
) -> None:
    for title in INSTALLING:
        refused(control_plane.kubectl("delete", title, "-n", OPERATOR), "REF304", "Module")
    for title in OTHERS:
        control_plane.kubectl("delete", title, "-n", OPERATOR, check=True)


def test_an_override_on_what_installs_kmm_is_set_by_who_may_and_recorded(
    control_plane: ControlPlane, webhook: Webhook, installed: None
) -> None:
    rule = {"apiGroups": ["operators.coreos.com"], "resources": ["*"], "verbs": ["*"]}
    control_plane.apply(*role_of("bob", "operators-bob", [rule]))
    subscription = ("subscription/kmm", "-n", OPERATOR)
    refused(control_plane.kubectl("annotate", *subscription, override(), user="bob"), "REF205", "bob")
    control_plane.kubectl("label", *subscription, "team=nic", user="bob", check=True)
    control_plane.kubectl("annotate", *subscription, override(), check=True)
    refused(control_plane.kubectl("delete", *subscription, "--dry-run=server", user="bob"), "REF304")
    control_plane.kubectl("delete", *subscription, check=True)
    used = [line for line in webhook.decisions() if line.get("override") and line["name"] == "kmm"]
    assert "alice@example.com answers" in used[-1]["override"]


def test_images_are_judged_in_openshifts_own_namespaces(
    control_plane: ControlPlane, webhook: Webhook, installed: None
) -> None:
    def created(kind: str, labels: dict[str, str], *images: str) -> Any:
        containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never", "containers": containers}}
        spec: dict[str, Any] = {"template": template}
        if kind == "Deployment":
            spec["selector"] = {"matchLabels": {"a": "b"}}
            template["spec"]["restartPolicy"] = "Always"  # type: ignore[index]
        version = "batch/v1" if kind == "Job" else "apps/v1"
        metadata = {"name": "a", "namespace": OPERATOR, "labels": labels}
        item = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
        return control_plane.kubectl("create", "-f", "-", "--dry-run=server", input=json.dumps(item))

    for done in (
        created("Job", OWN, "docker.io/a/kubectl:1"),
        created("Deployment", {}, "docker.io/a/kernel-module-management-operator:1"),
    ):
        assert (done.returncode, "IMG301" in done.stderr) == (1, True), done.stderr
    for done in (
        created("Job", OWN, "quay.io/a/kubectl:1"),
        created("Job", {}, "docker.io/a/kubectl:1"),
        created("Deployment", {}, "docker.io/a/b:1"),
    ):
        assert done.returncode == 0, done.stderr
