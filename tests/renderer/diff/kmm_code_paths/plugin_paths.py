"""Code paths of KMM for the pods of plugins, their versions and DeviceClasses."""

from __future__ import annotations

from tests.renderer.diff.kmm_code_paths.code_paths import (
    BOTH_CLASSES,
    DRA,
    FULL,
    MOVES,
    NEWER,
    NMC,
    NODES,
    ONE_CLASS,
    PLUGIN,
    PLUGIN_SOURCE,
    PLUGIN_STAYS,
    QUIET,
    RELOADS,
    SELECTING_CLASS,
    SELECTOR,
    TYPES,
    V1,
    V2,
    VERSION_ALONE,
    Path_,
    restart,
)

PLUGIN_PATHS = [
    Path_(
        "an ordered upgrade takes the plugin along",
        f"{PLUGIN_SOURCE}:211, 512-515, 540",
        FULL + V1 + PLUGIN,
        (FULL + V2).replace(*NEWER) + PLUGIN,
        (MOVES, f"nic 2 waits on {NODES}: each node changes when its version label does"),
    ),
    Path_(
        "a plugin that changes with the version",
        f"{PLUGIN_SOURCE}:211, 512-515, 540",
        FULL + V1 + PLUGIN,
        (FULL + V2).replace(*NEWER) + PLUGIN.replace("1.0", "1.1"),
        (MOVES, f"nic 2 waits on {NODES}: each node changes when its version label does"),
    ),
    Path_(
        "a version alone",
        f"{PLUGIN_SOURCE}:512-515; {NMC}",
        FULL + V1 + PLUGIN,
        FULL + V2 + PLUGIN,
        (VERSION_ALONE, MOVES),
    ),
    Path_(
        "plugin pods run where the driver is",
        f"{PLUGIN_SOURCE}:512-517",
        FULL + PLUGIN,
        FULL + PLUGIN.replace("1.0", "1.1"),
        (restart("restart"),),
    ),
    Path_(
        "plugin pods leave with the driver",
        f"{PLUGIN_SOURCE}:512-517",
        FULL + PLUGIN,
        FULL.replace("el9.*", "el8.*") + PLUGIN,
        (f"unloads nic from {NODES}: no mapping for this kernel", restart("stop")),
    ),
    Path_(
        "plugin pods come with the driver",
        f"{PLUGIN_SOURCE}:512-517",
        FULL.replace("el9.*", "el8.*") + PLUGIN,
        FULL + PLUGIN,
        (restart("start"), f"loads nic on {NODES}"),
    ),
    Path_(
        "a plugin that is removed",
        f"{PLUGIN_SOURCE}:100-109",
        FULL + PLUGIN,
        FULL,
        (restart("stop"),),
    ),
    Path_(
        "a plugin that is removed from Red Hat's KMM",
        f"release-2.7 {PLUGIN_SOURCE}:116-123",
        FULL + PLUGIN,
        FULL,
        (restart("stop"),),
        kmm="2.7",
        flavour="redhat",
    ),
    Path_(
        "a plugin that is removed, and whose DaemonSet nothing deletes",
        f"v2.6.0 {PLUGIN_SOURCE}:82-112, 171-195",
        FULL + PLUGIN,
        FULL,
        (PLUGIN_STAYS,),
        kmm="2.6",
    ),
    Path_(
        "a plugin that is removed, and whose DaemonSet Red Hat's 2.6 does not delete",
        f"release-2.6 {PLUGIN_SOURCE}",
        FULL + PLUGIN,
        FULL,
        (PLUGIN_STAYS,),
        kmm="2.6.1",
        flavour="redhat",
    ),
    Path_(
        "a plugin that is removed with its driver's node",
        f"v2.6.0 {PLUGIN_SOURCE}:82-112, 171-195",
        FULL + PLUGIN,
        FULL.replace("el9.*", "el8.*"),
        (f"unloads nic from {NODES}: no mapping for this kernel", restart("stop")),
        kmm="2.6",
    ),
    Path_(
        "a reload leaves the plugin pods where they are",
        "internal/controllers/nmc_reconciler.go:742-755, removeOrphanedLabels",
        FULL + PLUGIN,
        FULL.replace(*NEWER) + PLUGIN,
        (RELOADS,),
    ),
    Path_(
        "the selector of a Module that loads nothing",
        f"{PLUGIN_SOURCE}:516-517",
        SELECTOR + PLUGIN,
        SELECTOR.replace("}", ", rack: a}") + PLUGIN,
        (restart("restart"), restart("stop", "2 nodes in 1 cluster")),
    ),
    Path_(
        "an empty setting of a plugin",
        TYPES,
        FULL + PLUGIN,
        FULL + PLUGIN.replace("1.0'", "1.0', args: [], env: []"),
        (QUIET,),
    ),
    Path_(
        "DeviceClasses come and go",
        "internal/controllers/dra_reconciler.go:355-392",
        FULL + DRA + BOTH_CLASSES,
        FULL + DRA + SELECTING_CLASS,
        (
            "changes DeviceClass nics.example.com for all namespaces in 1 cluster; claims are matched by the new one from "
            "now on",
            "deletes DeviceClass ports.example.com for all namespaces in 1 cluster; claims that name it get no device any "
            "more",
        ),
    ),
    Path_(
        "a new DeviceClass",
        "internal/controllers/dra_reconciler.go:355-392",
        FULL + DRA + ONE_CLASS,
        FULL + DRA + BOTH_CLASSES,
        (
            "creates DeviceClass ports.example.com for all namespaces in 1 cluster; one of that name that is there already "
            "is taken over",
        ),
    ),
    Path_(
        "the last DeviceClass goes with DRA",
        "internal/controllers/dra_reconciler.go:355-392",
        FULL + DRA + ONE_CLASS,
        FULL,
        (
            restart("stop", what="DRA driver"),
            "deletes DeviceClass nics.example.com for all namespaces in 1 cluster; claims that name it get no device any "
            "more",
        ),
    ),
]
