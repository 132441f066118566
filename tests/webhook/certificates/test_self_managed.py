"""Replicas of the self-managed certificates: in any order, crashing anywhere, late, and without some rights."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kmodgate.webhook.certificates.authority import Terms, decode
from kmodgate.webhook.certificates.ca_bundle import certificates_of
from kmodgate.webhook.certificates.self_managed import PATIENCE, ApiError, Conflict
from tests.draws import drawn
from tests.webhook.certificates.certificate_store import Cluster
from tests.webhook.certificates.replicas import Replica, finish, turn, verified
from tests.webhook.issued_certificates import NOW

TERMS = Terms()
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LATE = NOW + TERMS.authority - 100 * DAY


def test_the_first_replica_makes_what_the_others_serve() -> None:
    cluster, clock = Cluster.with_configurations(), [NOW]
    replicas = [Replica(cluster, clock) for _ in range(3)]
    for replica in replicas:
        turn(replica)
    assert len({replica.certificates.fingerprint for replica in replicas}) == 1
    assert all(
        verified(replica.leaf, bundle, NOW) for replica in replicas for bundle in cluster.bundles if replica.leaf
    )
    assert cluster.writes == [
        "create Secret",
        "patch ValidatingWebhookConfiguration",
        "patch MutatingWebhookConfiguration",
    ]


def test_replicas_that_start_at_once_agree() -> None:
    cluster, clock = Cluster.with_configurations(), [NOW]
    replicas = [Replica(cluster, clock) for _ in range(3)]
    while any([replica.go() for replica in replicas]):
        pass
    for replica in replicas:
        turn(replica)
    assert len({replica.certificates.fingerprint for replica in replicas}) == 1
    assert cluster.writes.count("create Secret") == 1


def test_keys_of_the_secret_that_are_not_ours_stay() -> None:
    cluster = Cluster.with_configurations()
    cluster.secret = {"note": b"kept"}
    turn(Replica(cluster, [NOW]))
    assert cluster.secret["note"] == b"kept"
    assert decode(cluster.secret) is not None


def test_the_cas_of_clients_are_read_anew_with_each_turn(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    replica = Replica(Cluster.with_configurations(), [NOW], client_ca=file)
    for content in (b"first", b"second"):
        file.write_bytes(content)
        turn(replica)
        assert replica.certificates.material is not None
        assert replica.certificates.material.client_ca == content


def test_a_bundle_that_somebody_overwrites_is_put_back() -> None:
    cluster, clock = Cluster.with_configurations(), [NOW]
    replica = Replica(cluster, clock)
    turn(replica)
    good = cluster.bundles
    cluster.overwrite("MutatingWebhookConfiguration", b"")
    turn(replica)
    assert cluster.bundles == good


def test_without_the_right_to_patch_one_the_other_is_published_and_the_leaf_served() -> None:
    cluster = Cluster.with_configurations()
    cluster.denied = {"patch ValidatingWebhookConfiguration"}
    replica = Replica(cluster, [NOW])
    with pytest.raises(ApiError, match="403"):
        finish(replica.managed)
    assert [bool(bundle) for bundle in cluster.bundles] == [False, False, True]
    assert replica.leaf is not None


def test_a_race_for_the_patch_is_no_error_but_one_that_never_ends_is() -> None:
    cluster = Cluster.with_configurations()
    cluster.conflicts = {"MutatingWebhookConfiguration"}
    replica = Replica(cluster, [NOW])
    for _ in range(PATIENCE):
        finish(replica.managed)
    with pytest.raises(Conflict):
        finish(replica.managed)
    cluster.conflicts = set()
    finish(replica.managed)
    assert all(cluster.bundles)


def test_without_the_right_to_read_configurations_the_leaf_is_served_and_renewed() -> None:
    cluster, clock = Cluster.with_configurations(), [NOW]
    cluster.denied = {"read configurations"}
    replica = Replica(cluster, clock)
    for moment in (NOW, NOW + 61 * DAY):
        clock[0] = moment
        with pytest.raises(ApiError, match="403"):
            finish(replica.managed)
        assert replica.certificates.valid_for(80 * DAY)


def test_a_turn_that_slept_through_a_rotation_puts_no_old_bundle_back() -> None:
    cluster, clock = Cluster.with_configurations(), [NOW]
    sleeper, other = Replica(cluster, clock), Replica(cluster, clock)
    turn(other)
    cluster.overwrite("ValidatingWebhookConfiguration", b"")
    for _ in range(5):  # two reads, each left again, and up to the patch
        sleeper.go()
    for moment in (LATE, LATE, LATE + 2 * HOUR, LATE + 2 * HOUR):
        clock[0] = moment
        turn(other)
    turn(sleeper)
    assert other.leaf is not None
    assert all(verified(other.leaf, bundle, clock[0]) for bundle in cluster.bundles)


def test_a_whole_rotation_by_turns_ends_with_the_new_ca_alone() -> None:
    cluster, clock = Cluster.with_configurations(), [NOW]
    replicas = [Replica(cluster, clock) for _ in range(2)]
    turn(replicas[0])
    old = certificates_of(cluster.bundles[0])
    moment, sizes = NOW, set()
    while moment < NOW + TERMS.authority + 30 * DAY:
        moment += 10 * DAY
        clock[0] = moment
        for replica in replicas:
            turn(replica)
            assert all(verified(replica.leaf, bundle, moment) for bundle in cluster.bundles if replica.leaf)
        sizes.add(len(certificates_of(cluster.bundles[0])))
    assert sizes == {1, 2}
    assert len(certificates_of(cluster.bundles[0])) == 1
    assert certificates_of(cluster.bundles[0]).isdisjoint(old)


class Rotation(RuleBasedStateMachine):
    """Replicas in any order, each stopped anywhere, each crashing anywhere, and time that jumps.

    The API servers see a bundle late, by up to the propagation delay. Whatever any of them still goes by verifies
    whatever any replica serves, as long as that has not expired.
    """

    @initialize(age=st.sampled_from([timedelta(0), TERMS.authority - 370 * DAY, TERMS.authority - 364 * DAY]))
    def install(self, age: timedelta) -> None:
        self.clock = [NOW]
        self.cluster = Cluster.with_configurations()
        self.replicas = [Replica(self.cluster, self.clock) for _ in range(3)]
        turn(self.replicas[0])
        self.clock[0] += age
        turn(self.replicas[0])
        self.history = [(self.clock[0], list(self.cluster.bundles))]

    @rule(which=st.integers(0, 2), stops=st.integers(1, 8))
    def go(self, which: int, stops: int) -> None:
        for _ in range(stops):
            self.replicas[which].go()
            self.observe()

    @rule(which=st.integers(0, 2))
    def turn(self, which: int) -> None:
        turn(self.replicas[which])
        self.observe()

    @rule(which=st.integers(0, 2))
    def crash(self, which: int) -> None:
        self.replicas[which].crash()

    @rule(which=st.integers(0, 2))
    def restart(self, which: int) -> None:
        self.replicas[which].crash()
        self.replicas[which] = Replica(self.cluster, self.clock)

    @rule(span=st.sampled_from([timedelta(minutes=1), timedelta(minutes=59), HOUR, DAY, 29 * DAY, 61 * DAY, 365 * DAY]))
    def wait(self, span: timedelta) -> None:
        self.clock[0] += span

    def observe(self) -> None:
        self.history.append((self.clock[0], list(self.cluster.bundles)))

    def effective(self) -> list[bytes]:
        """The bundles that an API server may go by now: the newest, and what was replaced within the delay."""
        since = self.clock[0] - TERMS.propagation + timedelta(seconds=1)
        recent = [bundles for moment, bundles in self.history if moment > since]
        older = [bundles for moment, bundles in self.history if moment <= since][-1:]
        return [bundle for bundles in (*older, *recent) for bundle in bundles]

    @invariant()
    def whatever_is_published_verifies_whatever_is_served(self) -> None:
        if not hasattr(self, "clock"):
            return
        self.history = self.history[-1:] if self.history[-1][0] < self.clock[0] - TERMS.propagation else self.history
        bundles = set(self.effective())
        for replica in self.replicas:
            if replica.leaf and replica.certificates.valid_for(timedelta(0)) and not self.outlived():
                assert all(verified(replica.leaf, bundle, self.clock[0]) for bundle in bundles)

    def outlived(self) -> bool:
        """Whether the CA ended while nobody ran: then one is made anew, and the first bundle is late for it."""
        return any(
            certificate.not_valid_after_utc <= self.clock[0]
            for bundle in self.effective()
            for certificate in certificates_of(bundle)
        )


TestRotation = Rotation.TestCase
TestRotation.settings = settings(max_examples=drawn(25), stateful_step_count=40)
