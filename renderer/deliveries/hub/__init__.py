"""Delivery `hub`: a ManagedClusterModule on a hub, and what its Module needs on each spoke."""
