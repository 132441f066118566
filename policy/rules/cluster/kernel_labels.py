"""DaemonSets that load a driver on the nodes of one kernel, and nodes that they do not find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kmodgate.policy.cluster.facts import node_of
from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.kmm.nodes.kernel_labels import KERNEL_ANNOTATION, KERNEL_LABEL_ANNOTATION
from kmodgate.policy.kmm.nodes.node_selection import Node
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule


def _kernel(review: Review) -> object:
    return review.pod.object.map("annotations").text(KERNEL_ANNOTATION)


@rule("SEL209", kinds=("apps/DaemonSet",), facts=True, severity=Severity.WARNING, needs=_kernel)
def nodes_without_the_kernels_label(review: Review) -> Iterator[Problem]:
    """Nodes run the kernel of a DaemonSet that loads a driver, and lack the label that names it: no pod goes there.

    Node Feature Discovery writes the label some time after a node has started with another kernel.

    Fix: run Node Feature Discovery on the nodes, or label them and name the label in `daemonset.kernelLabel`.
    Source: source/kernel of Node Feature Discovery.
    """
    annotations, pod = review.pod.object.map("annotations"), review.pod
    kernel, key = annotations.text(KERNEL_ANNOTATION), annotations.text(KERNEL_LABEL_ANNOTATION)
    selector = {name: value for name, value in pod.node_selector.items() if name != key}
    names = [
        node.name
        for node in _seen(review)
        if node.kernel == kernel
        if selector.items() <= node.labels.items() and node.labels.get(key) != pod.node_selector.get(key)
    ]
    if names:
        run, have = ("run", "have") if names[1:] else ("runs", "has")
        message = f"{_listed(names)} {run} kernel {kernel} and {have} no label {key} that says so: no pod loads there"
        fix = "run Node Feature Discovery there, or label the nodes and name the label in daemonset.kernelLabel"
        yield pod.spec.problem("nodeSelector", message, fix)


_NAMED = 5
"""Nodes that a finding names."""


def _seen(review: Review) -> Iterable[Node]:
    """The nodes that somebody has seen, also where only some of the cluster's are given."""
    known = {node.name: node for node in review.known.nodes() or () if node.observed}
    given = map(node_of, review.known.listing("Node").objects)
    return {**known, **{node.name: node for node in given}}.values()


def _listed(names: list[str]) -> str:
    shown = names[:_NAMED]
    last = f"{len(names) - _NAMED} more" if names[_NAMED:] else shown.pop()
    return f"{', '.join(shown)} and {last}" if shown else last
