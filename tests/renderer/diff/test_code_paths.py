"""`kmodgate diff` says what KMM does: a row for each code path of KMM, with the place in its source that it was read from.

The cluster has 3 nodes on a kernel that the driver has a mapping for, and 2 with the same labels on another kernel.
Lines are those of the main branch of Kernel Module Management at de3f8c9, or of the tag that is named.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command import run
from tests.fleets import FleetFolder, git

CLUSTER = """\
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata: {{name: lab}}
spec:
  platform: kubernetes
  kmm: {{version: "{kmm}", flavour: {flavour}}}
  nodeGroups:
  - name: el9
    count: 3
    labels: {{pool: nics, rack: a}}
    kernels: [5.14.0-570.12.1.el9_6.x86_64]{secure}
  - {{name: el10, count: 2, labels: {{pool: nics}}, kernels: [6.12.0-55.9.1.el10_0.x86_64]}}
"""
HEAD = """\
apiVersion: kmodgate.io/v1alpha1
kind: KernelDriver
metadata: {name: nic}
spec:
  clusters: {names: [lab]}
  namespace: {name: drivers}
"""
SELECTOR = "  selector: {pool: nics}\n"
LOADER = """\
  modprobe: {moduleName: acme_nic}
  containerImage: quay.io/acme/nic:1.0-${KERNEL_FULL_VERSION}
  kernelMappings: [{name: el9, regexp: '^5\\.14\\.0-.+\\.el9.*\\.x86_64$'}]
"""
BUILD = "  build: {dockerfile: ./Dockerfile, buildArgs: {A: one}}\n"
SIGN = """\
  sign:
    keySecret: k
    certSecret: c
    filesToSign: ['/opt/lib/modules/${KERNEL_FULL_VERSION}/acme_nic.ko']
"""
UNSIGNED = "    unsignedImage: quay.io/acme/nic:1.0-unsigned\n"
PLUGIN = "  devicePlugin: {container: {image: 'quay.io/acme/plugin:1.0'}}\n"
DRA = """\
  dra:
    driverName: nic.example.com
    container: {image: 'quay.io/acme/dra:1.0'}
    deviceClasses:
"""
ONE_CLASS = "    - {name: nics.example.com}\n"
BOTH_CLASSES = ONE_CLASS + "    - {name: ports.example.com}\n"
SELECTING_CLASS = "    - {name: nics.example.com, selectors: [{cel: {expression: 'true'}}]}\n"
V1, V2 = '  version: "1"\n', '  version: "2"\n'
NEWER = (":1.0-$", ":1.1-$")
SECRET = "  imageRepoSecret: pull\n"

NODES = "3 nodes in 1 cluster"
RELOADS = f"unloads and reloads nic on {NODES}, all at once (not ordered)"
ROLLS = f"unloads and reloads nic on {NODES}, one after the other: the DaemonSets of KMM 1.x roll"
STAYS = (
    f"nic stays loaded on {NODES}, also over reboots, until the Module is deleted: without moduleLoader KMM neither loads "
    "nor removes a driver"
)
NEEDED = "ServiceAccount nic is still needed to unload nic in 1 cluster; nothing takes its place"
LOSES = f"loses nic on {NODES}: the nodes unload it, and Secure Boot refuses the new one, which is not signed"
REFUSED = f"nic does not load on {NODES}: it is not signed, and Secure Boot refuses unsigned modules"
NOT_REBUILT = (
    "nothing of nic is rebuilt in 1 cluster: the image reference did not change (one whose build or signing failed or is "
    "still running is made again)"
)
QUIET = "nothing happens to nic on the nodes of 1 cluster: KMM does not reload for what changes"
MOVES = f"device-plugin pods of nic move on {NODES}, node by node with the version label; running workloads keep their devices"
VERSION_ALONE = (
    f"nic 2 reloads nothing on {NODES}, for only the version differs; a node whose version label asks for another version "
    "does not get nic again after a cordon"
)
UNSIGNED_KEPT = "nodes keep the unsigned one until they load it again"


@dataclass(frozen=True)
class Path_:
    """One code path: a change of the driver and all sentences of its diff."""

    name: str
    source: str
    before: str
    after: str
    sentences: tuple[str, ...]
    kmm: str = "head"
    flavour: str = "upstream"
    secure: bool = False


def restart(how: str, where: str = NODES, what: str = "device-plugin") -> str:
    after = {"restart": "; running workloads keep their devices", "stop": "; no new workload gets a device"}
    return f"{what} pods of nic {how} on {where}{after.get(how, '')}"


PLUGIN_STAYS = (
    f"device-plugin pods of nic stay on {NODES}: before KMM head and Red Hat's 2.7 nothing deletes their DaemonSet until "
    "the Module goes; delete it by its label kmm.node.kubernetes.io/module.name"
)
FULL = SELECTOR + LOADER
NMC = "internal/controllers/nmc_reconciler.go, ProcessModuleSpec"
TYPES = "api/v1beta1/nodemodulesconfig_types.go and module_types.go, omitempty"
DAEMONSET = "v1.1.0 internal/daemonset/daemonset.go, SetDriverContainerAsDesired"
SECURE_BOOT = "docs/mkdocs/documentation/secure_boot.md; nmc_reconciler.go, ProcessModuleSpec"
PLUGIN_SOURCE = "internal/controllers/device_plugin_reconciler.go"

PATHS = [
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


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    return FleetFolder(tmp_path)


def change(fleet: FleetFolder, path: Path_) -> None:
    """The fleet before, committed, and the fleet after."""
    secure = "\n    secureBoot: true" if path.secure else ""
    fleet.write("clusters/lab.yaml", CLUSTER.format(kmm=path.kmm, flavour=path.flavour, secure=secure))
    fleet.write("drivers/Dockerfile", "FROM quay.io/acme/builder:9\nARG A\n")
    fleet.write("drivers/nic.yaml", HEAD + path.before)
    for command in (["init"], ["add", "-A"], ["commit", "-m", "first"]):
        git(fleet.root, *command)
    fleet.write("drivers/nic.yaml", HEAD + path.after)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_diff_says_what_kmm_does(fleet: FleetFolder, path: Path_) -> None:
    change(fleet, path)
    result = fleet.run("diff", "--format", "json")
    assert result.returncode == 0, result.stderr
    assert {item["text"] for item in json.loads(result.stdout)["consequences"]} == set(path.sentences), path.source


@pytest.mark.parametrize("format", ["text", "markdown", "html"])
@pytest.mark.parametrize("path", [PATHS[0], PATHS[2]], ids=lambda path: path.name)
def test_every_form_says_the_same(fleet: FleetFolder, path: Path_, format: str) -> None:
    change(fleet, path)
    report = fleet.run("diff", "--format", format).stdout
    assert [text for text in path.sentences if text not in report] == []


@pytest.mark.parametrize("format", ["text", "markdown", "html", "json"])
def test_a_namespace_that_leaves_the_tree_stays_privileged(fleet: FleetFolder, format: str) -> None:
    change(fleet, PATHS[2])
    (fleet.root / "drivers/nic.yaml").unlink()
    report = run("diff", "--format", format, cwd=fleet.root).stdout
    assert "stays in the cluster, for Argo CD does not prune it, and pods in it may still be privileged" in report
