"""The rules, one file a family. Importing this registers all of them."""

import importlib

FAMILIES = (
    "cluster.certificates", "cluster.nodes", "cluster.protection", "cluster.scc_access",
    "commits.changes_without_effect", "commits.misplaced_objects",
    "modules.build", "modules.hub", "modules.image", "modules.injection", "modules.loader", "modules.mapping",
    "modules.plugin", "modules.selection", "modules.signing",
    "parameters.limits", "parameters.required_signing",
    "parity.kmm_module", "parity.schema",
    "workloads.kata", "workloads.kernel_access",
)  # fmt: skip

for _family in FAMILIES:
    importlib.import_module(f"kmodgate.policy.rules.{_family}")
