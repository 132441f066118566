"""Kata Containers: which pods are DKMS work, and what keeps them from running in a VM."""
