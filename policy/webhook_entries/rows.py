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

from kmodgate.policy.cluster.controllers import OLM_GROUP
from kmodgate.policy.cluster.dependents import ACCESS, NAMED, RESOURCES, ROLE
from kmodgate.policy.config import Platform, Policy
from kmodgate.policy.findings import Mode
from kmodgate.policy.kmm.kinds import BOOT_KINDS, GROUPS, INNER_KINDS, MODULE_KINDS, PREFLIGHT_KINDS, VERSIONS
from kmodgate.policy.kmm.misnamed_kinds import KMM_GROUPS
from kmodgate.policy.review import Operation
from kmodgate.policy.rule import RULES, Rule, load_rules
from kmodgate.policy.webhook_entries.conditions import (
    ALLOWS_NO_POD,
    BOUNDS_WORKERS,
    CHANGES_LABELS,
    HAS_ANOTHER_DOCKERFILE,
    INSTALLS_KMM,
    IS_BY_OTHERS,
    IS_DECIDED,
    IS_KMMS,
    IS_OF_AN_OPERATOR,
    IS_OVERRIDDEN,
    IS_WRITTEN,
    LOADS_AT_BOOT,
    LOSES_A_KEY,
    Condition,
    FailurePolicy,
    is_of_another_kind,
)

Path = Literal["/validate", "/mutate"]

Where = Literal[
    "everywhere", "drivers", "labelled namespaces", "labelled contents", "others", "unlabelled", "dkms", "dkms labels",
    "dkms alone", "elsewhere", "platform", "hubs", "olm",
]  # fmt: skip
"""`drivers`: the namespaces of the drivers, with what lies in them. `labelled …`: namespaces that KMM's own label
protects and no fleet knows, and what lies in such. `others`: all but the drivers'. `unlabelled`: those of them without
KMM's label. `dkms`: the pods of IMS where it runs its jobs, and all where other DKMS work is that the policy names;
`dkms labels`: wherever pods have the labels that it names; `dkms alone`: the namespaces of DKMS work, on clusters where
nothing else is asked about. `elsewhere`: all but the platform's own. `platform`: those, but
NEVER. `hubs`, `olm`: everywhere on a hub, or on a cluster with the Operator Lifecycle Manager, and nowhere else."""

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
        """Whether these are among them; the name `*` stands for every resource, and for no subresource."""
        is_named = resource in self.names or ("*" in self.names and "/" not in resource)
        return group == self.group and is_named and operation in self.operations


_NOBODY = 2
"""Seconds to wait for an answer that is of use, and that nothing hangs on."""


@dataclass(frozen=True, slots=True)
class Row:
    """One webhook entry: `timeout` in seconds, `families` are how the ids of the rules begin that it is for.

    Rules that find something of what it is asked may be of several families, and one in force is enough for it. A row
    with a `platform` is for clusters of that one only, and one with a `parameter` for policies that set it. One that
    `needs_kmm` lets everything through that nobody answers for while it is not known who KMM is, so that KMM itself
    never waits. `reports` is whether an answer may leave an Event in the cluster.
    """

    name: str
    path: Path
    where: Where
    failure: FailurePolicy
    timeout: int
    families: tuple[str, ...]
    resources: tuple[Resources, ...]
    condition: Condition | None = None
    platform: Platform | None = None
    parameter: str = ""
    needs_kmm: bool = False
    reports: bool = False

    @property
    def is_for_dkms(self) -> bool:
        """Whether it is about DKMS work alone, which there is without KMM, too."""
        return self.where in ("dkms", "dkms labels", "dkms alone")

    def is_wanted(self, policy: Policy, platform: Platform | None = None) -> bool:
        """Whether the policy leaves a rule of the families in force at admission, on a platform if one is given."""
        if None not in (platform, self.platform) and platform != self.platform:
            return False
        if self.parameter and not getattr(policy.parameters, self.parameter):
            return False
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
    "BootModuleConfig": "bootmoduleconfigs",
    "InitramfsModule": "initramfsmodules",
    "NodeModulesConfig": "nodemodulesconfigs",
    "ModuleImagesConfig": "moduleimagesconfigs",
    "ModuleBuildSignConfig": "modulebuildsignconfigs",
}
"""Kind of KMM → the name of its resource."""

_WRITTEN: tuple[Operation, ...] = ("CREATE", "UPDATE")
_ALL: tuple[Operation, ...] = ("CREATE", "UPDATE", "DELETE")

