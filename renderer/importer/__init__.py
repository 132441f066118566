"""Existing objects of clusters → specs that render to the same objects."""
