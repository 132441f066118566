"""GIT: objects that do not belong into a repository, or not like this."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.findings import NOT_CHECKED, Problem, Severity
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule


@rule("GIT202", kinds=("Node",))
def node_in_the_tree(review: Review) -> Iterator[Problem]:
    """A Node object in the tree. Argo CD fights the kubelet for it, and pruning it takes the node out of the cluster.

    Fix: label nodes by the machine set, the kubelet or an administrator, not from git.
    Source: Argo CD, docs/user-guide/auto_sync.md; Kubernetes, node controller.
    """
    if review.in_tree:
        yield Problem(("kind",), "pruning a Node takes it out of the cluster", "remove it; label nodes in another way")


@rule("GIT203", kinds=("ConfigMap",))
def dockerfile_with_a_capital(review: Review) -> Iterator[Problem]:
    """A ConfigMap with the key `Dockerfile` and without `dockerfile`, which is the one that KMM reads.

    Fix: name the key `dockerfile`.
    Source: internal/buildsign/resource of Kernel Module Management.
    """
    data = review.object.get("data")
    if isinstance(data, dict) and "Dockerfile" in data and "dockerfile" not in data:
        yield Problem(("data", "Dockerfile"), "KMM reads the key dockerfile", "name it dockerfile")


_ENFORCED = "pod-security.kubernetes.io/enforce"
_MANAGER = "app.kubernetes.io/managed-by"


@rule("GIT204", kinds=("Namespace",), facts=True, severity=Severity.WARNING)
def privileged_for_nobody(review: Review) -> Iterator[Problem]:
    """A namespace that kmodgate made for drivers is still privileged, and no Module is in it any more.

    A namespace is never pruned, because everything in it would go along. Whoever may create pods there may still do
    everything to a node. One that is younger than a day is not judged: its Modules may be on their way.

    Fix: delete the namespace if nothing else is in it, or remove the label.
    Source: Kubernetes, Pod Security Admission; this project's docs/tree.md.
    """
    facts, metadata = review.known, metadata_of(review.object)
    labels = as_map(metadata.get("labels"))
    if labels.get(_ENFORCED) != "privileged" or labels.get(_MANAGER) != "kmodgate" or _is_young(review, metadata):
        return
    modules = facts.listing("Module", str(metadata.get("name", "")))
    if modules.objects or "deletionTimestamp" in metadata:
        return
    if not modules.is_complete:
        message = f"{NOT_CHECKED}: which Modules there are"
        yield Problem(("metadata", "labels", _ENFORCED), message, "give a dump of the cluster: --facts DIR")
    else:
        message = "privileged, and no Module is in it any more"
        yield Problem(("metadata", "labels", _ENFORCED), message, "delete the namespace, or remove the label")


def _is_young(review: Review, metadata: Mapping[str, object]) -> bool:
    """Whether the cluster made it within the last day, as far as a gate has a clock; a manifest has no age."""
    try:
        made = datetime.fromisoformat(str(metadata.get("creationTimestamp", "")))
    except ValueError:
        return False
    return made.tzinfo is not None and review.time() - made < timedelta(days=1)
