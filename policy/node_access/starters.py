"""Who has to reach into a node on most clusters: the ServiceAccounts that are approved from the start, by vendor.

One table, with the public repository and path that each name is from. What a vendor installs under a name that people
choose, such as a Helm release, stands here under the name of the vendor's own instructions.
"""

from __future__ import annotations

from typing import NamedTuple

from kmodgate.policy.config import Platform


class Starter(NamedTuple):
    """ServiceAccounts of one thing that clusters run, and where their names are from.

    On another platform than the one that it belongs to nobody keeps its namespace from being made by others.
    """

    what: str
    namespace: str
    accounts: tuple[str, ...]
    source: str
    platform: Platform | None = None


_ISTIO = "istio/istio, manifests/charts/istio-cni/templates/serviceaccount.yaml"
_NVIDIA = (
    "nvidia-driver", "nvidia-operator-validator", "nvidia-container-toolkit", "nvidia-device-plugin",
    "nvidia-device-plugin-mps-control-daemon", "nvidia-dcgm", "nvidia-dcgm-exporter",
    "nvidia-gpu-feature-discovery", "nvidia-mig-manager", "nvidia-node-status-exporter", "nvidia-vgpu-manager",
    "nvidia-vgpu-device-manager", "nvidia-vfio-manager", "nvidia-sandbox-validator",
    "nvidia-sandbox-device-plugin", "nvidia-kata-manager", "nvidia-cc-manager",
)  # fmt: skip
_NVIDIA_NAMES = "NVIDIA/gpu-operator, assets/*/0100_service_account.yaml"
_AMD = (
    "amd-gpu-operator-kmm-module-loader", "amd-gpu-operator-kmm-device-plugin",
    "amd-gpu-operator-node-labeller", "amd-gpu-operator-metrics-exporter",
    "amd-gpu-operator-metrics-exporter-rbac-proxy", "amd-gpu-operator-test-runner",
    "amd-gpu-operator-config-manager", "amd-gpu-operator-utils-container",
)  # fmt: skip
_AMD_NAMES = "ROCm/gpu-operator, helm-charts-k8s/templates/serviceaccount.yaml and *-rbac.yaml"
_HELM = "charts of prometheus-community/helm-charts, charts/prometheus-node-exporter/templates/_helpers.tpl"
_KUBEVIRT_NAMES = "kubevirt/kubevirt, pkg/virt-operator/resource/generate/components/serviceaccountnames.go"
_PORTWORX = "libopenstorage/operator, drivers/storage/portworx/util/util.go (DefaultPortworxServiceAccountName)"

