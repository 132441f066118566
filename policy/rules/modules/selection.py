"""SEL: Modules that land on more nodes than meant, stay where they should leave, or are confused with another."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import FieldPath, Problem, Severity
from kmodgate.policy.formats.kernel_module_names import is_mounted
from kmodgate.policy.formats.kubernetes_names import is_label_value, is_qualified_name
from kmodgate.policy.kmm.nodes.node_selection import CORDON
from kmodgate.policy.present import TOLERATIONS, VERSION
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.node_placement import CONTROL_PLANE

_WITHOUT_WORKERS = ("sno", "compact", "microshift")
"""Topologies whose nodes are control plane and workers."""


@rule("SEL101", severity=Severity.WARNING)
def every_node(review: Review) -> Iterator[Problem]:
    """An empty selector: the Module goes to every node, the control plane included where its taints permit.

    Fix: name the nodes: `node-role.kubernetes.io/worker: ""`.
    Source: internal/controllers/module_reconciler.go of Kernel Module Management.
    """
    if review.module.spec.value.get("selector") == {}:
        fix = 'name the nodes: node-role.kubernetes.io/worker: ""'
        yield review.module.spec.problem("selector", "empty: selects every node, the control plane too", fix)


@rule("SEL102", severity=Severity.WARNING)
def control_plane(review: Review) -> Iterator[Problem]:
    """A selector for control-plane nodes. A driver that crashes there takes the API server along.

    Not where the workers are the control plane: on single-node and compact clusters.

    Fix: select workers.
    Source: Kubernetes, well-known node labels.
    """
    if review.cluster.topology in _WITHOUT_WORKERS:
        return
    for key in review.module.spec.map("selector").value:
        if key in CONTROL_PLANE:
            path = (*review.module.spec.path, "selector", key)
            yield Problem(path, "selects control-plane nodes", "select workers instead")


@rule(
    "SEL207",
    kinds=("Module",),
    facts=True,
    severity=Severity.WARNING,
)
def control_plane_by_other_labels(review: Review) -> Iterator[Problem]:
    """A selector that does not name the control plane, and matches nodes of it whose taints let the Module in.

    A driver that crashes there takes the API server along. Not where the workers are the control plane; an empty
    selector is SEL101's.

    Fix: select workers: `node-role.kubernetes.io/worker: ""`.
    Source: Kubernetes, well-known node labels; internal/node/node.go of Kernel Module Management.
    """
    selector = review.module.spec.map("selector").value
    if not selector or not CONTROL_PLANE.isdisjoint(selector) or review.cluster.topology in _WITHOUT_WORKERS:
        return
    found = [
        node.name
        for node in review.placement.selection.control_plane
        if not review.violations and not review.placement.is_repelled(node)
    ]
    if found:
        more = f" and {len(found) - 1} more" if found[1:] else ""
        message = f"matches nodes of the control plane ({found[0]}{more})"
        yield review.module.spec.problem("selector", message, "select workers instead")


@rule("SEL103", severity=Severity.WARNING, needs=TOLERATIONS)
def tolerates_everything(review: Review) -> Iterator[Problem]:
    """A toleration of every taint, or of a cordon. A cordoned node keeps the driver, and is never drained of it.

    Without it a cordon unloads the driver, which fails for as long as something uses it: a file system that is mounted,
    say (SEL107). The toleration is the way out for those, and only for those: nothing is said of a cordon's where the
    name of the module is that of a file system or of storage.

    Fix: name the taints that the nodes have; keep the toleration of a cordon for a driver that is in use while a node
    is drained.
    Source: internal/controllers/module_reconciler.go and device_plugin_reconciler.go of Kernel Module Management.
    """
    for item in review.module.tolerations:
        key = item.text("key")
        if key not in ("", CORDON) or item.text("effect") not in ("", "NoSchedule"):
            continue
        if key and any(is_mounted(name) for _, name in review.module.names):
            continue
        if key or item.text("operator") == "Exists":
            what = "a cordon" if key else "every taint, a cordon too"
            message = f"tolerates {what}: the node is never drained of it; without it a cordon unloads the driver"
            keep = "keep it for a driver that is in use while a node is drained, and else remove it"
            yield Problem(item.path, message, keep if key else "name the taints that the nodes have")


@rule("SEL107", severity=Severity.INFO, since="2.0", needs=lambda review: review.module.names)
def mounted_on_a_cordoned_node(review: Review) -> Iterator[Problem]:
    """A driver of file systems or disks, which every cordon unloads: no toleration keeps it.

    While something is mounted the unload pod fails, and it goes on failing after the node is uncordoned. For drivers of
    another kind SEL103 tells the other side: one that tolerates a cordon is never drained. File systems and storage are
    known by the name of the kernel module.

    Fix: add a toleration of `node.kubernetes.io/unschedulable` with effect NoSchedule, which KMM has from 2.3 on. None
    is needed where all that uses the driver leaves a node before it is cordoned.
    Source: IsNodeSchedulable in internal/node/node.go of Kernel Module Management, and its issues 1271 and 1333.
    """
    name = next((name for _, name in review.module.names if is_mounted(name)), "")
    if name and review.module.loader is not None and not review.module.tolerates_cordons:
        message = f"a cordon unloads {name}, and the unload pod fails for as long as something is mounted"
        first = "" if review.cluster.release.has("2.3") else "go to KMM 2.3, and "
        fix = f"{first}add {{key: {CORDON}, operator: Exists, effect: NoSchedule}} if it stays mounted in a cordon"
        yield review.module.spec.problem("tolerations", message, fix)


@rule("SEL104", needs=VERSION)
def version_that_is_no_label(review: Review) -> Iterator[Problem]:
    """A version that cannot be the value of a label, although nodes are labelled with it to get the driver.

    Fix: use at most 63 letters, digits, `-`, `_` and `.`.
    Source: docs/mkdocs/documentation/ordered_upgrade.md of Kernel Module Management.
    """
    version = review.module.version
    if not is_label_value(version):
        fix = "use at most 63 letters, digits, '-', '_' and '.'"
        yield review.module.container.problem("version", f"{version!r} cannot be a label of a node", fix)


@rule("SEL105", severity=Severity.WARNING, kinds=("Module",))
def dotted_name(review: Review) -> Iterator[Problem]:
    """A Module with a dot in its name, or with a name that ends in `-preflight`.

    KMM takes namespace and name apart at dots, and names the objects of a preflight `<name>-preflight`.

    Fix: use `-` for `.`, and another ending.
    Source: internal/utils/kmmlabels.go of Kernel Module Management.
    """
    name = review.module.metadata.text("name")
    if "." in name:
        message = f"{name!r} has a dot, at which KMM takes labels apart"
        yield review.module.metadata.problem("name", message, f"call it {name.replace('.', '-')}")
    elif name.endswith("-preflight"):
        message = "KMM names the preflight of another Module like this"
        yield review.module.metadata.problem("name", message, "choose another ending")


@rule("SEL106", severity=Severity.WARNING, kinds=("Module",))
def does_nothing(review: Review) -> Iterator[Problem]:
    """A Module that loads nothing and runs nothing.

    Fix: add moduleLoader, devicePlugin or dra, or remove the Module.
    Source: validateModule in internal/webhook/module.go, which accepts it.
    """
    if review.module.loader is None and not review.module.plugins:
        yield Problem(
            ("spec",), "neither moduleLoader nor devicePlugin nor dra", "add one of them, or remove the Module"
        )


@rule("SEL109")
def labels_that_no_node_has(review: Review) -> Iterator[Problem]:
    """A label in the selector that the API server lets no node have: an odd key, or an odd value.

    KMM takes it, and the Module matches no node, for ever. A plugin without moduleLoader gets no pods, as its DaemonSet
    is refused. In the selector of a build it is the build pod that is refused.

    Fix: write the label as the nodes have it.
    Source: validation of labels in Kubernetes; api/v1beta1/module_types.go of Kernel Module Management.
    """
    for part in (review.module.spec, *review.module.builds):
        selector = part.value.get("selector")
        for key, value in selector.items() if isinstance(selector, dict) else ():
            is_odd_value = isinstance(value, str) and not is_label_value(value)
            if is_odd_value or not is_qualified_name(str(key)):
                yield _of_no_node((*part.path, "selector", key), str(key), value)


def _of_no_node(path: FieldPath, key: str, value: str) -> Problem:
    """The problem of a label whose key is odd, or else its value."""
    if not is_qualified_name(key):
        fix = "write the key as kubectl get nodes --show-labels has it: [prefix/]name"
        return Problem(path, f"no node can have a label {key!r}", fix)
    better = value.strip()
    known = f"write {better}" if better and is_label_value(better) else ""
    fix = known or "use at most 63 letters, digits, '-', '_' and '.'"
    return Problem(path, f"no label of a node can be {value!r}", fix)
