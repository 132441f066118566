"""Targets → manifests: pure, one file a delivery."""