STARTERS = (
    Starter("kube-proxy", "kube-system", ("kube-proxy",), "kubeadm, cmd/kubeadm/app/phases/addons/proxy"),
    Starter("Calico", "kube-system", ("calico-node",), "projectcalico/calico, manifests/calico.yaml"),
    Starter("Calico by its operator", "calico-system", ("calico-node",), "tigera/operator, pkg/render"),
    Starter("Cilium", "kube-system", ("cilium",), "cilium/cilium, install/kubernetes/cilium"),
    Starter("Flannel", "kube-flannel", ("flannel",),
            "flannel-io/flannel, Documentation/kube-flannel.yml", "kubernetes"),
    Starter("kindnet", "kube-system", ("kindnet",), "kubernetes-sigs/kind, default CNI"),
    Starter("Amazon VPC CNI", "kube-system", ("aws-node",), "aws/amazon-vpc-cni-k8s, config/master"),
    Starter("Multus", "kube-system", ("multus",), "k8snetworkplumbingwg/multus-cni, deployments"),
    Starter("Multus of OpenShift", "openshift-multus", ("multus",),
            "openshift/cluster-network-operator, bindata", "openshift"),
    Starter("OVN-Kubernetes", "openshift-ovn-kubernetes", ("ovn-kubernetes-node",),
            "openshift/cluster-network-operator, bindata", "openshift"),
    Starter("SR-IOV network operator", "sriov-network-operator", ("sriov-network-config-daemon",),
            "k8snetworkplumbingwg/sriov-network-operator, bindata/manifests/daemon", "kubernetes"),
    Starter("SR-IOV network operator of OpenShift", "openshift-sriov-network-operator",
            ("sriov-network-config-daemon",),
            "openshift/sriov-network-operator, bindata/manifests/daemon", "openshift"),
    Starter("Node Feature Discovery", "node-feature-discovery", ("nfd-worker", "node-feature-discovery-worker"),
            "kubernetes-sigs/node-feature-discovery, deployment", "kubernetes"),
    Starter("Node Feature Discovery of OpenShift", "openshift-nfd", ("nfd-worker",),
            "openshift/cluster-nfd-operator", "openshift"),
    Starter("TuneD", "openshift-cluster-node-tuning-operator", ("tuned",),
            "openshift/cluster-node-tuning-operator, assets/tuned", "openshift"),
    Starter("Machine Config Daemon", "openshift-machine-config-operator", ("machine-config-daemon",),
            "openshift/machine-config-operator, manifests", "openshift"),
    Starter("CSI drivers of OpenShift", "openshift-cluster-csi-drivers",
            ("aws-ebs-csi-driver-node-sa", "azure-disk-csi-driver-node-sa", "azure-file-csi-driver-node-sa",
             "gcp-pd-csi-driver-node-sa", "vmware-vsphere-csi-driver-node-sa", "aws-efs-csi-driver-node-sa"),
            "openshift/csi-operator, assets/overlays/*/generated/standalone, and "
            "openshift/vmware-vsphere-csi-driver-operator, assets/node_sa.yaml", "openshift"),
    Starter("CSI drivers of clouds", "kube-system",
            ("ebs-csi-node-sa", "efs-csi-node-sa", "csi-azuredisk-node-sa", "csi-azurefile-node-sa",
             "csi-nfs-node-sa"),
            "kubernetes-sigs/{aws-ebs,aws-efs,azuredisk,azurefile}-csi-driver, kubernetes-csi/csi-driver-nfs"),
    Starter("vSphere CSI driver", "vmware-system-csi", ("vsphere-csi-node",),
            "kubernetes-sigs/vsphere-csi-driver, manifests/vanilla/vsphere-csi-driver.yaml", "kubernetes"),
    Starter("Ceph CSI by Rook", "rook-ceph", ("rook-csi-rbd-plugin-sa", "rook-csi-cephfs-plugin-sa"),
            "rook/rook, deploy/examples/common.yaml"),
    Starter("Longhorn", "longhorn-system", ("longhorn-service-account",), "longhorn/longhorn, deploy/longhorn.yaml"),
    Starter("KMM of Red Hat", "openshift-kmm",
            ("kmm-operator-module-loader", "kmm-operator-device-plugin", "kmm-operator-dra"),
            "rh-ecosystem-edge/kernel-module-management, config/rbac", "openshift"),
    Starter("Calico CSI driver", "calico-system", ("csi-node-driver",), "tigera/operator, pkg/render/csi.go"),
    Starter("Cilium in a namespace of its own", "cilium", ("cilium", "cilium-envoy"),
            "cilium/cilium, install/kubernetes/cilium/templates/cilium-{agent,envoy}/serviceaccount.yaml"),
    Starter("Envoy of Cilium", "kube-system", ("cilium-envoy",),
            "cilium/cilium, install/kubernetes/cilium/templates/cilium-envoy/serviceaccount.yaml"),
    Starter("Istio CNI", "istio-system", ("istio-cni",), _ISTIO),
    Starter("Istio CNI", "istio-cni", ("istio-cni",), _ISTIO),
    Starter("Istio CNI", "kube-system", ("istio-cni",), _ISTIO),
    Starter("ztunnel of Istio", "istio-system", ("ztunnel",),
            "istio/istio, manifests/charts/ztunnel/templates/{serviceaccount.yaml,_helpers.tpl}"),
    Starter("MetalLB", "metallb-system", ("speaker", "metallb-speaker"),
            "metallb/metallb, config/rbac/service-accounts.yaml"),
    Starter("NVIDIA GPU Operator", "gpu-operator", _NVIDIA, _NVIDIA_NAMES),
    Starter("NVIDIA GPU Operator", "nvidia-gpu-operator", _NVIDIA, _NVIDIA_NAMES),
    Starter("AMD GPU Operator", "kube-amd-gpu", _AMD, _AMD_NAMES),
    Starter("AMD GPU Operator", "openshift-amd-gpu", _AMD, _AMD_NAMES, "openshift"),
    Starter("node-exporter of kube-prometheus", "monitoring", ("node-exporter",),
            "prometheus-operator/kube-prometheus, manifests/nodeExporter-serviceAccount.yaml"),
    Starter("node-exporter by Helm", "monitoring",
            ("prometheus-node-exporter", "prometheus-prometheus-node-exporter",
             "node-exporter-prometheus-node-exporter", "kube-prometheus-stack-prometheus-node-exporter",
             "monitoring-prometheus-node-exporter"),
            _HELM),
    Starter("node-exporter by Helm", "prometheus",
            ("prometheus-prometheus-node-exporter", "prometheus-node-exporter",
             "kube-prometheus-stack-prometheus-node-exporter"),
            _HELM),
    Starter("node-exporter of OpenShift", "openshift-monitoring", ("node-exporter",),
            "openshift/cluster-monitoring-operator, assets/node-exporter/service-account.yaml", "openshift"),
    Starter("KubeVirt", "kubevirt", ("kubevirt-handler",), _KUBEVIRT_NAMES),
    Starter("OpenShift Virtualization", "openshift-cnv", ("kubevirt-handler",), _KUBEVIRT_NAMES, "openshift"),
    Starter("Vector", "vector", ("vector",), "vectordotdev/helm-charts, charts/vector/templates/_pod.tpl"),
    Starter("Falco", "falco", ("falco",), "falcosecurity/charts, charts/falco/templates/_helpers.tpl"),
    Starter("Rook", "rook-ceph", ("rook-ceph-osd", "rook-ceph-system", "rook-ceph-default", "rook-ceph-mgr"),
            "rook/rook, deploy/examples/common.yaml"),
    Starter("Ceph CSI by its operator", "rook-ceph",
            ("ceph-csi-rbd-nodeplugin-sa", "ceph-csi-cephfs-nodeplugin-sa", "ceph-csi-nfs-nodeplugin-sa",
             "ceph-csi-operator-rbd-nodeplugin-sa", "ceph-csi-operator-cephfs-nodeplugin-sa",
             "ceph-csi-operator-nfs-nodeplugin-sa"),
            "rook/rook, deploy/examples/common.yaml, and ceph/ceph-csi-operator, config/csi-rbac"),
    Starter("Portworx", "portworx", ("portworx",), _PORTWORX),
    Starter("Portworx", "kube-system", ("portworx",), _PORTWORX),
    Starter("local-path provisioner", "local-path-storage", ("local-path-provisioner-service-account",),
            "rancher/local-path-provisioner, deploy/local-path-storage.yaml"),
    Starter("Amazon CloudWatch agent", "amazon-cloudwatch", ("cloudwatch-agent",),
            "aws-observability/helm-charts, charts/amazon-cloudwatch-observability/templates/_helpers.tpl"),
    Starter("Amazon GuardDuty agent", "amazon-guardduty", ("aws-guardduty-agent",),
            "Amazon GuardDuty User Guide, EKS add-on aws-guardduty-agent; the account by published trust policies"),
    Starter("EKS node monitoring agent", "kube-system", ("eks-node-monitoring-agent", "dcgm-server"),
            "aws/eks-node-monitoring-agent, charts/eks-node-monitoring-agent/templates/daemonset.yaml"),
    Starter("netd of GKE", "kube-system", ("netd",), "GoogleCloudPlatform/netd, netd.yaml"),
    Starter("persistent disks of Google", "gce-pd-csi-driver", ("csi-gce-pd-node-sa",),
            "kubernetes-sigs/gcp-compute-persistent-disk-csi-driver, deploy/kubernetes/base"),
    Starter("monitoring of Azure", "kube-system", ("ama-logs", "ama-metrics-serviceaccount"),
            "microsoft/Docker-Provider, charts, and Azure/prometheus-collector, otelcollector/deploy"),
    Starter("node manager of Azure", "kube-system", ("cloud-node-manager",),
            "kubernetes-sigs/cloud-provider-azure, helm/cloud-provider-azure/templates"),
)  # fmt: skip
"""What may load kernel modules without being named. The pods that KMM makes are known by who makes them."""
