"""What the rules share that keep something from being taken away: who needs it, and who may take it all the same."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from kmodgate.policy.cluster import override_annotation
from kmodgate.policy.cluster.controllers import OLM, OLM_GROUP, fix_for, hub_namespaces, may_take_away
from kmodgate.policy.cluster.dependents import Named, needs, needs_of_pods, needs_to_unload
from kmodgate.policy.cluster.facts import UNKNOWN, NodeEntry, Object, Unknown, as_map, metadata_of
from kmodgate.policy.findings import FieldPath, Problem, plain_text
from kmodgate.policy.kmm.misnamed_kinds import HUB_GROUP
from kmodgate.policy.review import Review
from kmodgate.policy.views.definition import losses
from kmodgate.policy.views.module import ModuleView

DEFINITION = "apiextensions.k8s.io/CustomResourceDefinition"

OF_OLM = tuple(
    f"{OLM_GROUP}/{kind}" for kind in ("Subscription", "ClusterServiceVersion", "OperatorGroup", "InstallPlan")
)
"""The kinds of the Operator Lifecycle Manager by which KMM's operator is installed."""

NAME: FieldPath = ("metadata", "name")

Judge = Callable[[Sequence[Object], Sequence[NodeEntry], Sequence[Object]], Iterator[Problem]]
"""Tells what there is to say of Modules, entries of nodes, and DaemonSets that load drivers."""

_OF_HUB = f"managedclustermodules.{HUB_GROUP}"
"""The definition that only hubs have."""

_NOT_KNOWN = "wait until the webhook sees the cluster again, and see its log"
_MODULE_FIRST = "remove the Module first, or have it name another, and wait until no node holds this one"
DAEMON_SET_FIRST = "remove the DaemonSet first: take its driver out of the fleet"


def module_name(item: object) -> str:
    """Namespace and name of a Module or DaemonSet."""
    metadata = metadata_of(item)
    return "/".join(filter(None, (str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))))


def titled(item: Object) -> str:
    """Kind and name of a Module, or of a hub's."""
    kind = "ManagedClusterModule" if item.get("kind") == "ManagedClusterModule" else "Module"
    return f"{kind} {module_name(item)}"


def hub_modules(review: Review) -> Sequence[Object] | Unknown:
    """Return the ManagedClusterModules that are built and signed in the namespace of the object.

    That is all of them in the namespace of a hub's operator, and none in another one. Where none is known, nor the
    definition of the kind, nothing says that the cluster is a hub, and it has none.
    """
    if namespace_name(review) not in hub_namespaces(review.named_as_kmm, review.cluster.platform):
        return ()
    found = review.known.listing("ManagedClusterModule")
    if found.is_complete:
        return found.objects
    is_hub = found.objects or isinstance(review.known.find(DEFINITION.rpartition("/")[2], "", _OF_HUB), Mapping)
    return UNKNOWN if is_hub else ()


def judged_with_hub(review: Review, judge: Judge) -> Iterator[Problem]:
    """Yield what there is to say of the namespace of the object as `judged` does, with a hub's Modules among others."""
    of_hub = hub_modules(review)
    if isinstance(of_hub, Unknown):
        yield Problem(NAME, "it is not known which ManagedClusterModules the cluster has", _NOT_KNOWN)
        return

    def judge_all(
        modules: Sequence[Object], entries: Sequence[NodeEntry], daemon_sets: Sequence[Object]
    ) -> Iterator[Problem]:
        return judge([*modules, *of_hub], entries, daemon_sets)

    yield from judged(review, namespace_name(review), judge_all)


def judged(review: Review, namespace: str, judge: Judge) -> Iterator[Problem]:
    """Yield what there is to say of a namespace's Modules, entries and DaemonSets.

    For an empty `namespace` of all Modules and entries. Where they are not known, that is the problem.
    """
    facts = review.known
    modules, entries = facts.modules_in(namespace), facts.entries_of(namespace)
    daemon_sets = facts.daemon_sets_in(namespace) if namespace else ()
    if modules is UNKNOWN or entries is UNKNOWN or daemon_sets is UNKNOWN:
        where = f"namespace {namespace} holds" if namespace else "the cluster holds"
        what = "DaemonSets" if daemon_sets is UNKNOWN else "Modules"
        yield Problem(NAME, f"it is not known what {what} {where}", _NOT_KNOWN)
        return
    for problem in judge(modules, entries, daemon_sets):
        yield problem._replace(fix=fix_for(review.user, f"{problem.fix}; or {_by_override(review)}"))


