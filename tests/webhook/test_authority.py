"""The self-managed CA: tables of its steps, replicas in any order, and what is published at every moment."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.webhook.apiserver import Cluster, FakeConfigurations, FakeSecrets
from tests.webhook.certificates import NOW
from webhook.authority import Bundle, State, Step, Terms, decode, encode, next_step, signed_by, take_step
from webhook.cabundle import Configuration, PublishedWebhook, certificates_of, corrections
from webhook.issuing import make_authority, make_leaf, service_names
from webhook.keypair import CertificateError, Pair
from webhook.selfmanaged import ApiError, SelfManaged
from webhook.tls import Certificates

NAMES = service_names("kmodgate-webhook", "kmodgate")
TERMS = Terms()
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CREATED = take_step("create", None, now=NOW, names=NAMES, terms=TERMS)
LATE = NOW + TERMS.authority - 100 * DAY
RENEWED = take_step("renew", CREATED, now=LATE, names=NAMES, terms=TERMS)
PREPARED = take_step("prepare", RENEWED, now=LATE, names=NAMES, terms=TERMS)
CONFIRMED = take_step("confirm", PREPARED, now=LATE, names=NAMES, terms=TERMS)
SWITCHED = take_step("switch", CONFIRMED, now=LATE + HOUR, names=NAMES, terms=TERMS)
RENEWED_AGAIN = take_step("renew", SWITCHED, now=LATE + 61 * DAY, names=NAMES, terms=TERMS)
DROPPED = take_step("drop", RENEWED_AGAIN, now=LATE + 91 * DAY, names=NAMES, terms=TERMS)


def seen(*states: State) -> list[Bundle]:
    return [certificates_of(state.bundle) for state in states]


STEPS: list[tuple[str, State | None, datetime, list[Bundle] | None, Step]] = [
    ("nothing yet", None, NOW, [], "create"),
    ("fresh, not published", CREATED, NOW, [frozenset()], "rest"),
    ("fresh, published", CREATED, NOW, seen(CREATED, CREATED), "rest"),
    ("a leaf that has most of its time", CREATED, NOW + 59 * DAY, seen(CREATED), "rest"),
    ("a leaf near its end", CREATED, NOW + 61 * DAY, seen(CREATED), "renew"),
    ("a leaf near its end, nothing known", CREATED, NOW + 61 * DAY, None, "renew"),
    ("a leaf that has ended", CREATED, NOW + 91 * DAY, seen(CREATED), "renew"),
    ("no leaf", replace(CREATED, leaf=None), NOW, seen(CREATED), "renew"),
    ("a CA near its end", RENEWED, LATE, seen(CREATED), "prepare"),
    ("a CA that has ended", CREATED, NOW + TERMS.authority + DAY, seen(CREATED), "create"),
    ("a successor that nobody publishes", PREPARED, LATE, seen(CREATED, CREATED), "rest"),
    ("a successor that one webhook lacks", PREPARED, LATE, seen(PREPARED, CREATED), "rest"),
    ("a successor, no webhook to ask", PREPARED, LATE, [], "rest"),
    ("a successor, nothing known", PREPARED, LATE, None, "rest"),
    ("a successor that is published", PREPARED, LATE, seen(PREPARED, PREPARED), "confirm"),
    ("published a moment ago", CONFIRMED, LATE + HOUR - timedelta(seconds=1), seen(PREPARED), "rest"),
    ("published for the delay", CONFIRMED, LATE + HOUR, seen(PREPARED), "switch"),
    ("published for the delay, nothing known", CONFIRMED, LATE + HOUR, None, "rest"),
    ("published, and taken back by somebody", CONFIRMED, LATE + HOUR, seen(PREPARED, CREATED), "doubt"),
    ("switched", SWITCHED, LATE + HOUR, seen(PREPARED), "rest"),
    ("switched, the last old leaf at its end", RENEWED_AGAIN, LATE + 90 * DAY, seen(SWITCHED), "rest"),
    ("switched, the last old leaf past its end", RENEWED_AGAIN, LATE + 90 * DAY + 2 * HOUR, seen(SWITCHED), "drop"),
    ("dropped", DROPPED, LATE + 91 * DAY, seen(DROPPED), "rest"),
    ("a CA that ended before its successor was published", PREPARED, NOW + TERMS.authority + DAY, None, "switch"),
]


@pytest.mark.parametrize(("state", "now", "published", "step"), [case[1:] for case in STEPS], ids=[c[0] for c in STEPS])
def test_the_next_step(state: State | None, now: datetime, published: list[Bundle] | None, step: Step) -> None:
    assert next_step(state, now=now, seen=published, names=NAMES, terms=TERMS) == step


def test_a_leaf_for_other_names_is_made_again() -> None:
    assert next_step(CREATED, now=NOW, seen=None, names=("other.svc",), terms=TERMS) == "renew"


def test_near_the_end_of_its_ca_a_leaf_is_not_renewed_over_and_over() -> None:
    now = NOW + TERMS.authority - DAY
    state = take_step("renew", PREPARED, now=now, names=NAMES, terms=TERMS)
    assert next_step(state, now=now, seen=seen(CREATED), names=NAMES, terms=TERMS) == "rest"


def test_the_bundle_goes_from_one_ca_over_both_to_the_other() -> None:
    old, new = certificates_of(CREATED.bundle), certificates_of(DROPPED.bundle)
    assert len(old) == len(new) == 1
    assert old.isdisjoint(new)
    assert certificates_of(PREPARED.bundle) == certificates_of(SWITCHED.bundle) == old | new


def test_the_key_of_the_old_ca_is_thrown_away_with_the_switch() -> None:
    assert CREATED.authority.key not in encode(SWITCHED).values()


@pytest.mark.parametrize("state", [CREATED, PREPARED, CONFIRMED, SWITCHED, DROPPED])
def test_the_secret_holds_the_whole_state(state: State) -> None:
    assert decode(encode(state)) == state


@pytest.mark.parametrize("broken", sorted(encode(SWITCHED)))
@pytest.mark.parametrize("content", [b"", b"garbage", CREATED.authority.key])
def test_what_cannot_be_used_of_a_secret_is_left_out(broken: str, content: bytes) -> None:
    state = decode({**encode(SWITCHED), broken: content})
    assert (state is None) is broken.startswith("ca.")
    if state is not None:
        assert (state.leaf is None) is broken.startswith("tls.")
        assert bool(state.predecessor) is not broken.startswith("old-ca")


def test_a_leaf_of_another_ca_is_no_leaf() -> None:
    stranger = make_leaf(make_authority(NOW, DAY), NAMES, NOW, DAY)
    state = decode({**encode(CREATED), "tls.crt": stranger.certificate, "tls.key": stranger.key})
    assert state is not None
    assert state.leaf is None


def verified(leaf: Pair, bundle: bytes, now: datetime) -> bool:
    """Whether a caller that trusts `bundle` accepts the leaf for the name that the API server asks for."""
    certificates = x509.load_pem_x509_certificates(bundle) if bundle else []
    if not certificates:
        return False
    policy = PolicyBuilder().store(Store(certificates)).time(now.replace(tzinfo=None))
    try:
        policy.build_server_verifier(x509.DNSName(NAMES[0])).verify(
            x509.load_pem_x509_certificate(leaf.certificate), []
        )
    except VerificationError:
        return False
    return True


def test_a_leaf_is_accepted_by_its_ca_and_no_other() -> None:
    assert SWITCHED.leaf is not None
    assert verified(SWITCHED.leaf, SWITCHED.authority.certificate, LATE + HOUR)
    assert not verified(SWITCHED.leaf, CREATED.authority.certificate, LATE + HOUR)
    assert signed_by(SWITCHED.leaf, SWITCHED.authority)
    ssl.create_default_context(cadata=SWITCHED.bundle.decode())


def test_a_leaf_never_outlives_its_ca() -> None:
    authority = make_authority(NOW, 10 * DAY)
    leaf = x509.load_pem_x509_certificate(make_leaf(authority, NAMES, NOW + 9 * DAY, 90 * DAY).certificate)
    assert leaf.not_valid_after_utc == x509.load_pem_x509_certificate(authority.certificate).not_valid_after_utc


# --- caBundle ---


def configuration(*bundles: bytes) -> Configuration:
    webhooks = tuple(PublishedWebhook(f"{index}.kmodgate.io", bundle) for index, bundle in enumerate(bundles))
    return Configuration("ValidatingWebhookConfiguration", "kmodgate", "7", webhooks)


def test_only_bundles_that_differ_are_patched_and_the_patch_names_version_and_webhook() -> None:
    wanted = certificates_of(CREATED.bundle)
    assert corrections(configuration(CREATED.bundle, b"", b"garbage"), "Q0E=", wanted) == [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "test", "path": "/webhooks/1/name", "value": "1.kmodgate.io"},
        {"op": "add", "path": "/webhooks/1/clientConfig/caBundle", "value": "Q0E="},
        {"op": "test", "path": "/webhooks/2/name", "value": "2.kmodgate.io"},
        {"op": "add", "path": "/webhooks/2/clientConfig/caBundle", "value": "Q0E="},
    ]


def test_a_bundle_with_the_same_cas_in_another_order_is_left_alone() -> None:
    first, second = PREPARED.authority.certificate, (PREPARED.successor or PREPARED.authority).certificate
    found = configuration(second + b"\n# a comment\n" + first)
    assert corrections(found, base64.b64encode(PREPARED.bundle).decode(), certificates_of(PREPARED.bundle)) == []


# --- replicas ---


class Replica:
    """One process: its certificate, and the turn that it is in the middle of."""

    def __init__(self, cluster: Cluster, clock: list[datetime]) -> None:
        self.certificates = Certificates(now=lambda: clock[0])
        self.managed = SelfManaged(
            FakeSecrets(cluster), FakeConfigurations(cluster), self.certificates, names=NAMES, now=lambda: clock[0]
        )
        self._turn: Coroutine[Any, Any, None] | None = None

    def go(self) -> bool:
        """Go on to the next stop; False at the end of a turn."""
        self._turn = self._turn or self.managed.turn()
        try:
            self._turn.send(None)
        except (StopIteration, ApiError, CertificateError):
            self._turn = None
            return False
        return True

    def crash(self) -> None:
        if self._turn:
            self._turn.close()
            self._turn = None

    @property
    def leaf(self) -> Pair | None:
        material = self.certificates.material
        return material.pair if material else None


def turn(replica: Replica) -> None:
    while replica.go():
        pass


def finish(managed: SelfManaged) -> None:
    """A whole turn, what it raises included."""
    coroutine = managed.turn()
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        pass


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
TestRotation.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
