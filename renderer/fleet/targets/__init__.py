"""Drivers on clusters: the specs that are merged for each, and the files that they name."""
