"""Who may load kernel modules: what clusters have anyway, by namespace and ServiceAccount, and what the policy adds.

Never by a label, which whoever makes a pod can set. A ServiceAccount is the namespace's, and who may make pods with it
is the cluster's RBAC.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, get_args

from kmodgate.policy.cluster.controllers import is_kmm
from kmodgate.policy.config import Platform
from kmodgate.policy.views.pod import PodView


class Starter(NamedTuple):
    """ServiceAccounts of one thing that clusters run, and where their names are from.

    On another platform than the one that it belongs to nobody keeps its namespace from being made by others.
    """

    what: str
    namespace: str
    accounts: tuple[str, ...]
    source: str
    platform: Platform | None = None


STARTERS = (
    Starter("kube-proxy", "kube-system", ("kube-proxy",), "kubeadm, cmd/kubeadm/app/phases/addons/proxy"),
    Starter("Calico", "kube-system", ("calico-node",), "projectcalico/calico, manifests/calico.yaml"),
    Starter("Calico by its operator", "calico-system", ("calico-node",), "tigera/operator, pkg/render"),
    Starter("Cilium", "kube-system", ("cilium",), "cilium/cilium, install/kubernetes/cilium"),
    Starter(
        "Flannel",
        "kube-flannel",
        ("flannel",),
        "flannel-io/flannel, Documentation/kube-flannel.yml",
        "kubernetes",
    ),
    Starter("kindnet", "kube-system", ("kindnet",), "kubernetes-sigs/kind, default CNI"),
    Starter("Amazon VPC CNI", "kube-system", ("aws-node",), "aws/amazon-vpc-cni-k8s, config/master"),
    Starter("Multus", "kube-system", ("multus",), "k8snetworkplumbingwg/multus-cni, deployments"),
    Starter(
        "Multus of OpenShift",
        "openshift-multus",
        ("multus",),
        "openshift/cluster-network-operator, bindata",
        "openshift",
    ),
    Starter(
        "OVN-Kubernetes",
        "openshift-ovn-kubernetes",
        ("ovn-kubernetes-node",),
        "openshift/cluster-network-operator, bindata",
        "openshift",
    ),
    Starter(
        "SR-IOV network operator",
        "sriov-network-operator",
        ("sriov-network-config-daemon",),
        "k8snetworkplumbingwg/sriov-network-operator, bindata/manifests/daemon",
        "kubernetes",
    ),
    Starter(
        "SR-IOV network operator of OpenShift",
        "openshift-sriov-network-operator",
        ("sriov-network-config-daemon",),
        "openshift/sriov-network-operator, bindata/manifests/daemon",
        "openshift",
    ),
    Starter(
        "Node Feature Discovery",
        "node-feature-discovery",
        ("nfd-worker", "node-feature-discovery-worker"),
        "kubernetes-sigs/node-feature-discovery, deployment",
        "kubernetes",
    ),
    Starter(
        "Node Feature Discovery of OpenShift",
        "openshift-nfd",
        ("nfd-worker",),
        "openshift/cluster-nfd-operator",
        "openshift",
    ),
    Starter(
        "TuneD",
        "openshift-cluster-node-tuning-operator",
        ("tuned",),
        "openshift/cluster-node-tuning-operator, assets/tuned",
        "openshift",
    ),
    Starter(
        "Machine Config Daemon",
        "openshift-machine-config-operator",
        ("machine-config-daemon",),
        "openshift/machine-config-operator, manifests",
        "openshift",
    ),
    Starter(
        "CSI drivers of OpenShift",
        "openshift-cluster-csi-drivers",
        (
            "aws-ebs-csi-driver-node-sa",
            "azure-disk-csi-driver-node-sa",
            "azure-file-csi-driver-node-sa",
            "gcp-pd-csi-driver-node-sa",
            "vmware-vsphere-csi-driver-node-sa",
        ),
        "openshift/csi-operator and openshift/*-csi-driver-operator, assets",
        "openshift",
    ),
    Starter(
        "CSI drivers of clouds",
        "kube-system",
        ("ebs-csi-node-sa", "efs-csi-node-sa", "csi-azuredisk-node-sa", "csi-azurefile-node-sa", "csi-nfs-node-sa"),
        "the charts of kubernetes-sigs and kubernetes-csi",
    ),
    Starter(
        "vSphere CSI driver",
        "vmware-system-csi",
        ("vsphere-csi-node",),
        "kubernetes-sigs/vsphere-csi-driver, manifests/vanilla",
        "kubernetes",
    ),
    Starter(
        "Ceph CSI by Rook",
        "rook-ceph",
        ("rook-csi-rbd-plugin-sa", "rook-csi-cephfs-plugin-sa"),
        "rook/rook, deploy/examples/common.yaml",
    ),
    Starter("Longhorn", "longhorn-system", ("longhorn-service-account",), "longhorn/longhorn, deploy/longhorn.yaml"),
    Starter(
        "KMM of Red Hat",
        "openshift-kmm",
        ("kmm-operator-module-loader", "kmm-operator-device-plugin", "kmm-operator-dra"),
        "rh-ecosystem-edge/kernel-module-management, config/rbac",
        "openshift",
    ),
)
"""What may load kernel modules without being named. The pods that KMM makes are known by who makes them."""

_KNOWN = {
    platform: frozenset(
        (item.namespace, name) for item in STARTERS if item.platform in (None, platform) for name in item.accounts
    )
    for platform in get_args(Platform)
}

_KMM_GROUP = "kmm.sigs.x-k8s.io"


def is_approved(
    pod: PodView,
    user: str,
    approved: Collection[tuple[str, str]],
    controllers: Collection[str],
    *,
    platform: Platform,
) -> bool:
    """Whether a pod may load kernel modules on a cluster of a platform.

    `approved` are namespaces and ServiceAccounts of the policy, `controllers` the users that it counts as KMM's. A pod
    that says that KMM owns it is believed where KMM makes it, or nobody asks.
    """
    account = (pod.namespace, pod.service_account)
    if account in _KNOWN[platform] or account in approved or is_kmm(user, controllers):
        return True
    return not user and any(group == _KMM_GROUP for group, _ in pod.controllers)
