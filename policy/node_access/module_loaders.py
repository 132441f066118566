"""Who may load kernel modules: what clusters have anyway, by namespace and ServiceAccount, and what the policy adds.

Never by a label, which whoever makes a pod can set. A ServiceAccount is the namespace's, and who may make pods with it
is the cluster's RBAC.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import get_args

from kmodgate.policy.config import Platform
from kmodgate.policy.node_access.starters import STARTERS
from kmodgate.policy.views.pod import PodView

_KNOWN = {
    platform: frozenset(
        (item.namespace, name) for item in STARTERS if item.platform in (None, platform) for name in item.accounts
    )
    for platform in get_args(Platform)
}

_KMM_GROUP = "kmm.sigs.x-k8s.io"


def is_approved(
    pod: PodView,
    user: str,
    approved: Collection[tuple[str, str]],
    *,
    is_by_kmm: bool,
    platform: Platform,
) -> bool:
    """Whether a pod may load kernel modules on a cluster of a platform.

    `approved` are namespaces and ServiceAccounts of the policy, `is_by_kmm` is whether KMM makes the pod. One that says
    that KMM owns it is believed only where nobody asks.
    """
    account = (pod.namespace, pod.service_account)
    if account in _KNOWN[platform] or account in approved or is_by_kmm:
        return True
    return not user and any(group == _KMM_GROUP for group, _ in pod.controllers)
