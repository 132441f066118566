"""The self-managed CA: the table of its steps, what the Secret holds, and the patch of caBundle."""

from __future__ import annotations

import base64
import ssl
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509

from kmodgate.webhook.certificates.authority import (
    Bundle,
    State,
    Step,
    Terms,
    decode,
    encode,
    next_step,
    signed_by,
    take_step,
)
from kmodgate.webhook.certificates.ca_bundle import Configuration, PublishedWebhook, certificates_of, corrections
from kmodgate.webhook.certificates.issuing import make_authority, make_leaf
from tests.webhook.certificates.replicas import NAMES, verified
from tests.webhook.issued_certificates import NOW

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
