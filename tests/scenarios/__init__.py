"""Fleets whose plans and diffs have been worked out by hand."""