_KMM = tuple(
    Resources(GROUPS[kind], VERSIONS[kind], (PLURALS[kind],), _WRITTEN)
    for kind in (*MODULE_KINDS, *PREFLIGHT_KINDS, *BOOT_KINDS)
)

_INNER = tuple(
    Resources(GROUPS[kind], VERSIONS[kind], (PLURALS[kind], f"{PLURALS[kind]}/status"), _ALL) for kind in INNER_KINDS
)

_IS_NEW_KIND = is_of_another_kind(PLURALS.values())

_NEW_KINDS = tuple(Resources(group, ("*",), ("*",), _WRITTEN) for group in KMM_GROUPS)


_DEFINITIONS = (Resources("apiextensions.k8s.io", ("v1",), ("customresourcedefinitions",), ("DELETE",)),)

_NAMESPACES = (
    Resources("", ("v1",), ("namespaces",), _ALL),  # each of the others may change labels and annotations, too
    Resources("", ("v1",), ("namespaces/finalize", "namespaces/status"), ("UPDATE",)),
)

_INSTALLATIONS = (
    Resources(OLM_GROUP, ("v1alpha1",), ("clusterserviceversions", "installplans", "subscriptions"), ("DELETE",)),
    Resources(OLM_GROUP, ("v1", "v1alpha2"), ("operatorgroups",), ("DELETE",)),
)

_ENDING = (Resources("", ("v1",), ("namespaces",), ("DELETE",)),)

_OVERRIDES = (Resources("", ("v1",), ("namespaces",), _WRITTEN), _NAMESPACES[-1])

_KEPT = (Resources("", ("v1",), tuple(sorted(RESOURCES[kind][1] for kind in NAMED)), ("DELETE",)),)

_ACCESS = (Resources(RESOURCES[ROLE][0], ("v1",), tuple(RESOURCES[kind][1] for kind in ACCESS), ("UPDATE", "DELETE")),)

_FILLED = (Resources("", ("v1",), ("configmaps", "secrets"), ("UPDATE",)),)

_DOCKERFILES = (Resources("", ("v1",), ("configmaps",), ("UPDATE",)),)

_MANAGED_CLUSTERS = (Resources("cluster.open-cluster-management.io", ("v1",), ("managedclusters",), ("UPDATE",)),)

_MACHINE_CONFIGS = (Resources("machineconfiguration.openshift.io", ("v1",), ("machineconfigs",), _WRITTEN),)

_QUOTAS = (Resources("", ("v1",), ("resourcequotas",), _WRITTEN),)

_LIMITS = (Resources("", ("v1",), ("limitranges",), _WRITTEN),)

_NEW_PODS = Resources("", ("v1",), ("pods",), ("CREATE",))

_IMAGES = ("IMG301", "IMG302")
"""The rules for which it is worth asking about the images of KMM's operator and of kmodgate's Jobs."""

_OF_WORKLOADS = ("PRV", "KTA", *_IMAGES)

_PODS = (_NEW_PODS, Resources("", ("v1",), ("pods/ephemeralcontainers",), ("UPDATE",)))

_WORKLOADS = (
    Resources("", ("v1",), ("replicationcontrollers",), _WRITTEN),
    Resources("apps", ("v1",), ("daemonsets", "deployments", "replicasets", "statefulsets"), _WRITTEN),
    Resources("batch", ("v1",), ("cronjobs",), _WRITTEN),
    Resources("batch", ("v1",), ("jobs",), ("CREATE",)),  # the template of a Job never changes
)

_OPERATORS = (Resources("apps", ("v1",), ("deployments",), _WRITTEN), _WORKLOADS[-1])

_HOLDING: tuple[tuple[str, Where], ...] = (("", "drivers"), ("labelled-", "labelled contents"))

_CHANGES: tuple[tuple[str, FailurePolicy, int, str, tuple[Resources, ...], Condition | None, Platform | None], ...] = (
    ("access", "Fail", 5, "REF2", _ACCESS, IS_DECIDED, "openshift"),
    ("emptied", "Fail", 5, "REF212", _FILLED, LOSES_A_KEY, None),
    ("quotas", "Fail", 5, "REF211", _QUOTAS, ALLOWS_NO_POD, None),
    ("limits", "Fail", 5, "REF214", _LIMITS, BOUNDS_WORKERS, None),
    ("dockerfiles", "Ignore", _NOBODY, "REF213", _DOCKERFILES, HAS_ANOTHER_DOCKERFILE, None),
)
"""Rows for changes of what lies in a namespace that holds Modules, which make it useless to them."""

