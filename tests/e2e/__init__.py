"""kmodgate on a real API server, `make e2e`: etcd, kube-apiserver and kube-controller-manager on loopback."""
