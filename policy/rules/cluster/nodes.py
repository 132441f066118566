"""What can only be judged with facts of the cluster: what a Module refers to, its nodes, and the Modules beside it.

Without the fact a rule says "not checked" once, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import GIVE_FACTS, NOT_CHECKED, Problem, Severity
from kmodgate.policy.formats.kubernetes_names import is_node_label
from kmodgate.policy.json_schema.values import flow
from kmodgate.policy.kmm.kinds import CLUSTER_MODULE
from kmodgate.policy.kmm.nodes.labels import version_label
from kmodgate.policy.kmm.nodes.node_selection import CORDON, lasting_taints
from kmodgate.policy.present import VERSION
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.cluster.near_labels import near_miss


@rule("REF104", kinds=CLUSTER_MODULE, facts=True, severity=Severity.WARNING)
def namespace_not_privileged(review: Review) -> Iterator[Problem]:
    """The namespace does not let privileged pods in: KMM's worker pods are refused, and no status tells.

    Fix: label the namespace `pod-security.kubernetes.io/enforce: privileged`.
    Source: Kubernetes, Pod Security Admission.
    """
    if not review.pod_security:
        return
    message = f"namespace {review.module.metadata.text('namespace')} enforces the level {review.pod_security}"
    fix = "label it pod-security.kubernetes.io/enforce: privileged"
    yield review.module.metadata.problem("namespace", message, fix)


@rule("SEL201", kinds=CLUSTER_MODULE, facts=True, severity=Severity.WARNING)
def no_node(review: Review) -> Iterator[Problem]:
    """No node of the cluster has the labels of the selector.

    Fix: take the label of the nodes that the message names, if that was meant, or label nodes.
    Source: internal/controllers/module_reconciler.go of Kernel Module Management.
    """
    if review.placement.nodes is None:
        yield review.module.spec.problem("selector", f"{NOT_CHECKED}: the nodes of the cluster", GIVE_FACTS)
    elif not review.placement.selected:
        selector = review.module.spec.map("selector").value
        if not all(is_node_label(key, value) for key, value in selector.items()):
            return  # SEL109 tells of a label that no node can have
        near = near_miss(selector, review.placement.nodes)
        yield review.module.spec.problem("selector", f"no node has these labels{near.seen}", near.fix)


@rule(
    "SEL210",
    kinds=("Module",),
    facts=True,
    severity=Severity.WARNING,
    since="2.3",
    needs=lambda review: review.placement.selection.are_tainted,
)
def every_node_repels(review: Review) -> Iterator[Problem]:
    """Every node of the Module has a taint that the Module does not tolerate: it is loaded nowhere.

    No status tells. Taints that Kubernetes sets for a while, such as that of a cordoned node, do not count. KMM before
    2.3 knows no tolerations.

    Fix: add the toleration that the message names, or take the taint from the nodes.
    Source: IsNodeSchedulable in internal/node/node.go of Kernel Module Management.
    """
    nodes = review.placement.selected
    if review.module.loader is None or not all(review.placement.is_repelled(node) for node in nodes):
        return
    found = [lasting_taints(review.module.object, node) for node in nodes]
    if found and all(found):
        key, value, effect = found[0][0]
        what = f"{key}={value}:{effect}" if value else f"{key}:{effect}"
        how = f"operator: Equal, value: {flow(value)}" if value else "operator: Exists"
        others = ", and every other node one as well" if nodes[1:] else ""
        fix = f"add to tolerations: {{key: {key}, {how}, effect: {effect}}}"
        message = f"loaded nowhere: {nodes[0].name} has the taint {what}{others}"
        yield review.module.spec.problem("tolerations", message, fix)


@rule(
    "SEL208",
    kinds=("Module",),
    facts=True,
    severity=Severity.INFO,
    since="2.0",
    needs=lambda review: review.placement.selection.are_tainted,
)
def unloaded_on_cordoned_nodes(review: Review) -> Iterator[Problem]:
    """Nodes of the Module are cordoned, and no toleration keeps the driver on them: KMM unloads it there.

    The unload pod fails for as long as something uses the driver: a file system that is mounted, say. The driver comes
    back when the node is uncordoned.

    Fix: uncordon the nodes; for a driver that is in use while a node is cordoned, add a toleration of
    `node.kubernetes.io/unschedulable`, which SEL103 tells the other side of.
    Source: IsNodeSchedulable in internal/node/node.go of Kernel Module Management.
    """
    if review.module.loader is None or review.module.tolerates_cordons:
        return
    cordoned = [node.name for node in review.placement.selected if any(taint[0] == CORDON for taint in node.taints)]
    if cordoned:
        more = f" and {len(cordoned) - 1} more" if cordoned[1:] else ""
        message = (
            f"unloaded on {cordoned[0]}{more}, which is cordoned: the unload fails while something uses the driver"
        )
        fix = f"uncordon it; a driver in use needs a toleration of {CORDON}"
        yield review.module.spec.problem("tolerations", message, fix)


@rule("SEL202", kinds=CLUSTER_MODULE, facts=True, severity=Severity.WARNING)
def kernel_without_mapping(review: Review) -> Iterator[Problem]:
    """A node of the Module runs a kernel that no mapping matches: the driver is missing there.

    Nothing is said where a mapping is empty, or where an expression is none or stands in `literal`: that is refused,
    and might match.

    Fix: add a mapping for the kernel.
    Source: internal/module/kernelmapper.go of Kernel Module Management.
    """
    if review.module.has_refused_mapping:
        return
    for kernel in [kernel for kernel, winner in review.winners.items() if winner is None]:
        nodes = review.placement.kernels[kernel]
        more = f" and {len(nodes) - 1} more" if nodes[1:] else ""
        message = f"no mapping for kernel {kernel} ({nodes[0].name}{more})"
        problem = review.module.container.problem("kernelMappings", message, f"add a mapping for {kernel}")
        yield problem._replace(told_by="MAP102")


@rule("MAP207", kinds=CLUSTER_MODULE, facts=True, severity=Severity.INFO)
def mapping_no_kernel_uses(review: Review) -> Iterator[Problem]:
    """A mapping that wins on no node: all its kernels are gone, or not there yet.

    Fix: remove it once no node can come back to that kernel.
    Source: internal/module/kernelmapper.go of Kernel Module Management.
    """
    used = set(review.winners.values()) - {None}
    if not used or len(used) == len(review.module.mappings):
        return
    for mapping in review.module.mappings:
        if mapping.index not in used:
            yield Problem(mapping.part.path, "wins on no node of the cluster", "remove it if no node comes back to it")


@rule(
    "SGN202",
    kinds=CLUSTER_MODULE,
    facts=True,
    severity=Severity.WARNING,
)
def unsigned_on_secure_boot(review: Review) -> Iterator[Problem]:
    """A Module without `sign` for nodes with Secure Boot, which refuse a module that nobody has signed.

    An image that was signed before it was pushed needs no `sign`: `sign: {prebuilt: true}` in the spec says so.

    Fix: add sign, with prebuilt if the image is signed already.
    Source: docs/mkdocs/documentation/secure_boot.md of Kernel Module Management.
    """
    module, secured = review.module, review.placement.selection.secured
    if not secured or module.loader is None or review.signed_elsewhere is not None or module.container.optional("sign"):
        return
    unsigned = [mapping for mapping in module.mappings if not mapping.part.optional("sign")]
    told = unsigned if len(unsigned) < len(module.mappings) else unsigned[:1]  # nothing is signed: one slip
    for mapping in told:
        message = f"not signed, and {secured[0].name} refuses unsigned modules"
        fix = (
            "add sign with keySecret, certSecret and filesToSign; if the image is signed before it is"
            " pushed, say so: sign.prebuilt: true in the KernelDriver, or parameters.signedElsewhere in the"
            " DriverPolicy"
        )
        yield mapping.part.problem("sign", message, fix)


@rule("SEL203", kinds=CLUSTER_MODULE, facts=True, severity=Severity.WARNING, needs=VERSION)
def version_nobody_asks_for(review: Review) -> Iterator[Problem]:
    """A versioned Module, and no node is labelled for any version of it: it is loaded nowhere.

    Fix: label the nodes `kmm.node.kubernetes.io/version-module.<namespace>.<name>=<version>`.
    Source: docs/mkdocs/documentation/ordered_upgrade.md of Kernel Module Management.
    """
    version, nodes = review.module.container.text("version"), review.placement.nodes
    if not version or nodes is None or not all(node.observed for node in nodes):
        return
    key = version_label(review.module.metadata.text("namespace"), review.module.metadata.text("name"))
    if not any(key in node.labels for node in review.placement.selected):
        message = "no node is labelled for it, and so it is loaded nowhere"
        yield review.module.container.problem("version", message, f"label nodes {key}={version}")
