"""GIT: objects that do not belong into a repository, or not like this."""

from __future__ import annotations

from collections.abc import Iterator

from policy.engine import Review, rule
from policy.findings import Problem, Severity


@rule("GIT201", kinds=("Secret",), severity=Severity.WARNING)
def plain_secret(review: Review) -> Iterator[Problem]:
    """A Secret with its values in the tree: whoever may read the repository has them, for ever.

    Fix: commit an ExternalSecret or a SealedSecret instead, and change the secret.
    Source: Argo CD, docs/operator-manual/secret-management.md.
    """
    for key in ("data", "stringData"):
        if review.in_tree and review.object.get(key):
            fix = "commit an ExternalSecret or a SealedSecret instead, and change the secret"
            yield Problem((key,), "a secret that everybody who reads the repository has", fix)


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
