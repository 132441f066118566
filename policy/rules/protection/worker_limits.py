"""Namespaces whose limits refuse KMM's workers, or whose node selector keeps them from the nodes of the Modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from kmodgate.policy.cluster.dependents import LIMITS
from kmodgate.policy.cluster.facts import UNKNOWN, NodeEntry, Object, as_map, metadata_of
from kmodgate.policy.findings import FieldPath, Problem, Severity
from kmodgate.policy.kmm.worker_pods import constraints_against_workers
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.protection.guarding import (
    held,
    is_by_controller,
    judged,
    module_name,
    namespace_name,
    override,
    some,
)

_NODE_SELECTORS = ("openshift.io/node-selector", "scheduler.alpha.kubernetes.io/node-selector")
_TERM = lazy_regex(r"([^\s=!]+)\s*==?\s*([^\s=!]*)")

_Labels = Mapping[str, str]

_UNREADABLE: _Labels = {"": ""}
"""A node selector by which no pod is made: no label has an empty name."""

_KEEP_LIMITS = "allow 1 CPU and 128Mi to a container that requests 500m and 64Mi, until they are gone"
_KEEP_NODES = "leave the annotation as it was until they are gone"


@rule("REF214", kinds=(LIMITS,), facts=True, guards=True)
def workers_over_limits(review: Review) -> Iterator[Problem]:
    """A LimitRange refuses the worker pods of KMM in a namespace in which Modules are loaded and unloaded by them.

    Each container of a worker requests 500m CPU and 64Mi of memory, and its limits are 1 CPU and 128Mi. A smaller
    `max`, a larger `min`, a `maxLimitRequestRatio` below 2, or for the type `Pod` any of them for a resource that
    workers do not name, refuses them. Nothing is loaded or unloaded any more, and no status says why.

    Fix: allow these amounts until the Modules are gone.
    Source: Kubernetes, Limit Ranges; internal/pod/workerpodmanager.go of Kernel Module Management.
    """
    constraints = list(forbids_workers(review))
    if constraints and not is_by_controller(review) and not override(review):
        problems = list(held(review, namespace_name(review), _KEEP_LIMITS, by_kmm=True))
        for path, text in constraints:
            for problem in problems:
                message = f"{text} refuses KMM's worker pods: {problem.message}"
                yield problem._replace(path=path, message=message)


def forbids_workers(review: Review) -> Iterator[tuple[FieldPath, str]]:
    """Yield what a LimitRange that becomes one that refuses workers has against them."""
    if review.kind == LIMITS and not any(constraints_against_workers(as_map(review.old))):
        yield from constraints_against_workers(review.object)


@rule("REF215", kinds=("Namespace",), operations=("UPDATE",), facts=True, guards=True)
def other_nodes(review: Review) -> Iterator[Problem]:
    """A namespace's node selector is set to a label that the selector of a Module in it gives another value.

    KMM names the node of a worker pod, and the node selector of the namespace is added to it: no node of the Module
    takes the pod any more, and nothing is loaded or unloaded. A selector that cannot be read lets no pod in. So does
    one that contradicts the node selector of a DaemonSet that loads a driver.

    Fix: leave `openshift.io/node-selector` and `scheduler.alpha.kubernetes.io/node-selector` as they are until the
    Modules are gone; removing a label from them is free.
    Source: OpenShift, project node selectors; Kubernetes, PodNodeSelector; workerpodmanager.go of KMM.
    """
    if not is_by_controller(review) and not override(review):
        for annotation, terms in new_node_selectors(review).items():
            judge = _judge(annotation, terms, _contradicts, "no node takes the pods of")
            yield from judged(review, str(metadata_of(review.object).get("name", "")), judge)


@rule("REF216", kinds=("Namespace",), operations=("UPDATE",), facts=True, severity=Severity.WARNING)
def fewer_nodes(review: Review) -> Iterator[Problem]:
    """A namespace's node selector is set to a label that the selector of a Module in it does not name.

    Drivers are loaded and unloaded only on nodes that have this label as well.

    Fix: see that all nodes of the Modules have the label, or leave it out.
    Source: OpenShift, project node selectors; Kubernetes, PodNodeSelector; workerpodmanager.go of KMM.
    """
    facts, namespace = review.known, str(metadata_of(review.object).get("name", ""))
    for annotation, terms in new_node_selectors(review).items():
        modules, daemon_sets = facts.modules_in(namespace), facts.daemon_sets_in(namespace)
        if modules is not UNKNOWN and daemon_sets is not UNKNOWN and not override(review):
            yield from _judge(annotation, terms, _narrows, "only nodes with that label take the pods of")(
                modules, (), daemon_sets
            )


def new_node_selectors(review: Review) -> dict[str, _Labels]:
    """Annotation of a Namespace → the labels of nodes that an update adds to it, or gives another value."""
    if review.kind != "Namespace" or review.old is None:
        return {}
    before, after = (as_map(metadata_of(item).get("annotations")) for item in (review.old, review.object))
    found: dict[str, _Labels] = {}
    for name in _NODE_SELECTORS:
        terms, known = _labels(after.get(name)), _labels(before.get(name))
        if added := {key: value for key, value in terms.items() if known.get(key) != value}:
            found[name] = added
    return found


def _labels(text: object) -> _Labels:
    """Read `a=b,c=d`."""
    if not isinstance(text, str) or not text.strip():
        return {}
    terms = [_TERM.fullmatch(term.strip()) for term in text.split(",")]
    return {term[1]: term[2] for term in terms if term} if all(terms) else _UNREADABLE


def _contradicts(terms: _Labels, selector: Mapping[str, object]) -> bool:
    return "" in terms or any(terms.get(key, value) != value for key, value in selector.items())


def _narrows(terms: _Labels, selector: Mapping[str, object]) -> bool:
    return not _contradicts(terms, selector) and not terms.keys() <= selector.keys()


def _judge(
    annotation: str, terms: _Labels, is_meant: Callable[[_Labels, Mapping[str, object]], bool], what: str
) -> Callable[[Sequence[Object], Sequence[NodeEntry], Sequence[Object]], Iterator[Problem]]:
    """Tell for which Modules and DaemonSets a node selector means that."""

    def judge(
        modules: Sequence[Object], entries: Sequence[NodeEntry], daemon_sets: Sequence[Object]
    ) -> Iterator[Problem]:
        users = [f"Module {module_name(item)}" for item in modules if is_meant(terms, _selector(item))]
        users += [f"DaemonSet {module_name(item)}" for item in daemon_sets if is_meant(terms, _pod_selector(item))]
        if users:
            yield Problem(("metadata", "annotations", annotation), f"{what} {some(sorted(users))}", _KEEP_NODES)

    return judge


def _selector(module: Object) -> Mapping[str, object]:
    return as_map(as_map(module.get("spec")).get("selector"))


def _pod_selector(daemon_set: Object) -> Mapping[str, object]:
    template = as_map(as_map(daemon_set.get("spec")).get("template"))
    return as_map(as_map(template.get("spec")).get("nodeSelector"))
