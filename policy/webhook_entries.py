"""What the webhook is asked: one table, from which its configurations are generated and by which it answers.

A row is one webhook entry. The API server calls it for the resources and operations of the row in the namespaces that
`where` stands for, and what it does when nobody answers is `failure`. Nothing that a cluster needs to come up stands in
a row that fails: no Node, Lease or CertificateSigningRequest in any, nothing of `kube-system` or of the webhook's own
namespace but the kinds of KMM.

Source: design §6a of this project; Kubernetes, Dynamic Admission Control and Admission Webhook Good Practices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from kmodgate.policy.cluster.dependents import RESOURCES, ROLE_BINDING
from kmodgate.policy.cluster.override_annotation import ANNOTATION
from kmodgate.policy.config import Platform, Policy
from kmodgate.policy.findings import Mode
from kmodgate.policy.review import GROUPS, MODULE_KINDS, PREFLIGHT_KINDS, VERSIONS, Operation
from kmodgate.policy.rule import RULES, Rule, load_rules

Path = Literal["/validate", "/mutate"]
FailurePolicy = Literal["Fail", "Ignore"]

Where = Literal[
    "everywhere", "drivers", "labelled namespaces", "labelled contents", "others", "dkms", "dkms labels", "elsewhere"
]
"""`drivers`: the namespaces of the drivers, with what lies in them. `labelled …`: namespaces that KMM's own label
protects and no fleet knows, and what lies in such. `others`: all but the drivers'. `dkms`: where IMS runs its jobs, and
other DKMS work that the policy names; `dkms labels`: wherever pods have the labels that it names. `elsewhere`: all but
the platform's own."""

NEVER = ("kube-node-lease", "kube-public", "kube-system")
"""Namespaces in which nothing but the kinds of KMM is looked at, whatever fleet, policy and labels say."""

PLATFORM: dict[Platform, tuple[str, ...]] = {"kubernetes": (), "openshift": ("openshift-",)}
"""How the names of further namespaces begin in which no workload is looked at for ring 0: those that nobody can make.

OpenShift lets nobody request a project with such a name; plain Kubernetes keeps no name but those of NEVER.
"""


@dataclass(frozen=True, slots=True)
class Resources:
    """Some resources of one group, subresources after a slash, and the operations that matter on them."""

    group: str
    versions: tuple[str, ...]
    names: tuple[str, ...]
    operations: tuple[Operation, ...]

    def covers(self, group: str, resource: str, operation: str) -> bool:
        return group == self.group and resource in self.names and operation in self.operations


CONDITIONS_SINCE = "1.28"
"""The first version of Kubernetes that heeds conditions: 1.27 drops them by default, older ones know none."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of an object so that the API server asks about it, in CEL; it fails for none.

    An older API server asks about all that it might hold for. `otherwise` is what such a one does when nobody answers:
    what lies outside the namespaces of drivers does not wait for the webhook.
    """

    name: str
    expression: str
    otherwise: FailurePolicy


@dataclass(frozen=True, slots=True)
class Row:
    """One webhook entry: `timeout` in seconds, `families` are how the ids of the rules begin that it is for.

    Rules that find something of what it is asked may be of several families, and one in force is enough for it.
    """

    name: str
    path: Path
    where: Where
    failure: FailurePolicy
    timeout: int
    families: tuple[str, ...]
    resources: tuple[Resources, ...]
    condition: Condition | None = None

    def is_wanted(self, policy: Policy) -> bool:
        """Whether the policy leaves a rule of the families in force at admission."""
        load_rules()
        return any(rule.id.startswith(self.families) and _is_in_force(rule, policy) for rule in RULES.values())


def _is_in_force(rule: Rule, policy: Policy) -> bool:
    held = not rule.parameter or getattr(policy.parameters, rule.parameter)
    return bool(held) and policy.mode(rule.id, rule.severity, "admit") is not Mode.DISABLED


PLURALS = {
    "Module": "modules",
    "ManagedClusterModule": "managedclustermodules",
    "PreflightValidation": "preflightvalidations",
    "PreflightValidationOCP": "preflightvalidationsocp",
}
"""Kind of KMM → the name of its resource."""

_WRITTEN: tuple[Operation, ...] = ("CREATE", "UPDATE")

_KMM = tuple(
    Resources(GROUPS[kind], VERSIONS[kind], (PLURALS[kind],), _WRITTEN) for kind in (*MODULE_KINDS, *PREFLIGHT_KINDS)
)

_NAMESPACES = (
    Resources("", ("v1",), ("namespaces",), ("CREATE", "UPDATE", "DELETE")),
    # each of them may change labels and annotations, too
    Resources("", ("v1",), ("namespaces/finalize", "namespaces/status"), ("UPDATE",)),
)

_OVERRIDES = (
    Resources("", ("v1",), ("namespaces",), _WRITTEN),
    Resources("", ("v1",), ("namespaces/finalize", "namespaces/status"), ("UPDATE",)),
)

_IS_OVERRIDDEN = Condition(
    "carries-an-override",
    f"has(object.metadata.annotations) && '{ANNOTATION}' in object.metadata.annotations",
    otherwise="Ignore",
)

