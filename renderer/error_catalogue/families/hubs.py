"""Errors about hubs, and about drivers that a hub hands to its spokes."""

from __future__ import annotations

from kmodgate.renderer.error_catalogue.families.entry import Entry

TITLE = "HUB: hubs and spokes"

ENTRIES = (
    Entry(
        "HUB401",
        "a name that is too long on the hub: driver and spoke together are a label there, at most 63 characters;"
        " the namespace of a Policy and its name have 62",
        "shorten the name of the driver",
    ),
    Entry(
        "HUB402",
        "a spoke on whose kernels no mapping matches: the hub makes a Module without mappings for it, and the spoke"
        " refuses that",
        "add a mapping, or do not select the spoke",
    ),
    Entry(
        "HUB403",
        "a spoke whose hub is not in the fleet, is no hub, or is the spoke itself",
        "name a Cluster with `acm: {role: hub}`",
    ),
    Entry(
        "HUB404",
        "a driver with `delivery: hub` for a cluster that is no hub",
        "write `acm: {role: hub}` in its spec, or select hubs only",
    ),
    Entry(
        "HUB405",
        "`spec.hub.selector` matches no spoke that the fleet knows (a warning)",
        "correct the selector or the labels of the spokes, or add the spokes to the fleet",
    ),
    Entry(
        "HUB406",
        "a driver that a spoke gets from its hub, and by a Module of its own",
        "narrow `spec.clusters` or `spec.hub.selector`",
    ),
    Entry(
        "HUB407",
        "a ManagedClusterModule with the name of the ManifestWork of another driver, `kmodgate-<driver>`: KMM names"
        " its own ManifestWork after the ManagedClusterModule, in the same namespace of the spoke",
        "rename one of the two drivers",
    ),
    Entry(
        "HUB408",
        "a pull secret that `hub.copyPullSecret` copies to the spokes, and that an attached ExternalSecret or"
        " SealedSecret makes there, too",
        "keep one of the two",
    ),
    Entry(
        "HUB409",
        "an image of a hub's driver of which only the spoke has a mirror: the Module has the names of the hub (a"
        " warning)",
        "give the hub the mirror, or the spoke `mirrorObjects: true`",
    ),
)
