"""Modules that leave the tree: who allows it, where that is written, and how many nodes lose the driver."""
