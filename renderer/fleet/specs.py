"""The spec kinds as data: names and types only, the constraints live in schemas/."""

from __future__ import annotations

from dataclasses import field
from typing import Literal, NewType

from kmodgate.policy.config import Platform, Policy
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.image_mirrors import Mirror
from kmodgate.policy.formats.yaml_documents import Document, Json
from kmodgate.policy.kmm.kernel import architecture
from kmodgate.policy.kmm.versions import Release
from kmodgate.renderer.wording import driver_title

KernelVersion = NewType("KernelVersion", str)
Topology = Literal["ha", "compact", "sno", "hosted", "microshift"]
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


Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One label expression of a cluster selector."""

    key: str
    operator: Operator
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
class ImageService:
    """The Image Management Service of some clusters as its author wrote it; `spec` is without `overrides`."""

    name: str
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
    """The permission for one object that stands for a driver, with exactly this content, to leave a cluster's tree."""

    cluster: str
    kind: str
    namespace: str
    """Empty for a kind that lives in no namespace."""
    name: str
    place: str
    """The pool or namespace for which it stands for a driver; empty for a kind that has none."""
    digest: str
    reason: str
    document: Document = field(repr=False)
    index: int
    """The place of the entry in its list."""

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        return self.cluster, self.kind, self.namespace, self.name, self.place

    @property
    def object(self) -> str:
        """Return `Module drivers/nic`."""
        return driver_title(self.kind, self.namespace, self.name, self.place)

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
    `blacklist` are the names of kernel modules that the nodes do not load by themselves, with `_` for `-`. `roles` are
    those of the MachineConfigs that the nodes take, where a MachineConfigPool says so; None where labels alone do.
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
    blacklist: frozenset[str] = frozenset()
    roles: frozenset[str] | None = None

    @property
    def architectures(self) -> list[str]:
        """What the spec, or the names of its kernels, say that the nodes are, the spec first; as nodes write it."""
        return [name for name in (self.architecture, *map(architecture, self.kernels)) if name]

    @property
    def node_labels(self) -> dict[str, str]:
        """Its labels, and those that each kubelet gives its node whatever the spec says of it.

        Source: initialNode in pkg/kubelet/kubelet_node_status.go of Kubernetes.
        """
        names = self.architectures
        known = {"kubernetes.io/arch": names[0]} if names else {}
        return {"kubernetes.io/os": "linux", **known, **self.labels}


@dataclass(frozen=True, slots=True)
class Install:
    """How the operator of a cluster is installed: by OLM, pinned to the version `csv`, or by `kustomize`.

    Empty fields are the usual ones; `tolerations` and `has_alerts` are None where the spec leaves them out.
    """

    csv: str = ""
    channel: str = ""
    source: str = ""
    source_namespace: str = ""
    is_by_hand: bool = False
    kustomize: str = ""
    tolerations: list[Json] | None = field(default=None, hash=False)
    has_alerts: bool | None = None


@dataclass(frozen=True, slots=True)
class Kmm:
    """The operator of a cluster; an empty version is the newest of its flavour, an empty namespace the usual one.

    `install` is None where somebody else installs it, and `config` where it has its defaults.
    """

    version: str
    flavour: Flavour
    namespace: str = ""
    install: Install | None = None
    config: JsonMap | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Acm:
    """A cluster's part in Open Cluster Management; `hub` is the name of a spoke's hub.

    `agent_namespace` is where the klusterlet of a spoke runs its agents.
    """

    role: Literal["hub", "spoke"]
    hub: str = ""
    agent_namespace: str = "open-cluster-management-agent"


@dataclass(frozen=True, slots=True)
class Hosted:
    """Where the control plane of a hosted cluster runs: a cluster by its name, and the namespace of the NodePools."""

    management: str
    namespace: str


@dataclass(frozen=True, slots=True)
class ArgoCd:
    """The Argo CD of a fleet: where it runs, and where in git it finds the tree. `is_set`: by an ApplicationSet."""

    repo_url: str
    revision: str
    path: str
    namespace: str
    project: str
    is_set: bool


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
    rendered_nodes: tuple[NodeGroup, ...] = ()
    """The nodes of the spec, by which objects are rendered, where a plan looks at others."""
    mirrors: tuple[Mirror, ...] = ()
    mirror_objects: bool = False
    """Whether OpenShift's own objects for the mirrors are rendered, too."""
    argocd: ArgoCd | None = None
    """The Argo CD of the fleet, where it runs on this cluster."""
    server: str = ""
    """The address by which Argo CD knows the cluster; empty where it knows it by name."""
    kubectl_image: str = ""
    """The image in which Jobs run kubectl; empty where the spec names none."""
    hosted: Hosted | None = None
    is_managed: bool = False
    """Whether a provider configures the machines."""
    worker_image: str = ""
    """KMM's worker image for what runs without KMM; empty where the spec names none."""
    acm: Acm | None = None
    spokes: list[Cluster] = field(default_factory=list, repr=False)
    """The clusters of the fleet that name this one as their hub."""

    @property
    def is_hub(self) -> bool:
        return self.acm is not None and self.acm.role == "hub"

    @property
    def release(self) -> Release | None:
        """The KMM of the cluster; None where it has none."""
        if self.kmm is None:
            return None
        return Release(self.kmm.version, self.kmm.flavour == "redhat", self.kubernetes)
