"""Specs: found, read, checked, selected by cluster and overridden."""
