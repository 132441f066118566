"""Drivers before and after a change, and the sentences of `diff` that several code paths of KMM share."""

from __future__ import annotations

from dataclasses import dataclass

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
