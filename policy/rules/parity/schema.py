"""SCH: what the API server would say of the object before any webhook is asked."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.kmm.api_checks import structure_findings
from kmodgate.policy.kmm.former_modules import is_ancestor_module, is_former_module
from kmodgate.policy.kmm.kinds import GROUPS, MISPLACED, MISSPELT, MODULE_KINDS, PREFLIGHT_KINDS, SERVED
from kmodgate.policy.kmm.misnamed_kinds import FORMER_GROUPS, KMM_GROUP, meant_group, meant_kind
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule

_KINDS = (*MODULE_KINDS, *PREFLIGHT_KINDS)


def _is_invalid(review: Review) -> object:
    return review.violations


@rule("SCH101", kinds=_KINDS, needs=_is_invalid)
def unknown_field(review: Review) -> Iterator[Problem]:
    """A field that the kind does not have.

    The API server drops it without a word, or with a warning that nobody reads: what it was meant to do is not done.

    Fix: correct the spelling, or remove the field.
    Source: field pruning of Kubernetes' custom resources.
    """
    yield from _violations(review, "SCH101")


@rule("SCH102", kinds=_KINDS, needs=_is_invalid)
def wrong_type(review: Review) -> Iterator[Problem]:
    """A value of another type than the field has: a number or boolean where a string belongs, a list for a map.

    Fix: quote the value, or give it the type that the message names.
    Source: the schemas of KMM's CustomResourceDefinitions.
    """
    yield from _violations(review, "SCH102")


@rule("SCH103", kinds=_KINDS, needs=_is_invalid)
def missing_field(review: Review) -> Iterator[Problem]:
    """A field that the kind requires is missing.

    Fix: add it.
    Source: the schemas of KMM's CustomResourceDefinitions.
    """
    yield from _violations(review, "SCH103")


@rule("SCH104", kinds=_KINDS, needs=_is_invalid)
def value_not_allowed(review: Review) -> Iterator[Problem]:
    """A value that the schema does not allow.

    Fix: the message names what is allowed.
    Source: the schemas of KMM's CustomResourceDefinitions.
    """
    yield from _violations(review, "SCH104")


@rule("SCH108", kinds=(*_KINDS, MISSPELT))
def unknown_kind(review: Review) -> Iterator[Problem]:
    """A kind or version of KMM's group that there is not: `module` for `Module`, `v1` for `v1beta1`.

    The API server says `no matches for kind`, and nothing else of the object is looked at.

    Fix: correct it as the message says.
    Source: the CustomResourceDefinitions of Kernel Module Management.
    """
    if not review.is_unserved and review.kind != MISSPELT:
        return
    version = review.object.get("apiVersion")
    kind = str(review.object.get("kind"))
    known = next((name for name in GROUPS if name.lower() == kind.lower()), kind)
    if review.kind == MISSPELT:
        yield Problem(("kind",), f"there is no kind {kind}", f"write {known}")
    if version not in SERVED[known]:
        message = f"{known} has no version {str(version).rpartition('/')[2]}"
        yield Problem(("apiVersion",), message, f"write {SERVED[known][-1]}")


@rule("SCH109", kinds=(MISPLACED,))
def wrong_group_or_kind(review: Review) -> Iterator[Problem]:
    """An object that is meant for KMM, of a group or kind that no API server knows.

    That is a former group (`kmm.sigs.k8s.io`, `ooto.sigs.k8s.io`, `sro.openshift.io`), one that is a letter or two off
    or has another domain (`kmm.openshift.io`), a kind of KMM in the wrong one of its two groups, without a group or a
    version, or the plural or a misspelling of a kind. The API server says `no matches for kind`.

    Fix: write the apiVersion and the kind that the message names. `kmodgate import` makes a spec of Modules of
    `kmm.sigs.k8s.io/v1beta1` and `ooto.sigs.k8s.io/v1alpha1` as they stand, and of other old objects after that.
    Source: the CustomResourceDefinitions of Kernel Module Management.
    """
    if review.kind != MISPLACED:
        return
    kind, version = str(review.object.get("kind")), str(review.object.get("apiVersion"))
    group = version.partition("/")[0]
    known = meant_kind(kind, tuple(GROUPS))
    wanted = SERVED[known][-1] if known else f"{meant_group(group) or KMM_GROUP}/v1beta1"
    if group in FORMER_GROUPS:
        message = f"{group} is the group of KMM before 1.0, or of an operator before it"
        yield Problem(("apiVersion",), message, _way_out(review, wanted, known))
    elif "/" not in version:
        what = "no version" if meant_group(version) else "no group"
        yield Problem(("apiVersion",), f"{version} names {what}", f"write apiVersion: {wanted}")
    elif group != wanted.partition("/")[0]:
        yield Problem(("apiVersion",), f"KMM has no {kind} in {group}", f"write apiVersion: {wanted}")
    if known and kind != known:
        yield Problem(("kind",), f"there is no kind {kind}", f"write kind: {known}")


def _way_out(review: Review, wanted: str, known: str) -> str:
    """What to do about an object of a former group; `known` is the kind of today, if there is one."""
    if is_ancestor_module(review.object):
        return "let kmodgate import make a spec of it: a Module of today has another shape"
    if is_former_module(review.object):
        return f"write apiVersion: {wanted}, or let kmodgate import make a spec of it"
    if known == "Module":
        then = "; kmodgate import then makes a spec of it"
        return f"write apiVersion: {wanted} and correct what the newer kind does not know{then}"
    if known:
        return f"write apiVersion: {wanted} and correct what the newer kind does not know"
    if review.object.get("kind") == "SpecialResource":
        return "let kmodgate import make a spec of it, with the DaemonSets and BuildConfigs that its chart has made"
    return "write it anew, as a Module of kmm.sigs.x-k8s.io/v1beta1 or as a KernelDriver of kmodgate.io/v1alpha1"


@rule("SCH107", kinds=("Module",))
def not_storable(review: Review) -> Iterator[Problem]:
    """A name, namespace, label, annotation or combination of fields that the API server refuses.

    A Module without a namespace is only warned of outside a fleet, where `kubectl -n`, kustomize or Argo CD may give it
    one; `kmodgate check --namespace` says which.

    Fix: correct it as the message says.
    Source: k8s.io/apimachinery pkg/api/validation, and the CEL rule of KMM's CustomResourceDefinition.
    """
    for problem in structure_findings(review.object):
        may_come = (
            review.cluster.is_any
            and problem.path == ("metadata", "namespace")
            and not review.module.metadata.text("namespace")
        )
        fix = "add the namespace, or name the one that it gets: --namespace NAME"
        yield problem._replace(severity=Severity.WARNING, fix=fix) if may_come else problem


def _violations(review: Review, id: str) -> Iterator[Problem]:
    for found in review.violations:
        if found.rule == id:
            is_image = id == "SCH103" and found.path[-1:] == ("containerImage",)
            yield Problem(found.path, found.message, _for_image(review) if is_image else found.fix)


def _for_image(review: Review) -> str:
    """The fix for a mapping without the field, which has to be there even where the container names the image."""
    if review.module.container.text("containerImage"):
        return 'write containerImage: "" to take the image of the container'
    return "write the image for these kernels"