ROWS = (
    Row("modules", "/validate", "everywhere", "Fail", 5, ("",), _KMM, IS_WRITTEN),
    Row("inner-kinds", "/validate", "everywhere", "Fail", 5, ("REF301",), _INNER, IS_BY_OTHERS, needs_kmm=True),
    Row("new-kinds", "/validate", "everywhere", "Ignore", _NOBODY, ("REF302",), _NEW_KINDS, _IS_NEW_KIND),
    Row("definitions", "/validate", "everywhere", "Fail", 5, ("REF303",), _DEFINITIONS, IS_KMMS),
    Row("protection", "/validate", "drivers", "Fail", 5, ("REF2",), (*_NAMESPACES, *_KEPT), IS_DECIDED, reports=True),
    Row("labelled-namespaces", "/validate", "labelled namespaces", "Fail", 5, ("REF2",), _NAMESPACES, IS_DECIDED),
    Row("labelled-contents", "/validate", "labelled contents", "Fail", 5, ("REF2",), _KEPT, IS_DECIDED, reports=True),
    Row("other-namespaces", "/validate", "unlabelled", "Ignore", _NOBODY, ("REF201", "REF304"), _ENDING),
    Row("installations", "/validate", "olm", "Ignore", _NOBODY, ("REF304",), _INSTALLATIONS, INSTALLS_KMM),
    *(
        Row(
            f"{prefix}{name}",
            "/validate",
            where,
            failure,
            timeout,
            (rule,),
            resources,
            condition,
            platform,
            reports=name == "access",
        )
        for prefix, where in _HOLDING
        for name, failure, timeout, rule, resources, condition, platform in _CHANGES
    ),
    Row("managed-clusters", "/validate", "hubs", "Ignore", _NOBODY, ("HUB2",), _MANAGED_CLUSTERS, CHANGES_LABELS),
    Row("machine-configs", "/validate", "everywhere", "Ignore", _NOBODY, ("DAY2", "SGN207", "IMG"), _MACHINE_CONFIGS,
        LOADS_AT_BOOT, "openshift", "machine_configs"),
    Row("overrides", "/validate", "others", "Fail", 5, ("REF205",), _OVERRIDES, IS_OVERRIDDEN),
    Row("dkms-pods", "/mutate", "dkms", "Ignore", 5, ("KTA",), (_NEW_PODS,)),
    Row("dkms-pods", "/validate", "dkms", "Fail", 5, ("KTA",), _PODS, reports=True),
    Row("labelled-dkms-pods", "/mutate", "dkms labels", "Ignore", 5, ("KTA",), (_NEW_PODS,)),
    Row("labelled-dkms-pods", "/validate", "dkms labels", "Fail", 5, ("KTA",), _PODS, reports=True),
    Row("dkms-workloads", "/validate", "dkms alone", "Ignore", 1, ("KTA",), _WORKLOADS),
    Row("workloads", "/validate", "elsewhere", "Ignore", 1, _OF_WORKLOADS, (*_PODS, *_WORKLOADS), reports=True),
    Row("operators", "/validate", "platform", "Ignore", 1, _IMAGES, _OPERATORS, IS_OF_AN_OPERATOR, "openshift"),
)  # fmt: skip


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


def wanted(policy: Policy, path: Path, platform: Platform | None = None) -> Iterator[Row]:
    """The rows of a path that a policy leaves something to do, on a platform if one is given."""
    return (row for row in ROWS if row.path == path and row.is_wanted(policy, platform))


def dkms_namespaces(policy: Policy) -> tuple[str, ...]:
    """Where every pod may be DKMS work: the policy names the namespace, or a ServiceAccount in it."""
    work = policy.parameters.kata.work
    accounts = (name.partition("/")[0] for name in work.service_accounts)
    return tuple(sorted({*work.namespaces, *accounts}))


def reachable(namespaces: Iterable[str], own: str) -> list[str]:
    """The namespaces, sorted, without those that are never looked at and the webhook's own."""
    return sorted(set(namespaces) - {*NEVER, own})


def unreachable(namespaces: Iterable[str], own: str) -> list[str]:
    """Those of the namespaces, sorted, that are never looked at, or are the webhook's own."""
    return sorted(set(namespaces) & {*NEVER, own})
