"""Objects, policies and facts that `kmodgate check` and the webhook are compared on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

import pytest
import yaml

from kmodgate.policy.kmm.kinds import MODULE_KINDS
from kmodgate.policy.webhook_entries.entry_table import is_reached
from tests.bench import samples
from tests.conftest import CASES
from tests.oracle import lines
from tests.webhook.reviews import (
    CLUSTER,
    Object,
    dkms_pod,
    dump,
    loading_container,
    module,
    named,
    pod,
    review,
)

POLICIES = ("parity", "default", "lab")
"""Two profiles, and a policy of a file."""

LAB = """\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {name: lab}
spec:
  clusters: {matchLabels: {}}
  profile: strict
  modes: {PRV: warn, MAP206: disabled}
  gates: {admit: {SGN301: enforce}}
  parameters:
    allowedRegistries: [quay.io/acme]
    requireDigest: true
    requireSigning: {namespaces: [drivers]}
    maxNodeShare: 10
    maxMappings: 2
    kata: {annotations: {io.katacontainers.config.hypervisor.default_vcpus: "4"}}
  exceptions:
  - {rule: KMM205, object: {kind: Module}, owner: alice, ticket: LAB-1, expires: "2999-12-31", reason: a test}
"""


@dataclass(frozen=True)
class Case:
    """An object that is asked about, and what it was before."""

    object: Object
    old: Object | None = None

    @property
    def operation(self) -> str:
        return "CREATE" if self.old is None else "UPDATE"

    @property
    def is_asked(self) -> bool:
        """Whether the webhook is registered for such a request: it is not asked about a new ConfigMap, say."""
        group = self.object["apiVersion"].rpartition("/")[0]
        return is_reached("/validate", group, f"{self.object['kind'].lower()}s", "", self.operation)

    @property
    def body(self) -> bytes:
        """The review, as an API server posts it."""
        group, _, version = self.object["apiVersion"].rpartition("/")
        kind = self.object["kind"]
        what = {
            "uid": "00000000-0000-4000-8000-000000000000",
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": f"{kind.lower()}s"},
        }
        return json.dumps(review(self.operation, "Module", self.object, self.old, **what)).encode()


@cache
def modules() -> list[Case]:
    return [Case(case["object"]) for case in lines("modules-create")]


@cache
def others() -> list[Case]:
    return [Case(case["object"]) for case in lines("other-verdicts") if case["operation"] == "CREATE"]


@cache
def updates() -> list[Case]:
    cases = [Case(case["object"], case["oldObject"]) for case in lines("other-verdicts") if case["oldObject"]]
    return [case for case in cases if case.object != case.old]


@cache
def examples() -> list[Case]:
    """What the examples render to: the golden trees, of equal objects one."""
    texts = {path.read_text(encoding="utf-8") for path in CASES.glob("*/*/**/*.yaml")}
    return [Case(yaml.safe_load(text)) for text in sorted(texts)]


@cache
def corpus() -> list[Case]:
    """The Modules and Pods that all benches measure, as people write them."""
    return [Case(item) for item in samples.objects((*samples.MODULES, *samples.PODS), *MODULE_KINDS, "Pod")]


def workloads() -> list[Case]:
    """Pods and what makes pods, of which the recorded verdicts have none."""
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod(containers=[loading_container()])["spec"]}
    specs: list[Object] = [
        {}, {"hostPID": True}, {"containers": [loading_container()]}, {"initContainers": [loading_container()]},
        {"ephemeralContainers": [loading_container()]},
    ]  # fmt: skip
    return [
        *(Case(pod(f"pod-{index}", **spec)) for index, spec in enumerate(specs)),
        Case(dkms_pod()), Case(dkms_pod(runtimeClassName="kata-qemu")), Case(dkms_pod(hostNetwork=True)),
        Case(dkms_pod(runtimeClassName="gvisor")), Case(dkms_pod(nodeSelector={"a": "b"})),
        Case(named("Deployment", "a", "apps", "apps/v1", spec={"template": template})),
        Case(named("CronJob", "a", "apps", "batch/v1", spec={"jobTemplate": {"spec": {"template": template}}})),
    ]  # fmt: skip


SOURCES = {
    "modules": modules,
    "other kinds": others,
    "updates": updates,
    "examples": examples,
    "workloads": workloads,
    "corpus": corpus,
}
RECORDED = ("modules", "other kinds", "updates")
SOURCE_PARAMS = [pytest.param(name, marks=pytest.mark.shared if name in RECORDED else ()) for name in SOURCES]


def neighbours() -> str:
    """A cluster with Modules that those of the cases collide with, and kinds of which nothing is known."""
    there = [module("simple-kmod", "drivers"), module("ice", "drivers")]
    secrets = [named("Secret", "key", "drivers", data={"private": ""}), named("Secret", "cert", "drivers", data={})]
    worker = named("Node", "worker-2")
    worker["metadata"]["labels"] = {"node-role.kubernetes.io/worker": "", "kmodgate.io/secure-boot": "true"}
    more = {"ModuleList": there, "SecretList": secrets, "NodeList": [worker]}
    known = [part for part in CLUSTER if part["kind"] != "ConfigMapList"]
    return dump(*(part | {"items": part["items"] + more.get(part["kind"], [])} for part in known))
