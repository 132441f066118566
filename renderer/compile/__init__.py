"""Fleet → the manifests of every cluster, before any rule has judged them."""
