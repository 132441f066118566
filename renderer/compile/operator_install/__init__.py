"""The objects that install KMM's operator on a cluster, pinned to one version, configure it and watch it."""