_KEPT = tuple(sorted(name for group, name in RESOURCES.values() if not group))

_CONTENTS = (
    Resources("", ("v1",), _KEPT, ("DELETE",)),
    Resources(RESOURCES[ROLE_BINDING][0], ("v1",), (RESOURCES[ROLE_BINDING][1],), ("UPDATE", "DELETE")),
)

_OWNED = (Resources("", ("v1",), _KEPT, ("UPDATE",)),)

_HAS_OTHER_OWNERS = Condition(
    "has-other-owners",
    "has(object.metadata.ownerReferences) && (!has(oldObject.metadata.ownerReferences) || "
    "object.metadata.ownerReferences != oldObject.metadata.ownerReferences)",
    otherwise="Fail",
)

_NEW_PODS = Resources("", ("v1",), ("pods",), ("CREATE",))

_PODS = (_NEW_PODS, Resources("", ("v1",), ("pods/ephemeralcontainers",), ("UPDATE",)))

_WORKLOADS = (
    Resources("", ("v1",), ("replicationcontrollers",), _WRITTEN),
    Resources("apps", ("v1",), ("daemonsets", "deployments", "replicasets", "statefulsets"), _WRITTEN),
    Resources("batch", ("v1",), ("cronjobs",), _WRITTEN),
    Resources("batch", ("v1",), ("jobs",), ("CREATE",)),  # the template of a Job never changes
)

ROWS = (
    Row("modules", "/validate", "everywhere", "Fail", 5, ("",), _KMM),
    Row("protection", "/validate", "drivers", "Fail", 5, ("REF2",), (*_NAMESPACES, *_CONTENTS)),
    Row("labelled-namespaces", "/validate", "labelled namespaces", "Fail", 5, ("REF2",), _NAMESPACES),
    Row("labelled-contents", "/validate", "labelled contents", "Fail", 5, ("REF2",), _CONTENTS),
    Row("owners", "/validate", "drivers", "Fail", 5, ("REF207",), _OWNED, _HAS_OTHER_OWNERS),
    Row("labelled-owners", "/validate", "labelled contents", "Fail", 5, ("REF207",), _OWNED, _HAS_OTHER_OWNERS),
    Row("overrides", "/validate", "others", "Fail", 5, ("REF205",), _OVERRIDES, _IS_OVERRIDDEN),
    Row("dkms-pods", "/mutate", "dkms", "Ignore", 5, ("KTA",), (_NEW_PODS,)),
    Row("dkms-pods", "/validate", "dkms", "Fail", 5, ("KTA",), _PODS),
    Row("labelled-dkms-pods", "/mutate", "dkms labels", "Ignore", 5, ("KTA",), (_NEW_PODS,)),
    Row("labelled-dkms-pods", "/validate", "dkms labels", "Fail", 5, ("KTA",), _PODS),
    Row("workloads", "/validate", "elsewhere", "Ignore", 1, ("PRV", "KTA"), (*_PODS, *_WORKLOADS)),
)


def is_reached(path: Path, group: str, resource: str, subresource: str, operation: str) -> bool:
    """Whether the webhook is ever asked this; what it was not registered for is none of its business."""
    name = f"{resource}/{subresource}" if subresource else resource
    return any(item.covers(group, name, operation) for row in ROWS if row.path == path for item in row.resources)


def is_of_platform(namespace: str, platform: Platform) -> bool:
    """Whether a namespace is the platform's own by its name, so that no workload of it is looked at for ring 0."""
    return namespace in NEVER or namespace.startswith(PLATFORM[platform])


def refused_on_the_platform(policy: Policy, platform: Platform) -> list[str]:
    """The rules about workloads that refuse: without conditions they would refuse those of the platform, too."""
    if not PLATFORM[platform]:
        return []
    load_rules()
    found = {id: rule.severity for id, rule in RULES.items() if id.startswith("PRV")}
    return sorted(id for id, severity in found.items() if policy.mode(id, severity, "admit") is Mode.ENFORCE)


def wanted(policy: Policy, path: Path) -> Iterator[Row]:
    """The rows of a path that a policy leaves something to do."""
    return (row for row in ROWS if row.path == path and row.is_wanted(policy))


def dkms_namespaces(policy: Policy) -> tuple[str, ...]:
    """Where pods do DKMS work: IMS's jobs, and what the policy names by namespace or ServiceAccount."""
    kata = policy.parameters.kata
    accounts = (name.partition("/")[0] for name in kata.work.service_accounts)
    return tuple(sorted({kata.ims_namespace, *kata.work.namespaces, *accounts}))


def reachable(namespaces: Iterable[str], own: str) -> list[str]:
    """The namespaces, sorted, without those that are never looked at and the webhook's own."""
    return sorted(set(namespaces) - {*NEVER, own})


def unreachable(namespaces: Iterable[str], own: str) -> list[str]:
    """Those of the namespaces, sorted, that are never looked at, or are the webhook's own."""
    return sorted(set(namespaces) & {*NEVER, own})
