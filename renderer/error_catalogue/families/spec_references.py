"""Errors in what specs refer to: other specs, files, keys."""

from __future__ import annotations

from kmodgate.renderer.error_catalogue.families.entry import Entry

TITLE = "REF: references"

ENTRIES = (
    Entry(
        "REF001",
        "a selector that matches no cluster, or names one that does not exist",
        "correct the selector, or add the cluster",
    ),
    Entry(
        "REF002",
        "an override that matches none of the driver's clusters",
        "correct or remove it",
    ),
    Entry(
        "REF003",
        "a Dockerfile, attached file, inventory or release file that is missing, empty, or outside the fleet",
        "correct the path; it is relative to the spec",
    ),
    Entry(
        "REF004",
        "two specs of one kind and name",
        "rename or remove one",
    ),
    Entry(
        "REF005",
        "two drivers of a cluster want different objects of one name",
        "rename one, or keep it in one driver",
    ),
    Entry(
        "REF006",
        "a driver for a cluster that has no KMM",
        "say which KMM the cluster has, or leave it out",
    ),
    Entry(
        "REF007",
        "a cluster that two DriverPolicies select",
        "narrow one of the selectors",
    ),
    Entry(
        "REF008",
        "a cluster without facts, although `--facts` gives those of others (a note)",
        "`--facts CLUSTER=PATH`",
    ),
    Entry(
        "REF009",
        "Node objects outside of a fleet, which count as all nodes of the cluster (a note)",
        "give what `kubectl get nodes -o yaml` writes",
    ),
    Entry(
        "REF010",
        "a driver for DaemonSets on a cluster whose nodes or kernels are not known, or with a kernel that no"
        " mapping takes, or no kernel named of some nodes (warnings where others are taken, and for nodes of a dump)",
        "give `nodeGroups[].kernels` or an inventory, or add a mapping",
    ),
    Entry(
        "REF011",
        "a kernel that the node label cannot name: Node Feature Discovery writes none with a `+` or more than 63"
        " characters",
        "label such nodes yourself and name the label in `daemonset.kernelLabel`",
    ),
)
