"""The self-managed CA as a state machine: what the shared Secret holds, and the next step from there.

Replicas share one Secret and write it by compare-and-swap, so each step is taken once, by whoever comes first, and may
be the last thing that replica ever does. A CA is replaced in an order that leaves no moment at which a leaf in use is
not verified by what the webhook configurations publish:

    prepare   a successor is made; it is published beside the authority and signs nothing yet
    confirm   every configuration was seen with it; from now on the propagation delay runs
    switch    the successor becomes the authority and signs a new leaf; the key of the old one is thrown away
    drop      the last leaf that the old one signed has expired, wherever a replica may still serve it

Pure: time, and what is published, come in as arguments.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from kmodgate.webhook.certificates.issuing import make_authority, make_leaf
from kmodgate.webhook.certificates.key_pair import (
    CertificateError,
    Pair,
    alternative_names,
    key_matches,
    read_certificates,
)

Step = Literal["create", "renew", "prepare", "confirm", "doubt", "switch", "drop", "rest"]

Bundle = frozenset[x509.Certificate]
"""The CAs that one webhook of a configuration publishes."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long things live. The CA renews the leaf; it is replaced itself long before its end cuts a leaf short."""

    authority: timedelta = timedelta(days=3650)
    authority_renewed_before: timedelta = timedelta(days=365)
    leaf: timedelta = timedelta(days=90)
    leaf_renewed_before: timedelta = timedelta(days=30)
    propagation: timedelta = timedelta(hours=1)
    skew: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class State:
    """What the Secret holds.

    `leaf` is None where there is none that the authority signed. `published` is since when every configuration shows
    the successor. `predecessor` is the CA before (PEM, without its key); `predecessor_until` the end of its last leaf.
    """

    authority: Pair
    leaf: Pair | None = None
    successor: Pair | None = None
    published: datetime | None = None
    predecessor: bytes = b""
    predecessor_until: datetime | None = None

    @property
    def bundle(self) -> bytes:
        """What is to be published: PEM, the CA in use first."""
        successor = self.successor.certificate if self.successor else b""
        return self.authority.certificate + successor + self.predecessor


def next_step(
    state: State | None, *, now: datetime, seen: Sequence[Bundle] | None, names: Collection[str], terms: Terms
) -> Step:
    """What is to be done next. `seen` are the bundles that are published, one a webhook; None where nobody knows."""
    if state is None or _end(state.authority) <= now:
        successor = state.successor if state else None
        return "switch" if successor and _end(successor) > now else "create"
    if state.leaf is None or _end(state.leaf) <= now or not _names(state.leaf) >= set(names):
        return "renew"
    if state.predecessor_until and now > state.predecessor_until + terms.skew:
        return "drop"
    succession = _succession(state, now, seen, terms)
    if succession == "rest" and _leaf_is_due(state.authority, state.leaf, now, terms):
        return "renew"
    return succession


def _succession(state: State, now: datetime, seen: Sequence[Bundle] | None, terms: Terms) -> Step:
    """The next step of replacing the CA. One at a time: while the last one is still published no other is begun."""
    if state.successor is None:
        due = _end(state.authority) - now < terms.authority_renewed_before
        return "prepare" if due and not state.predecessor else "rest"
    if seen is None:
        return "rest"
    if not seen or not all(_certificate(state.successor) in bundle for bundle in seen):
        return "doubt" if state.published else "rest"
    if state.published is None:
        return "confirm"
    return "switch" if now >= state.published + terms.propagation else "rest"


def _leaf_is_due(authority: Pair, leaf: Pair, now: datetime, terms: Terms) -> bool:
    """Whether a new leaf is worth it: near the end of its CA a new one would end with the CA too."""
    end = _end(leaf)
    return end - now < terms.leaf_renewed_before and end < min(now + terms.leaf, _end(authority))


def take_step(step: Step, state: State | None, *, now: datetime, names: Sequence[str], terms: Terms) -> State:
    """The state after `step`, a successor of `state` as `next_step` chose it. Makes the keys that the step needs."""
    if state is None or step == "create":
        return _with_leaf(State(make_authority(now, terms.authority)), now, names, terms)
    if step == "renew":
        return _with_leaf(state, now, names, terms)
    if step == "prepare":
        return replace(state, successor=make_authority(now, terms.authority), published=None)
    if step == "confirm":
        return replace(state, published=now)
    if step == "doubt":
        return replace(state, published=None)
    if step == "drop":
        return replace(state, predecessor=b"", predecessor_until=None)
    if step == "switch" and state.successor:
        until = _end(state.leaf) if state.leaf else now
        switched = State(state.successor, predecessor=state.authority.certificate, predecessor_until=until)
        return _with_leaf(switched, now, names, terms)
    return state


def _with_leaf(state: State, now: datetime, names: Sequence[str], terms: Terms) -> State:
    return replace(state, leaf=make_leaf(state.authority, names, now, terms.leaf))


def encode(state: State) -> dict[str, bytes]:
    """The keys of the Secret. `tls.crt`, `tls.key` and `ca.crt` are as in a Secret of type kubernetes.io/tls."""
    leaf, successor = state.leaf or Pair(b"", b""), state.successor or Pair(b"", b"")
    return {
        "tls.crt": leaf.certificate,
        "tls.key": leaf.key,
        "ca.crt": state.authority.certificate,
        "ca.key": state.authority.key,
        "next-ca.crt": successor.certificate,
        "next-ca.key": successor.key,
        "next-ca-published": _written(state.published),
        "old-ca.crt": state.predecessor,
        "old-ca-until": _written(state.predecessor_until),
    }


def decode(data: Mapping[str, bytes]) -> State | None:
    """The state that a Secret holds; None where it holds no CA that can sign.

    What else cannot be used is left out: a leaf that the CA did not sign, a successor without its key.
    """
    authority = _pair(data, "ca")
    if authority is None:
        return None
    leaf = _pair(data, "tls")
    until = _read(data.get("old-ca-until", b""))
    try:
        predecessor = data.get("old-ca.crt", b"") if until and read_certificates(data.get("old-ca.crt", b"")) else b""
    except CertificateError:
        predecessor = b""
    return State(
        authority=authority,
        leaf=leaf if leaf and signed_by(leaf, authority) else None,
        successor=_pair(data, "next-ca"),
        published=_read(data.get("next-ca-published", b"")),
        predecessor=predecessor,
        predecessor_until=until if predecessor else None,
    )


def signed_by(leaf: Pair, authority: Pair) -> bool:
    """Whether the certificate of `authority` signed that of `leaf`."""
    try:
        _certificate(leaf).verify_directly_issued_by(_certificate(authority))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _pair(data: Mapping[str, bytes], name: str) -> Pair | None:
    pair = Pair(data.get(f"{name}.crt", b""), data.get(f"{name}.key", b""))
    try:
        usable = key_matches(pair) and isinstance(_certificate(pair).public_key(), ec.EllipticCurvePublicKey)
    except CertificateError:
        return None
    return pair if usable else None


def _certificate(pair: Pair) -> x509.Certificate:
    return read_certificates(pair.certificate)[0]


def _end(pair: Pair) -> datetime:
    return _certificate(pair).not_valid_after_utc


def _names(pair: Pair) -> set[str]:
    return set(alternative_names(_certificate(pair)))


def _written(moment: datetime | None) -> bytes:
    return moment.isoformat().encode() if moment else b""


def _read(text: bytes) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.decode())
    except ValueError:
        return None
    return moment if moment.tzinfo else None
