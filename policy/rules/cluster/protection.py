"""What Modules still need, kept from being taken away: their namespace, and what unloading and rebuilding ask for.

A namespace that ends before its drivers are unloaded never ends: no pod can start in it any more to unload them. What
is judged here is what the cluster holds, and no label, which whoever may edit a namespace could take off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from kmodgate.policy.cluster import override_annotation
from kmodgate.policy.cluster.controllers import is_controller
from kmodgate.policy.cluster.dependents import (
    DEPENDENTS,
    PROTECTING_LABEL,
    ROLE_BINDING,
    Named,
    is_account_of,
    needs,
    needs_to_unload,
)
from kmodgate.policy.cluster.facts import UNKNOWN, NodeEntry, Object, as_map, metadata_of
from kmodgate.policy.findings import FieldPath, Problem, Severity, plain_text
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.module import ModuleView

_NAMESPACE = ("Namespace",)
_LABELS = ("metadata", "labels", PROTECTING_LABEL)
_NAME = ("metadata", "name")
_WAIT = "remove its Modules, wait until they are gone, and try again"


@rule("REF201", kinds=_NAMESPACE, operations=("DELETE",), facts=True, guards=True)
def namespace_with_modules(review: Review) -> Iterator[Problem]:
    """A namespace is deleted while it holds Modules, or nodes hold their drivers: it would never end.

    KMM unloads a driver with a pod in the Module's namespace, and a namespace that ends lets no pod in. KMM itself
    looks only at a label that it sets late, removes early, and that whoever edits namespaces can remove.

    Fix: remove the Modules, wait until they are gone, and try again; in an emergency the annotation
    `kmodgate.io/override` on the namespace, from one who has the right.
    Source: internal/webhook/namespace.go of Kernel Module Management, and its issue 708.
    """
    metadata = metadata_of(review.object)
    if "deletionTimestamp" not in metadata and not _override(review):
        yield from _held(review, str(metadata.get("name", "")), _WAIT)


@rule("REF202", kinds=_NAMESPACE, operations=("UPDATE",), facts=True, guards=True)
def protecting_label_removed(review: Review) -> Iterator[Problem]:
    """KMM's protecting label is taken off, or changed, on a namespace that still holds Modules.

    KMM's own protection rests on this label alone, and on its value being empty. In a namespace that no fleet knows,
    this one is asked because of the label, whatever its value.

    Fix: leave `kmm.node.k8s.io/contains-modules: ""` to KMM, which removes it with the last Module.
    Source: internal/webhook/namespace.go and config/webhook of Kernel Module Management.
    """
    is_finalized = review.subresource == "finalize"  # which REF203 judges
    if _loses_label(review) and not is_finalized and not _is_controller(review) and not _override(review):
        name = str(metadata_of(review.object).get("name", ""))
        for problem in _held(review, name, "leave the label to KMM, which removes it with the last Module"):
            yield Problem(_LABELS, problem.message, problem.fix)


@rule("REF203", kinds=_NAMESPACE, operations=("UPDATE",), facts=True, guards=True)
def namespace_finalized_with_modules(review: Review) -> Iterator[Problem]:
    """A namespace is finalized by hand while Modules or nodes' entries are left: their drivers stay loaded for ever.

    Where nothing is left of them it is the rescue of a namespace that is stuck for another reason, and passes.

    Fix: remove the Modules' finalizers and the nodes' entries first, once the drivers are unloaded by hand.
    Source: issue 708 of Kernel Module Management; Kubernetes, namespaces/finalize.
    """
    if review.subresource == "finalize" and not _is_controller(review) and not _override(review):
        name = str(metadata_of(review.object).get("name", ""))
        yield from _held(review, name, "unload the drivers, and remove what is left of the Modules first")


@rule("REF204", kinds=DEPENDENTS, operations=("DELETE",), facts=True, guards=True)
def still_needed(review: Review) -> Iterator[Problem]:
    """What a Module still needs to be unloaded, or built again, is deleted, also while the Module is on its way out.

    The unloading pod takes its ServiceAccount and pull secret from what the node holds; builds for the next kernel
    take Secrets and the ConfigMap of the Dockerfile from the Module.

    Fix: remove the Module first, and wait until it is gone.
    Source: internal/pod and internal/nmc of Kernel Module Management.
    """
    if not _is_controller(review) and not _override(review):
        yield from _needed(review, lambda item: _is_meant(review, item), _NAME)


@rule("REF207", kinds=DEPENDENTS, operations=("UPDATE",), facts=True, guards=True)
def owner_added(review: Review) -> Iterator[Problem]:
    """What a Module still needs is given an owner, and goes with it: at once, if there is no such owner.

    It is the garbage collector that deletes it then, which has to be let through.

    Fix: remove the Module first, and wait until it is gone.
    Source: Kubernetes, Owners and Dependents; pkg/controller/garbagecollector of Kubernetes.
    """
    if _has_new_owner(review) and not _is_controller(review) and not _override(review):
        yield from _needed(review, lambda item: _is_meant(review, item), ("metadata", "ownerReferences"))


@rule("REF208", kinds=(ROLE_BINDING,), operations=("UPDATE",), facts=True, guards=True)
def subject_dropped(review: Review) -> Iterator[Problem]:
    """A RoleBinding is no longer for a ServiceAccount that a Module, or a node, still needs it for.

    Fix: remove the Module first, and wait until it is gone.
    Source: internal/pod and internal/nmc of Kernel Module Management.
    """
    if not _has_other_subjects(review) or _is_controller(review) or _override(review):
        return
    before = review.old or {}
    yield from _needed(
        review,
        lambda item: is_account_of(before, item) and not is_account_of(review.object, item),
        ("subjects",),
    )


@rule("REF205", kinds=_NAMESPACE, facts=True, guards=True)
def override_set(review: Review) -> Iterator[Problem]:
    """The annotation that lifts the protection is set by one who may not, is not readable, or holds too long.

    It names who answers, and its end: `alice@example.com until 2026-01-31T18:00:00Z`. That lies within 24 hours, or
    within what the policy says (`parameters.override.maxHours`).

    Fix: have someone set it who may `override` `namespaces.kmodgate.io`.
    Source: this project's docs/webhook.md.
    """
    text = override_annotation.annotation(review.object)
    if text is None or text == override_annotation.annotation(review.old):
        return
    path = ("metadata", "annotations", override_annotation.ANNOTATION)
    found, hours = override_annotation.read(text), review.parameters.max_override_hours
    if found is None:
        yield Problem(path, "says no owner and end", f"write it like {override_annotation.EXAMPLE}")
    elif not found.holds(review.now, hours):
        yield Problem(path, f"does not end within the next {hours} hours", f"set an end within {hours} hours")
    if review.may_override is not True:
        may = "may not" if review.may_override is False else "could not be shown to be allowed to"
        message = f"{review.user or 'whoever asks'} {may} override the protection"
        yield Problem(path, message, "have it set by one who may override namespaces.kmodgate.io")


@rule(
    "REF206",
    kinds=(*_NAMESPACE, *DEPENDENTS),
    operations=("DELETE", "UPDATE"),
    facts=True,
    severity=Severity.INFO,
    records=True,
)
def override_used(review: Review) -> Iterator[Problem]:
    """The protection is lifted by an override: who answers for it goes to the audit log, whatever the policy says.

    Fix: nothing; remove the annotation when the work is done.
    Source: this project's docs/webhook.md.
    """
    if _takes_away(review) and not _is_controller(review) and (used := _override(review)):
        message = f"{review.user} overrides the protection; {used.owner} answers"
        yield Problem(_NAME, message, "remove the annotation later")


def module_name(item: object) -> str:
    """Namespace and name of a Module."""
    metadata = metadata_of(item)
    return f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"


def _held(review: Review, namespace: str, fix: str) -> Iterator[Problem]:
    """What a namespace holds of Modules, and nodes of them."""

    def holding(modules: Sequence[Object], entries: Sequence[NodeEntry]) -> Iterator[Problem]:
        if modules:
            names = sorted(module_name(item) for item in modules)
            yield Problem(_NAME, f"holds {_some([f'Module {name}' for name in names])}", fix)
        loaded = sorted({f"{entry.name} on node {entry.node}" for entry in entries})
        if loaded:
            yield Problem(_NAME, f"its drivers are not unloaded yet: {_some(loaded)}", fix)

    return _judged(review, namespace, holding)


def _needed(review: Review, is_meant: Callable[[Named], bool], path: FieldPath) -> Iterator[Problem]:
    """Which Modules and nodes need something that is meant, of the namespace of the object."""

    def needing(modules: Sequence[Object], entries: Sequence[NodeEntry]) -> Iterator[Problem]:
        users = {f"Module {module_name(item)}" for item in modules if any(map(is_meant, needs(ModuleView(item))))}
        users |= {f"node {entry.node}" for entry in entries if any(map(is_meant, needs_to_unload(entry)))}
        if users:
            yield Problem(path, f"still needed by {_some(sorted(users))}", "remove the Module first, and wait for it")

    return _judged(review, str(metadata_of(review.object).get("namespace", "")), needing)


def _judged(
    review: Review, namespace: str, judge: Callable[[Sequence[Object], Sequence[NodeEntry]], Iterator[Problem]]
) -> Iterator[Problem]:
    """What there is to say of a namespace's Modules and of nodes' entries; that it is not known, where it is not."""
    facts = review.known
    modules, entries = facts.modules_in(namespace), facts.entries_of(namespace)
    if modules is UNKNOWN or entries is UNKNOWN:
        message = f"it is not known what Modules namespace {namespace} holds"
        yield Problem(_NAME, message, "wait until the webhook sees the cluster again, and see its log")
        return
    yield from judge(modules, entries)


def _is_meant(review: Review, item: Named) -> bool:
    """Whether the object is what is needed, or gives it its rights."""
    if review.kind == ROLE_BINDING:
        return is_account_of(review.object, item)
    return item == (review.kind, metadata_of(review.object).get("name"))


def _takes_away(review: Review) -> bool:
    """Whether it is a request that the protection would look at."""
    if review.operation == "DELETE" or review.subresource == "finalize":
        return True
    return _loses_label(review) or _has_new_owner(review) or _has_other_subjects(review)


def _loses_label(review: Review) -> bool:
    before = as_map(metadata_of(review.old).get("labels"))
    now = as_map(metadata_of(review.object).get("labels"))
    return PROTECTING_LABEL in before and now.get(PROTECTING_LABEL) not in ("", before[PROTECTING_LABEL])


def _has_new_owner(review: Review) -> bool:
    before, now = (metadata_of(item).get("ownerReferences") for item in (review.old, review.object))
    if not isinstance(now, list) or now == before:
        return False
    known = {_owner(item) for item in before} if isinstance(before, list) else set()
    return any(_owner(item) not in known for item in now)


def _owner(item: object) -> tuple[str, ...]:
    return tuple(plain_text(as_map(item).get(key)) for key in ("apiVersion", "kind", "name", "uid"))


def _has_other_subjects(review: Review) -> bool:
    return review.kind == ROLE_BINDING and as_map(review.old).get("subjects") != review.object.get("subjects")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _namespace(review: Review) -> object:
    """The Namespace that the review is about, as it was before; of another object the one that it lies in."""
    if review.kind == "Namespace":
        return review.object if review.old is None else review.old
    return review.known.find("Namespace", "", str(metadata_of(review.object).get("namespace", "")))


def _override(review: Review) -> override_annotation.Override | None:
    """The override of the namespace that holds, if the one who asks may use it."""
    if review.may_override is not True:
        return None
    found = override_annotation.read(override_annotation.annotation(as_map(_namespace(review))) or "")
    return found if found is not None and found.holds(review.now, review.parameters.max_override_hours) else None


def _is_controller(review: Review) -> bool:
    """Whether a controller asks that removes what is left of what was deleted before, or KMM itself."""
    return is_controller(review.user, review.parameters.controllers)
