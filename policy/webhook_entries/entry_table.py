"""What the webhook is asked: one table, from which its configurations are generated and by which it answers.

A row is one webhook entry. The API server calls it for the resources and operations of the row in the namespaces that
`where` stands for, and what it does when nobody answers is `failure`. Nothing that a cluster needs to come up stands in
a row that fails: no Node, Lease or CertificateSigningRequest in any, nothing of `kube-system` or of the webhook's own
namespace but the kinds of KMM.

Source: design §6a of this project; Kubernetes, Dynamic Admission Control and Admission Webhook Good Practices.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster.controllers import OLM_GROUP
from kmodgate.policy.cluster.dependents import ACCESS, NAMED, RESOURCES, ROLE
from kmodgate.policy.config import PLATFORM_PREFIXES, Platform, Policy
from kmodgate.policy.findings import Mode
from kmodgate.policy.kmm.kinds import BOOT_KINDS, GROUPS, INNER_KINDS, MODULE_KINDS, PREFLIGHT_KINDS, VERSIONS
from kmodgate.policy.kmm.misnamed_kinds import KMM_GROUPS
from kmodgate.policy.review import Operation
from kmodgate.policy.rule import RULES, load_rules
from kmodgate.policy.webhook_entries.conditions import (
    ALLOWS_NO_POD,
    BOUNDS_WORKERS,
    CHANGES_A_DEFINITION,
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
    Condition,
    FailurePolicy,
    is_of_another_kind,
)
from kmodgate.policy.webhook_entries.emptied_secrets import LOSES_A_KEY
from kmodgate.policy.webhook_entries.namespaces import Where
from kmodgate.policy.webhook_entries.row import Path, Resources, Row

_NOBODY = 2
"""Seconds to wait for an answer that is of use, and that nothing hangs on."""

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

_DEFINITIONS = (Resources("apiextensions.k8s.io", ("v1",), ("customresourcedefinitions",), _ALL),)

_SCHEMAS = (Resources("apiextensions.k8s.io", ("v1",), ("customresourcedefinitions",), ("UPDATE",)),)

_NAMESPACES = (
    Resources("", ("v1",), ("namespaces",), _ALL),  # each of the others may change labels and annotations, too
    Resources("", ("v1",), ("namespaces/finalize", "namespaces/status"), ("UPDATE",)),
)

_INSTALLATIONS = (
    Resources(OLM_GROUP, ("v1alpha1",), ("clusterserviceversions", "installplans", "subscriptions"), _ALL),
    Resources(OLM_GROUP, ("v1", "v1alpha2"), ("operatorgroups",), _ALL),
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
    Row("definitions", "/validate", "everywhere", "Fail", 5, ("REF303", "REF205"), _DEFINITIONS, IS_KMMS),
    Row("schemas", "/validate", "everywhere", "Ignore", _NOBODY, ("REF303",), _SCHEMAS, CHANGES_A_DEFINITION),
    Row("protection", "/validate", "drivers", "Fail", 5, ("REF2",), (*_NAMESPACES, *_KEPT), IS_DECIDED, reports=True),
    Row("labelled-namespaces", "/validate", "labelled namespaces", "Fail", 5, ("REF2",), _NAMESPACES, IS_DECIDED),
    Row("labelled-contents", "/validate", "labelled contents", "Fail", 5, ("REF2",), _KEPT, IS_DECIDED, reports=True),
    Row("other-namespaces", "/validate", "unlabelled", "Ignore", _NOBODY, ("REF201", "REF304"), _ENDING),
    Row("installations", "/validate", "olm", "Ignore", _NOBODY, ("REF304", "REF205"), _INSTALLATIONS, INSTALLS_KMM),
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


def wanted(policy: Policy, path: Path, platform: Platform | None = None) -> Iterator[Row]:
    """The rows of a path that a policy leaves something to do, on a platform if one is given."""
    return (row for row in ROWS if row.path == path and row.is_wanted(policy, platform))


def refused_on_the_platform(policy: Policy, platform: Platform) -> list[str]:
    """The rules about workloads that refuse: without conditions they would refuse those of the platform, too."""
    if not PLATFORM_PREFIXES[platform]:
        return []
    load_rules()
    found = {id: rule.severity for id, rule in RULES.items() if id.startswith("PRV")}
    return sorted(id for id, severity in found.items() if policy.mode(id, severity, "admit") is Mode.ENFORCE)
