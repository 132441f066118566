"""Code paths of KMM for settings: of modprobe, pull secrets, and what KMM 1.x does."""

from __future__ import annotations

from tests.renderer.diff.kmm_code_paths.code_paths import (
    DAEMONSET,
    FULL,
    NEWER,
    NMC,
    NODES,
    PLUGIN,
    PLUGIN_SOURCE,
    QUIET,
    RELOADS,
    ROLLS,
    SECRET,
    SELECTOR,
    TYPES,
    V1,
    V2,
    Path_,
    restart,
)

SETTING_PATHS = [
    Path_(
        "empty settings of modprobe",
        TYPES,
        FULL,
        FULL.replace("acme_nic}", "acme_nic, parameters: [], firmwarePath: ''}"),
        (QUIET,),
    ),
    Path_(
        "settings of modprobe that go",
        TYPES,
        FULL.replace("acme_nic}", "acme_nic, parameters: [a=1]}"),
        FULL.replace("acme_nic}", "acme_nic, parameters: []}"),
        (RELOADS,),
    ),
    Path_(
        "a pull secret that is removed",
        "internal/nmc, SetModuleConfig; nmc_reconciler.go, CreateUnloaderPod",
        FULL + SECRET,
        FULL,
        ("pull secret pull is still needed to unload nic in 1 cluster; nothing takes its place",),
    ),
    Path_(
        "a pull secret that is replaced",
        "internal/nmc, SetModuleConfig; nmc_reconciler.go, CreateUnloaderPod",
        FULL + SECRET,
        FULL + SECRET.replace("pull", "other"),
        ("pull secret pull is still needed to unload nic in 1 cluster; the new one takes effect at the next load",),
    ),
    Path_(
        "the pull secret of a plugin without a driver",
        f"{PLUGIN_SOURCE}, setDevicePluginAsDesired",
        SELECTOR + PLUGIN + SECRET,
        SELECTOR + PLUGIN,
        (restart("restart", "5 nodes in 1 cluster"),),
    ),
    Path_("KMM 1.x and another pull secret", DAEMONSET, FULL + SECRET, FULL, (ROLLS,), kmm="1.1"),
    Path_(
        "KMM 1.x and another ServiceAccount",
        DAEMONSET,
        FULL,
        FULL + "  serviceAccountName: other\n",
        (ROLLS,),
        kmm="1.1",
    ),
    Path_(
        "KMM 1.x and another selector",
        DAEMONSET,
        FULL,
        FULL.replace("nics}", "nics, rack: a}"),
        (ROLLS,),
        kmm="1.1",
    ),
    Path_(
        "KMM 1.x and a version alone",
        DAEMONSET,
        FULL + V1,
        FULL + V2,
        (f"nic 2 waits on {NODES}: each node changes when its version label does",),
        kmm="1.1",
    ),
    Path_("KMM 1.x and a new image", DAEMONSET, FULL, FULL.replace(*NEWER), (ROLLS,), kmm="1.1"),
    Path_("KMM 2.x and another selector", NMC, FULL, FULL.replace("nics}", "nics, rack: a}"), (QUIET,)),
]
