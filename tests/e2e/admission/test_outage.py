"""The webhook on a real API server under another profile, too early for its kinds, hanging, and down."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.definitions import definitions
from tests.e2e.conftest import NewControlPlane
from tests.e2e.objects import module, node_modules_config
from tests.e2e.protection.guarded import KMM, POLICY, USUAL, kmm_rules, namespaces_rules, role_of, tried
from tests.e2e.waiting import eventually
from tests.e2e.webhook import in_force
from tests.objects.changed_definitions import STRICTER, USEFUL, USELESS
from tests.oracle import lines

pytestmark = pytest.mark.timing

ORACLE_SPACES = ("default", "drivers", "edge-prod", "kmm-tests", "n", "openshift-kmm")


def test_what_kmm_refuses_is_refused_and_what_it_allows_is_not(control_plane: ControlPlane, tmp_path: Path) -> None:
    cases = list(lines("modules-create"))
    control_plane.apply(
        *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in ORACLE_SPACES)
    )
    with in_force(control_plane, tmp_path, ["drivers"], "--profile", "parity"):
        connection = control_plane.connection()
        for case in cases:
            item = case["object"]
            path = f"/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/{item['metadata']['namespace']}/modules?dryRun=All&fieldValidation=Strict"
            connection.send("POST", path, item)
            answer = connection.answer()
            # that there is one of this name already is found out after admission
            assert (answer.status in (201, 409)) is case["allowed"], (case, answer.body)


def test_a_kind_that_is_installed_later_is_found(new_control_plane: NewControlPlane, tmp_path: Path) -> None:
    with new_control_plane() as own, in_force(own, tmp_path, ["drivers"]):
        done = own.kubectl("delete", "namespace", "drivers", "--dry-run=server")
        assert done.returncode == 0, done.stderr  # no Modules can be where there is no such kind
        own.install(*definitions())
        own.apply(module("nic", "drivers"))
        eventually(
            lambda: "REF201" in own.kubectl("delete", "namespace", "drivers", "--dry-run=server").stderr,
            "the new kind is watched",
        )


def test_without_the_webhook_only_what_it_guards_is_held_up(control_plane: ControlPlane, tmp_path: Path) -> None:
    with in_force(control_plane, tmp_path, ["drivers"]) as webhook:
        control_plane.apply(module("nic", "drivers"))
        webhook.process.terminate()
        webhook.process.wait(120)
        denied = [
            ("delete", "namespace", "drivers"),
            ("delete", "secret", "any", "-n", "drivers"),
        ]
        control_plane.kubectl("create", "secret", "generic", "any", "-n", "drivers", check=True)
        for arguments in denied:
            assert "failed calling webhook" in control_plane.kubectl(*arguments).stderr
        assert (
            "failed calling webhook"
            in control_plane.kubectl("apply", "-f", "-", input=json.dumps(module("other", "default"))).stderr
        )
        pod = {"containers": [{"name": "main", "image": "registry.example.com/main:1"}]}
        for namespace in ("default", "kube-system", "drivers"):
            item = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace}, "spec": pod}
            control_plane.apply(item)
            control_plane.kubectl("delete", "pod", "p", "-n", namespace, "--force", check=True)
        control_plane.kubectl("create", "namespace", "bystander", check=True)
        control_plane.kubectl("delete", "namespace", "bystander", "--wait=false", check=True)
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "fresh"}}
        control_plane.apply(node)
        control_plane.kubectl("delete", "node", "fresh", check=True)


OTHERS_WAIT = [
    ("patch", "nmc", "worker", "--type=merge", "-p", '{"spec":{"modules":[]}}'),
    ("delete", "nmc", "worker"),
    ("delete", "crd", "modules.kmm.sigs.x-k8s.io"),
    ("patch", "secret", "key", "-n", "drivers", "--type=merge", "-p", '{"data":{"key":null}}'),
    ("create", "quota", "none", "-n", "drivers", "--hard=pods=0"),
    ("delete", "serviceaccount", "default", "-n", "drivers"),
    ("delete", "rolebinding", "scc", "-n", "drivers"),
]
"""What the rows of the protection refuse while nobody answers."""

NOBODY_WAITS = [
    (
        "patch",
        "secret",
        "key",
        "-n",
        "drivers",
        "--type=merge",
        "-p",
        '{"data":{"key":"YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJi"}}',
    ),
    ("label", "secret", "key", "-n", "drivers", "a=b"),
    (
        "patch",
        "configmap",
        "dockerfile",
        "-n",
        "drivers",
        "--type=merge",
        "-p",
        '{"data":{"dockerfile":"FROM quay.io/acme/dtk:22"}}',
    ),
    ("create", "quota", "some", "-n", "drivers", "--hard=pods=5"),
    ("create", "quota", "none", "-n", "default", "--hard=count/pods=0"),
    ("delete", "quota", "none", "-n", "default"),
    ("create", "rolebinding", "viewers", "-n", "drivers", "--clusterrole=view", "--user=bob"),
    ("delete", "crd", "crontabs.example.com"),
    ("delete", "namespace", "bystander", "--wait=false"),
]
"""What goes on while nobody answers, in and beside the namespaces of drivers."""

NO_ENTRIES = json.dumps({"modules": []})

KMM_GOES_ON = [
    ("patch", "nmc", "worker", "--type=merge", "-p", f'{{"spec":{NO_ENTRIES}}}'),
    ("patch", "nmc", "worker", "--subresource=status", "--type=merge", "-p", f'{{"status":{NO_ENTRIES}}}'),
    ("patch", "nmc", "worker", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'),
    ("patch", "module", "nic", "-n", "drivers", "--type=merge", "-p", '{"metadata":{"finalizers":["a/b"]}}'),
    ("patch", "module", "nic", "-n", "drivers", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'),
    ("delete", "nmc", "worker"),
    ("label", "namespace", "drivers", "kmm.node.k8s.io/contains-modules="),
    ("label", "namespace", "drivers", "kmm.node.k8s.io/contains-modules-"),
]
"""What KMM does in the meantime, in this order."""

CRON = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {kind: CronTab, listKind: CronTabList, plural: crontabs, singular: crontab}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
"""


