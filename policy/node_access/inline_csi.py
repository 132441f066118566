"""CSI drivers whose volumes a pod may ask for inline: they bring secrets, certificates or data, nothing of the node.

A pod hands parameters to the driver of an inline volume, which runs as root on the node. What a driver does with them,
it alone knows: this lists the drivers of which it is known.

Source: Kubernetes, CSI Ephemeral Inline Volumes (Restrict use of ephemeral CSI volumes); the drivers' own pages.
"""

from __future__ import annotations

HARMLESS = {
    "secrets-store.csi.k8s.io": "secrets of a store outside of the cluster (kubernetes-sigs/secrets-store-csi-driver)",
    "csi.cert-manager.io": "a certificate for the pod (cert-manager/csi-driver)",
    "spiffe.csi.cert-manager.io": "a certificate for the pod (cert-manager/csi-driver-spiffe)",
    "csi.spiffe.io": "the socket of SPIRE's agent (spiffe/spiffe-csi)",
    "csi.tigera.io": "a socket of Calico for the pod (projectcalico/calico, pod2daemon)",
    "csi.sharedresource.openshift.io": "shared Secrets and ConfigMaps (openshift/csi-driver-shared-resource)",
    "gcsfuse.csi.storage.gke.io": "a bucket of Google (GoogleCloudPlatform/gcs-fuse-csi-driver)",
}
"""Driver → what its inline volumes are."""
