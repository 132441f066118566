"""What of a dump is the cluster's own: how KMM's operator is installed, its mirrors, its Argo CD → its Cluster spec."""
