"""Privileged workloads and their owners, before and after PRV is enforced."""

from __future__ import annotations

from datetime import UTC, datetime

from kmodgate.policy.node_access.owners import Owner, Owners
from tests.policy.node_access.pods import Json, pod, privileged

SINCE = datetime(2026, 6, 1, tzinfo=UTC)
OLD, NEW = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
ACCOUNT = "system:serviceaccount:kube-system:{}"


def rights() -> Json:
    return pod(containers=[privileged()])


def owned(item: Json, kind: str, name: str = "owner", uid: str = "u1") -> Json:
    group, _, plain = kind.rpartition("/")
    reference = {"apiVersion": f"{group}/v1" if group else "v1", "kind": plain, "name": name, "uid": uid}
    item["metadata"]["ownerReferences"] = [{**reference, "controller": True}]
    return item


def owners(*created: datetime, kind: str = "apps/DaemonSet") -> Owners:
    return Owners(tuple(Owner(kind, "apps", "owner", moment) for moment in created))
