"""Namespaces in which KMM's pods can still be made: not on their way out, not restricted, not without pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from kmodgate.policy.cluster.dependents import QUOTA
from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.findings import FieldPath, Problem
from kmodgate.policy.formats.quantities import cpus
from kmodgate.policy.kmm.kinds import CLUSTER_MODULE
from kmodgate.policy.kmm.worker_pods import OF_QUOTAS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.protection.guarding import held, is_by_controller, namespace_name, override
from kmodgate.policy.views.part import Map

_ENFORCE = "pod-security.kubernetes.io/enforce"
_OF_WORKERS = frozenset(("NotTerminating", "NotBestEffort"))
"""The scopes of a quota that KMM's pods are in: they have no deadline, and say what they take."""


@rule("REF209", kinds=CLUSTER_MODULE, operations=("CREATE",), facts=True, guards=True)
def namespace_ends(review: Review) -> Iterator[Problem]:
    """A Module is created in a namespace that is being deleted: its finalizer would keep it from ever ending.

    The API server refuses it as well, once its own cache has heard of the deletion, some milliseconds later.

    Fix: create it in a namespace that stays.
    Source: issue 708 of Kernel Module Management; plugin/pkg/admission/namespace/lifecycle of Kubernetes.
    """
    namespace = namespace_name(review)
    if "deletionTimestamp" in metadata_of(review.known.find("Namespace", "", namespace)):
        message = f"namespace {namespace} is being deleted"
        yield Problem(("metadata", "namespace"), message, "create it in a namespace that stays")


@rule("REF210", kinds=("Namespace",), operations=("UPDATE",), facts=True, guards=True)
def pods_restricted(review: Review) -> Iterator[Problem]:
    """The Pod Security level that a namespace enforces is no longer `privileged`, while Modules need its pods.

    KMM's pods load and unload as privileged ones. Nothing is unloaded any more, and no status says why. A namespace
    without the label counts as privileged, which it is where the API server is not told otherwise.

    Fix: leave `pod-security.kubernetes.io/enforce: privileged` until the Modules are gone.
    Source: Kubernetes, Pod Security Admission; internal/pod of Kernel Module Management.
    """
    if tightens(review) and not is_by_controller(review) and not override(review):
        name = str(metadata_of(review.object).get("name", ""))
        path: FieldPath = ("metadata", "labels", _ENFORCE)
        for problem in held(review, name, "leave it privileged until they are gone", path):
            yield problem._replace(message=f"KMM's pods are not allowed any more: {problem.message}")


def tightens(review: Review) -> bool:
    """Whether an update of a Namespace ends that privileged pods are allowed in it."""
    if review.kind != "Namespace" or review.old is None:
        return False
    before, after = (as_map(metadata_of(item).get("labels")).get(_ENFORCE) for item in (review.old, review.object))
    return before in (None, "", "privileged") and after in ("baseline", "restricted")


@rule("REF211", kinds=(QUOTA,), facts=True, guards=True)
def no_pods_allowed(review: Review) -> Iterator[Problem]:
    """A ResourceQuota allows no pod in a namespace in which Modules need some to be loaded and unloaded.

    It allows no pods, or less CPU or memory than one of KMM's workers takes: half a CPU and 64 MiB, with limits of one
    CPU and 128 MiB.

    Fix: allow pods until the Modules are gone.
    Source: Kubernetes, Resource Quotas; internal/pod of Kernel Module Management.
    """
    if forbids_pods(review) and not is_by_controller(review) and not override(review):
        path: FieldPath = ("spec", "hard")
        is_of_workers = not _allows_less(review.object, _NOTHING)  # pods of other drivers may take less
        fix = "allow pods until they are gone"
        for problem in held(review, namespace_name(review), fix, path, by_kmm=is_of_workers):
            yield problem._replace(message=f"allows no pod: {problem.message}")


def forbids_pods(review: Review) -> bool:
    """Whether a ResourceQuota becomes one that allows no pod like KMM's."""
    if review.kind != QUOTA:
        return False
    before, now = as_map(review.old), review.object
    return any(_allows_less(now, wanted) and not _allows_less(before, wanted) for wanted in (OF_QUOTAS, _NOTHING))


_NOTHING = dict.fromkeys(OF_QUOTAS, Fraction(1, 10**9))
"""The least that is more than none."""


def _allows_less(quota: object, wanted: Mapping[str, Fraction]) -> bool:
    """Whether a quota that KMM's pods are in has less of something than is wanted."""
    spec = as_map(as_map(quota).get("spec"))
    hard = as_map(spec.get("hard"))
    return _OF_WORKERS.issuperset(_scopes(spec)) and any(
        _is_less(hard.get(key), amount) for key, amount in wanted.items()
    )


def _scopes(spec: Map) -> Iterator[str]:
    """Yield the scopes of a quota, in either spelling, but for one of pods without a priority class, as KMM's are.

    A selector of values is a scope that KMM's pods may not be in.
    """
    scopes = spec.get("scopes")
    yield from map(str, scopes if isinstance(scopes, list) else ())
    expressions = as_map(spec.get("scopeSelector")).get("matchExpressions")
    for item in map(as_map, expressions if isinstance(expressions, list) else ()):
        if item.get("scopeName") == "PriorityClass" and item.get("operator") in ("DoesNotExist", "NotIn"):
            continue
        yield str(item.get("scopeName")) if item.get("operator") == "Exists" else "values"


def _is_less(value: object, least: Fraction) -> bool:
    amount = cpus(value)
    return amount is not None and amount < least
