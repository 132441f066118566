"""The spec kinds as data: names and types only, the constraints live in schemas/."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NewType

from kmodgate.policy.config import Platform, Policy
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.yaml_documents import Document, Json

KernelVersion = NewType("KernelVersion", str)
Topology = Literal["ha", "compact", "sno"]
Flavour = Literal["upstream", "redhat"]

JsonMap = dict[str, Json]

CLUSTER_SCOPED = {
    "APIService", "CSIDriver", "CSINode", "CertificateSigningRequest", "ClusterExternalSecret", "ClusterIssuer",
    "ClusterOperator", "ClusterPolicy", "ClusterRole", "ClusterRoleBinding", "ClusterSecretStore", "ClusterVersion",
    "ComponentStatus", "ConsolePlugin", "ContainerRuntimeConfig", "CustomResourceDefinition", "DeviceClass",
    "DeviceTaintRule", "FlowSchema", "ImageContentSourcePolicy", "ImageDigestMirrorSet", "ImageTagMirrorSet",
    "IngressClass", "KubeletConfig", "MachineConfig", "MachineConfigPool", "ManagedClusterModule",
    "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration", "Namespace", "Node",
    "NodeFeatureRule", "PerformanceProfile", "PersistentVolume", "PreflightValidation", "PreflightValidationOCP",
    "PriorityClass", "PriorityLevelConfiguration", "Project", "ResourceSlice", "RuntimeClass",
    "SecurityContextConstraints", "StorageClass", "StorageVersionMigration", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeAttachment", "VolumeAttributesClass",
}  # fmt: skip
"""Kinds without a namespace that a driver may bring along; any other kind is taken to live in one."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One label expression of a cluster selector."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClusterSelector:
    """Which clusters; every part that is given must hold. `names` is None where none are given."""

    names: tuple[str, ...] | None
    labels: tuple[tuple[str, str], ...]
    requirements: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class Override:
    """A merge patch of a driver's spec for some of its clusters."""

    clusters: ClusterSelector
    patch: JsonMap = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class KernelDriver:
    """One driver as its author wrote it; `spec` is without `overrides`."""

    name: str
    labels: dict[str, str]
    clusters: ClusterSelector
    overrides: tuple[Override, ...]
    spec: JsonMap = field(repr=False)
    document: Document = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class DriverPolicy:
    """What rules' findings do on some clusters; `policy` is what the engine takes."""

    name: str
    clusters: ClusterSelector
    policy: Policy
    document: Document = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Removal:
    """The permission for one Module, with exactly this content, to leave the tree of a cluster."""

    cluster: str
    namespace: str
    name: str
    digest: str
    reason: str
    document: Document = field(repr=False)
    index: int
    """The place of the entry in its list."""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.cluster, self.namespace, self.name

    @property
    def path(self) -> FieldPath:
        return ("spec", "removals", self.index)


@dataclass(frozen=True, slots=True)
class Taint:
    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class NextKernel:
    """A kernel that nodes get with the next upgrade, and the place in the Cluster spec that names it."""

    version: KernelVersion
    path: FieldPath


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes that are alike. A node of an inventory is a group of one.

    `next_kernels` are the group's own, or else the Cluster's. A paused group keeps the kernels that it runs.
    """

    name: str
    count: int
    labels: dict[str, str]
    taints: tuple[Taint, ...]
    kernels: tuple[KernelVersion, ...]
    architecture: str
    secure_boot: bool
    next_kernels: tuple[NextKernel, ...] = ()
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class Kmm:
    """The operator of a cluster; an empty version is the newest of its flavour."""

    version: str
    flavour: Flavour


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """One cluster; `kmm` is None where it has no operator, an empty `kubernetes` is the newest."""

    name: str
    labels: dict[str, str]
    platform: Platform
    topology: Topology
    kubernetes: str
    kmm: Kmm | None
    nodes: tuple[NodeGroup, ...]
    groups: tuple[NodeGroup, ...]
    """The node groups as the spec describes them. Where an inventory has the nodes, each belongs to a group."""
    next_kernels: tuple[NextKernel, ...]
    document: Document = field(repr=False)
    has_inventory: bool
    """Whether the nodes are those that kubectl has seen, and no description."""