def prepare(control_plane: ControlPlane) -> None:
    """Objects that are changed while nobody answers."""
    control_plane.apply(
        *role_of(KMM, "kmm", [*kmm_rules(), *namespaces_rules()]), *role_of(USUAL, "usual", kmm_rules())
    )
    driver = module("nic", "drivers")
    driver["metadata"]["finalizers"] = ["kmm.node.kubernetes.io/module-finalizer"]
    config = node_modules_config("worker", driver)
    config["metadata"]["finalizers"] = ["example.com/a"]
    control_plane.apply(driver, config, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bystander"}})
    for arguments in (
        ("create", "secret", "generic", "key", "-n", "drivers", "--from-literal=key=abcdefghijklmnopqrstuvwxyz"),
        ("create", "configmap", "dockerfile", "-n", "drivers", "--from-literal=dockerfile=FROM quay.io/acme/dtk:1"),
        ("create", "rolebinding", "scc", "-n", "drivers", "--clusterrole=view", "--serviceaccount=drivers:default"),
    ):
        control_plane.kubectl(*arguments, check=True)
    control_plane.kubectl("apply", "-f", "-", input=CRON, check=True)


def test_with_all_replicas_down_kmm_goes_on_and_only_what_is_guarded_waits(
    new_control_plane: NewControlPlane, tmp_path: Path
) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    options = ("--policy", str(tmp_path / "policy.yaml"), "--platform", "openshift")
    with new_control_plane() as own:
        own.install(*definitions())
        with in_force(own, tmp_path, ["drivers"], *options, registration=options) as webhook:
            prepare(own)
            webhook.process.terminate()
            webhook.process.wait(120)
            for arguments in OTHERS_WAIT:
                assert "failed calling webhook" in own.kubectl(*arguments).stderr, arguments
            for arguments in OTHERS_WAIT[:2]:
                assert "failed calling webhook" in own.kubectl(*arguments, as_=USUAL).stderr, arguments
            for arguments in NOBODY_WAITS:
                done = own.kubectl(*arguments)
                assert done.returncode == 0, (arguments, done.stderr)
            free = [*USEFUL.values(), *STRICTER.values()]
            for change in (*free, *USELESS.values()):
                answer = tried(own, "modules.kmm.sigs.x-k8s.io", change)
                assert (answer.status == 200) is (change in free), answer.body
            for arguments in KMM_GOES_ON:
                done = own.kubectl(*arguments, as_=KMM)
                assert done.returncode == 0, (arguments, done.stderr)


def test_while_nobody_says_who_kmm_is_its_records_wait_for_nobody(
    new_control_plane: NewControlPlane, tmp_path: Path
) -> None:
    with new_control_plane() as own:
        own.install(*definitions())
        with in_force(own, tmp_path, ["drivers"]) as webhook:
            own.apply(node_modules_config("worker"))
            emptied = ("patch", "nmc", "worker", "--type=merge", "-p", '{"metadata":{"labels":{"a":"b"}}}')
            assert "REF301" in own.kubectl(*emptied, check=True).stderr
            assert "not known who KMM is" in webhook.page("/readyz")[1]
            assert "kmodgate_kmm_known 0.0" in webhook.page("/metrics")[1]
            webhook.process.terminate()
            webhook.process.wait(120)
            own.kubectl("delete", "nmc", "worker", check=True)


def test_a_webhook_that_hangs_is_as_one_that_is_down(control_plane: ControlPlane, tmp_path: Path) -> None:
    with in_force(control_plane, tmp_path, ["drivers"]) as webhook:
        webhook.process.send_signal(signal.SIGSTOP)
        try:
            done = control_plane.kubectl("apply", "-f", "-", input=json.dumps(module("hung", "drivers")))
            assert "failed calling webhook" in done.stderr
        finally:
            webhook.process.send_signal(signal.SIGCONT)
        eventually(
            lambda: (
                control_plane.kubectl("apply", "-f", "-", input=json.dumps(module("hung", "drivers"))).returncode == 0
            ),
            "it answers again",
        )
