"""Cluster specs: read and selected, with their nodes and pools."""
