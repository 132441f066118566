"""The rules, one file a family. Importing this registers all of them."""

import importlib

FAMILIES = (
    "access", "build", "certificate", "chosen", "cluster", "hub", "image", "injection", "kata", "kmm", "loader",
    "mapping", "plugin", "privileged", "protection", "required", "selection", "signing", "structure", "tree", "update",
)  # fmt: skip

for _family in FAMILIES:
    importlib.import_module(f"policy.rules.{_family}")
