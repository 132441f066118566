"""What Modules still need, kept from being taken away: their namespace, and what unloading and rebuilding ask for.

A namespace that ends before its drivers are unloaded never ends: no pod can start in it any more to unload them. What
is judged here is what the cluster holds, and no label, which whoever may edit a namespace could take off.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster import override_annotation
from kmodgate.policy.cluster.controllers import OLM
from kmodgate.policy.cluster.dependents import GUARDED, PROTECTING_LABEL
from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.protection.guarding import (
    DEFINITION,
    NAME,
    OF_OLM,
    held,
    is_by_controller,
    override,
    useless_by,
)
from kmodgate.policy.rules.protection.needed_objects import changes_access, emptied_keys
from kmodgate.policy.rules.protection.workable_namespaces import forbids_pods, tightens
from kmodgate.policy.rules.protection.worker_limits import forbids_workers, new_node_selectors

_NAMESPACE = ("Namespace",)
_CARRIERS = (*_NAMESPACE, DEFINITION, *OF_OLM)
_LABELS = ("metadata", "labels", PROTECTING_LABEL)
_LEAVE_LABEL = "leave the label to KMM, which removes it with the last Module"
_WAIT = "remove its Modules, wait until they are gone, and try again"


@rule("REF201", kinds=_NAMESPACE, operations=("DELETE",), facts=True, guards=True)
def namespace_with_modules(review: Review) -> Iterator[Problem]:
    """A namespace is deleted while it holds Modules, or nodes hold their drivers: it would never end.

    KMM unloads a driver with a pod in the Module's namespace, and a namespace that ends lets no pod in. KMM itself
    looks only at a label that it sets late, removes early, and that whoever edits namespaces can remove. Where
    DaemonSets load drivers, their end unloads these on all nodes at once.

    Fix: remove the Modules, wait until they are gone, and try again; in an emergency the annotation
    `kmodgate.io/override` on the namespace, from one who has the right.
    Source: internal/webhook/namespace.go of Kernel Module Management, and its issue 708.
    """
    metadata = metadata_of(review.object)
    if "deletionTimestamp" not in metadata and not override(review):
        yield from held(review, str(metadata.get("name", "")), _WAIT)


@rule("REF202", kinds=_NAMESPACE, operations=("UPDATE",), facts=True, guards=True)
def protecting_label_removed(review: Review) -> Iterator[Problem]:
    """KMM's protecting label is taken off, or changed, on a namespace that still holds Modules.

    KMM's own protection rests on this label alone, and on its value being empty. In a namespace that no fleet knows,
    this one is asked because of the label, whatever its value.

    Fix: leave `kmm.node.k8s.io/contains-modules: ""` to KMM, which removes it with the last Module.
    Source: internal/webhook/namespace.go and config/webhook of Kernel Module Management.
    """
    is_finalized = review.subresource == "finalize"  # which REF203 judges
    if _loses_label(review) and not is_finalized and not is_by_controller(review) and not override(review):
        name = str(metadata_of(review.object).get("name", ""))
        for problem in held(review, name, _LEAVE_LABEL, by_kmm=True):
            yield problem._replace(path=_LABELS)


@rule("REF203", kinds=_NAMESPACE, operations=("UPDATE",), facts=True, guards=True)
def namespace_finalized_with_modules(review: Review) -> Iterator[Problem]:
    """A namespace is finalized by hand while Modules or nodes' entries are left: their drivers stay loaded for ever.

    Where nothing is left of them it is the rescue of a namespace that is stuck for another reason, and passes.

    Fix: remove the Modules' finalizers and the nodes' entries first, once the drivers are unloaded by hand.
    Source: issue 708 of Kernel Module Management; Kubernetes, namespaces/finalize.
    """
    if review.subresource == "finalize" and not is_by_controller(review) and not override(review):
        name = str(metadata_of(review.object).get("name", ""))
        yield from held(review, name, "unload the drivers, and remove what is left of the Modules first")


@rule("REF205", kinds=_CARRIERS, facts=True, guards=True)
def override_set(review: Review) -> Iterator[Problem]:
    """The annotation that lifts the protection is set by one who may not, is not readable, or holds too long.

    It names who answers, and its end: `alice@example.com until 2026-01-31T18:00:00Z`. That lies within 24 hours, or
    within what the policy says (`parameters.override.maxHours`). It is judged on Namespaces, on definitions of KMM's
    kinds and on what the Operator Lifecycle Manager installs by; its own copies of an object pass.

    Fix: have someone set it who may `override` `namespaces.kmodgate.io`.
    Source: this project's docs/webhook.md.
    """
    text = override_annotation.annotation(review.object)
    is_copied = review.kind in OF_OLM and review.user in OLM
    if text is None or is_copied or text == override_annotation.annotation(review.old):
        return
    path = ("metadata", "annotations", override_annotation.ANNOTATION)
    found, hours = override_annotation.read(text), review.parameters.max_override_hours
    if found is None:
        yield Problem(path, "says no owner and end", f"write it like {override_annotation.EXAMPLE}")
    elif not found.holds(review.time(), hours):
        yield Problem(path, f"does not end within the next {hours} hours", f"set an end within {hours} hours")
    if review.may_override is not True:
        may = "may not" if review.may_override is False else "could not be shown to be allowed to"
        message = f"{review.user or 'whoever asks'} {may} override the protection"
        yield Problem(path, message, "have it set by one who may override namespaces.kmodgate.io")


@rule(
    "REF206",
    kinds=(*_CARRIERS, *GUARDED),
    operations=("CREATE", "DELETE", "UPDATE"),
    facts=True,
    severity=Severity.INFO,
    records=True,
)
def override_used(review: Review) -> Iterator[Problem]:
    """The protection is lifted by an override: who answers for it goes to the audit log, whatever the policy says.

    Fix: nothing; remove the annotation when the work is done.
    Source: this project's docs/webhook.md.
    """
    is_free = is_by_controller(review) or (review.kind in OF_OLM and review.user in OLM)
    if _takes_away(review) and not is_free and (used := override(review)):
        message = f"{review.user} overrides the protection; {used.owner} answers"
        yield Problem(NAME, message, "remove the annotation later")


def _takes_away(review: Review) -> bool:
    """Whether it is a request that the protection would look at."""
    if review.operation == "DELETE" or review.subresource == "finalize":
        return True
    if forbids_pods(review) or any(forbids_workers(review)) or new_node_selectors(review):
        return True
    if review.operation == "CREATE":
        return False
    if review.kind == DEFINITION:
        return bool(useless_by(review))
    return _loses_label(review) or tightens(review) or changes_access(review) or bool(emptied_keys(review))


def _loses_label(review: Review) -> bool:
    before = as_map(metadata_of(review.old).get("labels"))
    now = as_map(metadata_of(review.object).get("labels"))
    return PROTECTING_LABEL in before and now.get(PROTECTING_LABEL) not in ("", before[PROTECTING_LABEL])
