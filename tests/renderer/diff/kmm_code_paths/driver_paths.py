"""Code paths of KMM that load, sign or build a driver."""

from __future__ import annotations

from tests.renderer.diff.kmm_code_paths.code_paths import (
    BUILD,
    FULL,
    LOADER,
    LOSES,
    NEEDED,
    NEWER,
    NMC,
    NODES,
    NOT_REBUILT,
    PLUGIN,
    PLUGIN_SOURCE,
    QUIET,
    REFUSED,
    RELOADS,
    SECURE_BOOT,
    SELECTOR,
    SIGN,
    STAYS,
    TYPES,
    UNSIGNED,
    UNSIGNED_KEPT,
    V1,
    V2,
    Path_,
    restart,
)

BOTH = (
    SELECTOR
    + """\
  modprobe: {moduleName: acme_nic}
  kernelMappings:
  - {name: el9, regexp: '^5\\.14\\..+$', containerImage: 'quay.io/acme/nic:1.0-${KERNEL_FULL_VERSION}'}
  - {name: el10, regexp: '^6\\.12\\..+$', containerImage: 'quay.io/acme/nic-el10:1.0-${KERNEL_FULL_VERSION}'}
"""
)
FAILS = (
    "failed to replace templates in module loader data for kernel 5.14.0-570.12.1.el9_6.x86_64: failed to substitute "
    'templates in the ContainerImage field: failed to substitute "quay.io/acme/nic:1.1-${KERNEL_FULL_VERSION": closing '
    "brace expected"
)

