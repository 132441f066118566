"""Kata Containers: which pods are DKMS work, and the patch that puts them into a VM."""
