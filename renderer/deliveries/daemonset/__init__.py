"""Delivery `daemonset`: a DaemonSet for each kernel of a cluster that has no KMM."""