def _by_override(review: Review) -> str:
    """Who may go on all the same, and how."""
    kind, name = review.kind.rpartition("/")[2], str(metadata_of(review.object).get("name", ""))
    where = f"{kind} {name}" if _is_carrier(review) else f"Namespace {namespace_name(review)}"
    return f"have one who may override namespaces.kmodgate.io set {override_annotation.ANNOTATION} on {where}"


def held(
    review: Review, namespace: str, fix: str, path: FieldPath = NAME, *, by_kmm: bool = False
) -> Iterator[Problem]:
    """Yield what a namespace holds of Modules, and nodes of them, and unless it is `by_kmm` alone of DaemonSets."""

    def holding(
        modules: Sequence[Object], entries: Sequence[NodeEntry], daemon_sets: Sequence[Object]
    ) -> Iterator[Problem]:
        if modules:
            names = sorted(module_name(item) for item in modules)
            yield Problem(path, f"holds {some([f'Module {name}' for name in names])}", fix)
        loaded = sorted({f"{entry.name} on node {entry.node}" for entry in entries})
        if loaded:
            yield Problem(path, f"its drivers are not unloaded yet: {some(loaded)}", fix)
        if daemon_sets and not by_kmm:
            names = sorted(f"DaemonSet {module_name(item)}" for item in daemon_sets)
            yield Problem(path, f"holds {some(names)}, with drivers on nodes", DAEMON_SET_FIRST)

    return judged(review, namespace, holding)


def needed(
    review: Review, is_meant: Callable[[Named], bool], path: FieldPath, going: Collection[object] = ()
) -> Iterator[Problem]:
    """Yield which Modules, nodes and DaemonSets need something that is meant, of the namespace of the object.

    Modules that are being deleted and whose `uid` is in `going` need nothing, nor do the nodes that have their drivers.
    """

    def needing(
        modules: Sequence[Object], entries: Sequence[NodeEntry], daemon_sets: Sequence[Object]
    ) -> Iterator[Problem]:
        gone = {module_name(item) for item in modules if _is_going(item, going)}
        users = {
            titled(item)
            for item in modules
            if module_name(item) not in gone and any(map(is_meant, needs(ModuleView(item))))
        }
        users |= {
            f"node {entry.node}"
            for entry in entries
            if f"{entry.namespace}/{entry.name}" not in gone and any(map(is_meant, needs_to_unload(entry)))
        }
        if users:
            yield Problem(path, f"still needed by {some(sorted(users))}", _MODULE_FIRST)
        pods = [item for item in daemon_sets if any(map(is_meant, needs_of_pods(item)))]
        if pods:
            names = sorted(f"DaemonSet {module_name(item)}" for item in pods)
            yield Problem(path, f"still needed by {some(names)}", DAEMON_SET_FIRST)

    return judged_with_hub(review, needing)


def _is_going(module: object, uids: Collection[object]) -> bool:
    metadata = metadata_of(module)
    return "deletionTimestamp" in metadata and metadata.get("uid") in uids


def some(names: Sequence[str]) -> str:
    """The first three of some names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def namespace_name(review: Review) -> str:
    """The name of the namespace that the object lies in."""
    return plain_text(metadata_of(review.object).get("namespace", ""))


def carrier(review: Review) -> Object:
    """Return the object whose annotation would override the protection.

    That is the Namespace that the review is about, as it was before, the definition or object of the Operator Lifecycle
    Manager that is deleted, and for what else lies in a namespace that Namespace.
    """
    if _is_carrier(review):
        return review.object if review.old is None else review.old
    return as_map(review.known.find("Namespace", "", namespace_name(review)))


def _is_carrier(review: Review) -> bool:
    """Whether the object itself has the annotation, and not the Namespace that it lies in."""
    return review.kind in ("Namespace", DEFINITION) or review.kind.startswith(f"{OLM_GROUP}/")


def useless_by(review: Review) -> list[tuple[FieldPath, str]]:
    """Return what an update of a definition takes from it, so that its objects are of no use; OLM may do so."""
    if review.kind != DEFINITION or review.operation != "UPDATE" or review.old is None or review.user in OLM:
        return []
    return list(losses(review.old, review.object))


def override(review: Review) -> override_annotation.Override | None:
    """The override that holds, if the one who asks may use it."""
    if review.may_override is not True:
        return None
    found = override_annotation.read(override_annotation.annotation(carrier(review)) or "")
    return found if found is not None and found.holds(review.time(), review.parameters.max_override_hours) else None


def is_by_controller(review: Review) -> bool:
    """Whether a controller asks that removes what is left of what was deleted before, or KMM itself."""
    return may_take_away(review.user, review.named_as_kmm, review.cluster.platform)
