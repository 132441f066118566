"""What controllers write for their owners, and pods of controllers that were there before PRV was enforced."""

from __future__ import annotations

from typing import Any

import pytest

from kmodgate.policy.findings import Mode
from kmodgate.policy.node_access.owners import Owner, Owners
from tests.policy.node_access.owned_workloads import ACCOUNT, NEW, OLD, SINCE, owned, owners, rights
from tests.policy.node_access.pods import Json, modes, template

MAKERS = {
    "apps/DaemonSet": "daemon-set-controller", "apps/ReplicaSet": "replicaset-controller",
    "apps/StatefulSet": "statefulset-controller", "batch/Job": "job-controller",
    "ReplicationController": "replication-controller",
}  # fmt: skip
WRITTEN = [
    ("apps/ReplicaSet", "apps/Deployment", "deployment-controller"),
    ("batch/Job", "batch/CronJob", "cronjob-controller"),
]


def policy(**access: Any) -> Json:
    return {"modes": {"PRV": "enforce"}, "parameters": {"kernelAccess": access}}


DATED = policy(enforcedSince="2026-06-01T00:00:00Z")


@pytest.mark.parametrize(("kind", "owner", "controller"), WRITTEN)
def test_what_its_controller_writes_for_a_live_owner_passes(kind: str, owner: str, controller: str) -> None:
    for user in (ACCOUNT.format(controller), "system:kube-controller-manager"):
        item = owned(template(kind, rights()), owner)
        assert modes(item, user=user, owners=owners(NEW, kind=owner)) == {Mode.AUDIT}
        assert modes(item, user=user, owners=Owners((), "unknown")) == {Mode.AUDIT}


@pytest.mark.parametrize(("kind", "owner", "controller"), WRITTEN)
def test_whoever_else_writes_one_is_judged_whatever_it_says(kind: str, owner: str, controller: str) -> None:
    item = owned(template(kind, rights()), owner)
    others = [
        "alice",
        "system:admin",
        ACCOUNT.format("daemon-set-controller"),
        f"system:serviceaccount:apps:{controller}",
    ]
    for user in others:
        assert modes(item, user=user, owners=owners(OLD, kind=owner)) == {Mode.ENFORCE}
    user = ACCOUNT.format(controller)
    assert modes(item, user=user, owners=Owners((), "gone")) == {Mode.ENFORCE}
    assert modes(item, user=user, owners=None) == {Mode.ENFORCE}
    assert modes(template(kind, rights()), user=user, owners=owners(OLD)) == {Mode.ENFORCE}
    stranger = owned(template(kind, rights()), "example.com/Rollout")
    assert modes(stranger, user=user, owners=owners(OLD)) == {Mode.ENFORCE}


@pytest.mark.parametrize(("kind", "controller"), MAKERS.items())
def test_a_pod_of_an_older_controller_passes_with_a_warning(kind: str, controller: str) -> None:
    item = owned(rights(), kind)
    for user in (ACCOUNT.format(controller), "system:kube-controller-manager"):
        assert modes(item, DATED, user=user, owners=owners(OLD, kind=kind)) == {Mode.WARN}
        assert modes(item, DATED, user=user, owners=owners(NEW, kind=kind)) == {Mode.ENFORCE}
        assert modes(item, DATED, user=user, owners=owners(SINCE, kind=kind)) == {Mode.ENFORCE}


def test_of_a_chain_the_controller_that_people_wrote_counts() -> None:
    item, user = owned(rights(), "apps/ReplicaSet"), ACCOUNT.format("replicaset-controller")
    assert modes(item, DATED, user=user, owners=owners(NEW, OLD)) == {Mode.WARN}
    assert modes(item, DATED, user=user, owners=owners(OLD, NEW)) == {Mode.ENFORCE}


def test_where_the_time_of_the_enforcement_is_not_known_the_existing_passes() -> None:
    item, user = owned(rights(), "apps/DaemonSet"), ACCOUNT.format("daemon-set-controller")
    assert modes(item, policy(), user=user, owners=owners(NEW)) == {Mode.WARN}
    assert modes(item, DATED, user=user, owners=Owners((), "unknown")) == {Mode.WARN}
    undated = Owners((Owner("apps/DaemonSet", "apps", "owner", None),))
    assert modes(item, DATED, user=user, owners=undated) == {Mode.WARN}


def test_the_policy_may_refuse_the_existing() -> None:
    item, user = owned(rights(), "apps/DaemonSet"), ACCOUNT.format("daemon-set-controller")
    for found in (owners(OLD), Owners((), "unknown")):
        assert modes(item, policy(existing="refuse"), user=user, owners=found) == {Mode.ENFORCE}
        assert modes(item, policy(existing="pass"), user=user, owners=found) == {Mode.WARN}


def test_an_owner_that_is_not_there_or_another_maker_lets_nothing_through() -> None:
    item, user = owned(rights(), "apps/DaemonSet"), ACCOUNT.format("daemon-set-controller")
    assert modes(item, policy(), user=user, owners=Owners((), "gone")) == {Mode.ENFORCE}
    for other in ("alice", ACCOUNT.format("job-controller"), "system:node:worker-1"):
        assert modes(item, policy(), user=other, owners=owners(OLD)) == {Mode.ENFORCE}


def test_what_kmm_runs_for_a_module_is_recorded_only_however_new_it_is() -> None:
    item, user = owned(rights(), "apps/DaemonSet"), ACCOUNT.format("daemon-set-controller")
    plugin = Owners(
        (Owner("apps/DaemonSet", "apps", "nic-plugin", NEW), Owner("kmm.sigs.x-k8s.io/Module", "apps", "nic", NEW))
    )
    assert modes(item, DATED, user=user, owners=plugin) == {Mode.AUDIT}
    assert modes(item, policy(existing="refuse"), user=user, owners=plugin) == {Mode.AUDIT}
    assert modes(item, DATED, user="alice", owners=plugin) == {Mode.ENFORCE}
    assert modes(owned(rights(), "kmm.sigs.x-k8s.io/Module"), DATED, user=user, owners=plugin) == {Mode.ENFORCE}
    assert modes(owned(template("apps/DaemonSet", rights()), "kmm.sigs.x-k8s.io/Module"), DATED) == {Mode.ENFORCE}


def test_approved_once_it_passes_without_a_word() -> None:
    item, user = owned(rights(), "apps/DaemonSet"), ACCOUNT.format("daemon-set-controller")
    approved = policy(approved=[{"namespace": "apps", "serviceAccount": "default"}], existing="refuse")
    assert modes(item, approved, user=user) == set()


def test_what_the_policy_only_records_is_not_made_a_warning() -> None:
    item, user = owned(rights(), "apps/DaemonSet"), ACCOUNT.format("daemon-set-controller")
    assert modes(item, {}, user=user, owners=owners(OLD)) == {Mode.AUDIT}
