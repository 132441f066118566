"""REF: what the pods of a Module may do in the cluster, by facts."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster.facts import UNKNOWN, Unknown
from kmodgate.policy.cluster.openshift_scc import KINDS, PRIVILEGED, may_run_privileged
from kmodgate.policy.findings import NOT_CHECKED, Problem, Severity
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.part import Part

_OPERATORS = ("openshift-kmm", "openshift-kmm-hub")
"""The namespaces in which Red Hat's build gives pods without an account one of its own."""


@rule("REF105", kinds=("Module",), facts=True, severity=Severity.WARNING)
def no_privileged_scc(review: Review) -> Iterator[Problem]:
    """On OpenShift no SCC lets the pods of the Module be privileged: they are never made, and no status tells.

    KMM's worker pods run as the ServiceAccount of the module loader, those of a device plugin or a DRA driver as
    theirs; where none is named it is `default`. The right is a RoleBinding in the namespace of the Module.

    Fix: bind the ClusterRole `system:openshift:scc:privileged` to the account in the Module's namespace; for a
    KernelDriver, `scc: privileged`.
    Source: docs/mkdocs/documentation/deploy_kmod.md of Kernel Module Management; OpenShift, Managing security context
    constraints.
    """
    if not review.is_on_openshift:
        return
    facts, namespace = review.known, review.module.metadata.text("namespace")
    for part in [*([review.module.loader] if review.module.loader else []), *review.module.plugins]:
        account = part.text("serviceAccountName") or "default"
        may: bool | Unknown = may_run_privileged(facts, namespace, account)
        if _is_named_by_operator(part, namespace) or may is True:
            continue
        if may is UNKNOWN:
            message = f"{NOT_CHECKED}: which accounts may run privileged pods"
            kinds = ", ".join(KINDS)
            yield part.problem("serviceAccountName", message, f"give a dump with all of {kinds}: --facts DIR")
        else:
            message = f"ServiceAccount {namespace}/{account} may use no SCC for privileged pods"
            fix = f"bind ClusterRole system:openshift:scc:{PRIVILEGED} to it in namespace {namespace}"
            yield part.problem("serviceAccountName", message, fix)


def _is_named_by_operator(part: Part, namespace: str) -> bool:
    return namespace in _OPERATORS and not part.text("serviceAccountName")