DRIVER_PATHS = [
    Path_(
        "a loader that is removed unloads nothing",
        "internal/controllers/module_reconciler.go:119-122; device_plugin_reconciler.go:516-517",
        FULL + PLUGIN,
        SELECTOR + PLUGIN,
        (
            STAYS,
            "device-plugin pods of nic restart and spread, on 5 nodes in 1 cluster: without moduleLoader they run on all "
            "nodes of the selector, with the driver or without it",
            NEEDED,
        ),
    ),
    Path_(
        "a loader that comes holds the plugin back",
        f"{PLUGIN_SOURCE}:512-517",
        SELECTOR + PLUGIN,
        FULL + PLUGIN,
        (
            f"device-plugin pods of nic stop on {NODES} until the driver is loaded there; no new workload gets a device "
            "before",
            restart("stop", "2 nodes in 1 cluster"),
            f"loads nic on {NODES}",
        ),
    ),
    Path_(
        "signing that is removed loses the driver",
        SECURE_BOOT,
        FULL + SIGN + UNSIGNED,
        FULL.replace(*NEWER),
        (LOSES,),
        secure=True,
    ),
    Path_(
        "signing that is removed node by node",
        SECURE_BOOT,
        FULL + V1 + SIGN + UNSIGNED,
        (FULL + V2).replace(*NEWER),
        (LOSES.replace("unload it", "unload it when their version label changes"),),
        secure=True,
    ),
    Path_(
        "an image that is signed elsewhere is not lost",
        SECURE_BOOT,
        FULL + SIGN + UNSIGNED,
        FULL.replace(*NEWER) + "  sign: {prebuilt: true}\n",
        (RELOADS,),
        secure=True,
    ),
    Path_(
        "signing that is removed where nothing asks for it",
        NMC,
        FULL + SIGN + UNSIGNED,
        FULL.replace(*NEWER),
        (RELOADS,),
    ),
    Path_(
        "signing that is removed under the same name",
        "internal/controllers/mic_reconciler.go:293-300",
        FULL + SIGN + UNSIGNED,
        FULL,
        (
            f"nodes keep the signed image of nic on {NODES}; images of other kernels are not signed any more, and Secure "
            "Boot refuses them",
        ),
        secure=True,
    ),
    Path_(
        "an unsigned driver that comes to Secure Boot",
        SECURE_BOOT,
        SELECTOR.replace("nics", "others") + LOADER,
        FULL,
        (REFUSED,),
        secure=True,
    ),
    Path_(
        "a driver that gets signed at last",
        SECURE_BOOT,
        FULL,
        FULL.replace(*NEWER) + SIGN + UNSIGNED,
        (f"loads nic on {NODES}", "signs 1 image of nic in 1 cluster"),
        secure=True,
    ),
    Path_(
        "inputs of a build under the same name",
        "internal/controllers/mic_reconciler.go:293-300; internal/buildsign/manager.go:106-118",
        FULL + BUILD,
        FULL + BUILD.replace("one", "two"),
        (NOT_REBUILT,),
    ),
    Path_(
        "an empty list of build arguments",
        TYPES,
        FULL + "  build: {dockerfile: ./Dockerfile}\n",
        FULL + "  build: {dockerfile: ./Dockerfile, buildArgs: {}}\n",
        (QUIET,),
    ),
    Path_(
        "signing of an image that KMM built",
        "internal/controllers/mic_reconciler.go:293-300",
        FULL + BUILD,
        FULL + BUILD + SIGN,
        (f"signs 1 image of nic in place in 1 cluster if KMM has built it there; {UNSIGNED_KEPT}",),
    ),
    Path_(
        "signing of an image that KMM built, and other inputs",
        "internal/controllers/mic_reconciler.go:293-300",
        FULL + BUILD,
        FULL + BUILD.replace("one", "two") + SIGN,
        (f"signs 1 image of nic in place in 1 cluster if KMM has built it there; {UNSIGNED_KEPT}", NOT_REBUILT),
        kmm="2.7",
        flavour="redhat",
    ),
    Path_(
        "signing of an image that KMM 2.6 built",
        "v2.6.0 internal/controllers/mic_reconciler.go; internal/buildsign",
        FULL + BUILD,
        FULL + BUILD.replace("one", "two") + SIGN,
        (
            "builds and signs 1 image of nic anew under the same name in 1 cluster if KMM has built it there, after the "
            f"signing has failed for want of the intermediate image, which was not pushed; {UNSIGNED_KEPT}",
        ),
        kmm="2.6",
    ),
    Path_(
        "signing of an image that KMM 2.3 built",
        "v2.3.0 internal/controllers/module_reconciler.go",
        FULL + BUILD,
        FULL + BUILD + SIGN,
        (NOT_REBUILT,),
        kmm="2.3",
    ),
    Path_(
        "an image name that cannot be filled in changes nothing",
        "internal/controllers/module_reconciler.go:322-352, prepareSchedulingData; internal/module/kernelmapper.go:36-45",
        FULL + PLUGIN,
        FULL.replace("nic:1.0-${KERNEL_FULL_VERSION}", "nic:1.1-${KERNEL_FULL_VERSION") + PLUGIN,
        (
            f"nic stays as it is on {NODES}, and comes to no other node: KMM fails at the Module for all its nodes, {FAILS}",
        ),
    ),
    Path_(
        "from KMM 2.4 on, an image name that cannot be filled in on one kernel stops the Module on all nodes",
        "v2.4.0 internal/controllers/module_reconciler.go:128 and 348, handleMIC",
        BOTH,
        BOTH.replace("nic:1.0-${KERNEL_FULL_VERSION}", "nic:1.1-${KERNEL_FULL_VERSION"),
        (
            "nic stays as it is on 5 nodes in 1 cluster, and comes to no other node: KMM fails at the Module for all its "
            f"nodes, {FAILS}",
        ),
        kmm="2.4",
    ),
    Path_(
        "before KMM 2.4, only the nodes of that kernel stay as they are",
        "v2.3.0 internal/controllers/module_nmc_reconciler.go:111-123, prepareSchedulingData",
        BOTH,
        BOTH.replace("nic:1.0-${KERNEL_FULL_VERSION}", "nic:1.1-${KERNEL_FULL_VERSION"),
        (f"nic stays as it is on {NODES}: KMM fails there, {FAILS}",),
        kmm="2.3",
    ),
]
