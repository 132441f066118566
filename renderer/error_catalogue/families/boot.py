"""Errors about drivers that are loaded at boot."""

from __future__ import annotations

from kmodgate.renderer.error_catalogue.families.entry import Entry

TITLE = "DAY: drivers that are loaded at boot"

ENTRIES = (
    Entry(
        "DAY001",
        "`boot` for a cluster whose machines nobody configures with it: not OpenShift, managed by a provider (ROSA,"
        " OSD, ARO), MicroShift, or without the BootModuleConfig that is asked for (a warning for spokes of a hub)",
        "leave it out there by an override: `boot: null`",
    ),
    Entry(
        "DAY002",
        "a pool that no node group of the cluster is in",
        "name another one; on single-node and compact clusters it is `master`",
    ),
    Entry(
        "DAY003",
        "no image that a node could pull at boot: the tag must follow from the version of the kernel",
        "name the image without its tag in `boot.image`",
    ),
    Entry(
        "DAY004",
        "no worker image, or one that is not pinned",
        "name a version of it in `boot.workerImage`, or in `tools.worker` of the Cluster",
    ),
    Entry(
        "DAY005",
        "something that cannot be done at boot: removals that differ by kernel, `rawArgs`, characters that a shell"
        " acts on, or what a BootModuleConfig has no field for",
        "the fix names the field",
    ),
    Entry(
        "DAY006",
        "a kernel with a `+` in its version in the pool, which no tag of an image can have",
        "take another kernel, or leave `boot` out there",
    ),
    Entry(
        "DAY008",
        "a hosted cluster whose control plane runs on no cluster of the fleet, or `hosted` without that topology",
        "name the Cluster in `hosted.management`",
    ),
    Entry(
        "DAY009",
        "`imageRepoSecret` beside `boot` (a warning): at boot nodes pull with the cluster-wide pull secret",
        "add the registry to that secret",
    ),
    Entry(
        "DAY010",
        "a pool that is paused (a warning): nothing is applied to its nodes",
        "resume it when the nodes may reboot",
    ),
    Entry(
        "DAY011",
        "a driver that removes the module of its own name, beside `boot` (a warning): after each boot the delivery"
        " replaces what was loaded",
        "move the list to `boot.inTreeModulesToRemove`",
    ),
)
