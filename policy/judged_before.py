"""What was found about objects before: controllers send the same spec again and again.

The problems of the rules that need no facts are a function of the review alone. They are kept under a digest of exactly
what these rules look at: from the second review on, or from the first of an object with a generated name, of which more
are to come. To keep what nobody asks again takes a sixth of the time, and the place of what somebody does. What depends
on the clock, on facts or on exceptions is worked out at each review. A gate may keep its answer beside them, for as
long as nothing else that it rests on changes. Patches are not kept: working one out takes less time than its key.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kmodgate.policy.cluster.facts import UNKNOWN, Facts, metadata_of
from kmodgate.policy.findings import FieldPath, Finding, Mode, Problem, Severity
from kmodgate.policy.json_schema.violations import Violation
from kmodgate.policy.kmm.kinds import MODULE_KINDS, kind_of
from kmodgate.policy.review import ClusterTraits, Review
from kmodgate.policy.rule import Rule
from kmodgate.policy.views.part import Map, text_in
from kmodgate.policy.views.pod import POD_KINDS

MOST_ENTRIES = 4096
MOST_BYTES = 8 << 20
_LARGEST = 64 << 10
"""Bytes of one entry; whoever has more problems takes no more room than others."""

_OF_ENTRY, _OF_PROBLEM = 512, 512
"""Bytes that an entry and a problem take beside their texts, about."""

_KINDS = frozenset((*MODULE_KINDS, *POD_KINDS))

_UNREAD: dict[str, type] = {"resourceVersion": str, "uid": str, "generation": int}
"""Fields of the metadata that differ at each update, and that no rule without facts looks at: the schema of a Module
asks for their type alone."""

_UNREAD_OF_PODS = (*_UNREAD, "creationTimestamp", "managedFields")
"""Fields of pods, which have no schema here."""

_PREFIX = b'{"name":"kube-api-access-'
_TOKEN = re.compile(
    rb'\{"name":"(kube-api-access-[a-z0-9]{5})",'
    rb'(?:"projected":\{|"readOnly":true,"mountPath":"/var/run/secrets/kubernetes\.io/serviceaccount"\})'
)
"""The volume that the API server adds to each pod under a name of its own, and where a container has it."""

_ANY_NAME = b"\0"
"""Stands for such a name in what is digested; JSON writes this character otherwise."""

_PLAIN = re.compile(r"[a-z0-9.-]+")
_ENDING = re.compile(r"[b-df-hj-np-tv-z0-9]+")
"""What the API server and controllers add to a prefix: consonants and digits, which make no word that rules know."""


class Judged(NamedTuple):
    """One problem as the engine found it: the rule, what its findings do by the policy, and how severe it is."""

    rule: Rule
    mode: Mode
    problem: Problem
    severity: Severity
    is_bug: bool = False


@dataclass(slots=True)
class Found:
    """The problems of a review, and what its schema said, which rules with facts look at, too; None if nobody asked.

    `findings` are those of the problems where nothing but the title of the object decides them. `answer` is what a gate
    keeps beside them. `key` and `sizes` are the owner's: what it is kept by, and the bytes of problems and answer.
    """

    problems: Sequence[Judged]
    violations: Sequence[Violation] | None
    title: str
    findings: Sequence[tuple[Finding, FieldPath]] | None
    answer: Any = None
    key: bytes = b""
    sizes: tuple[int, int] = (0, 0)


class Key(NamedTuple):
    """The digest of a review, and texts of the object that are not in it: no kept problem may quote them."""

    digest: bytes
    left_out: tuple[str, ...]

    def is_quoted_in(self, texts: Sequence[str]) -> bool:
        """Whether texts hold one that is left out."""
        return any(name in text for name in self.left_out for text in texts)


class Noted:
    """Facts, and whether a rule has asked for some."""

    __slots__ = ("_facts", "were_asked")

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self.were_asked = False

    def __getattr__(self, name: str) -> Any:
        self.were_asked = True
        return getattr(self._facts, name)


class JudgedBefore:
    """The problems of the latest reviews by their keys, bounded in entries and bytes.

    `encode` writes a value as JSON, and raises TypeError where it cannot.
    """

    def __init__(self, encode: Callable[[object], bytes], entries: int = MOST_ENTRIES, size: int = MOST_BYTES) -> None:
        self._encode = encode
        self.hits = 0
        self.misses = 0
        self.bytes = 0
        self._most = (entries, size)
        self._kept: OrderedDict[bytes, Found] = OrderedDict()
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._place: tuple[ClusterTraits, str, bytes] | None = None

    def __len__(self) -> int:
        return len(self._kept)

    def key_of(self, review: Review) -> Key | None:
        """Return what a review is kept by; one that was asked more about, its owners or who may override, is not."""
        if review.owners is not None or review.may_override is not UNKNOWN or review.before is not None:
            return None
        return review.key if isinstance(review.key, Key) else self.key(review.object, review.old, review.asked)

    def key(self, item: Map, old: Map | None, asked: tuple[Any, ...]) -> Key | None:
        """Return what the review of an object is kept by; None where it is not kept at all.

        `asked` is everything else that rules without facts look at: operation, user and so on.
        """
        kind = kind_of(item)
        if kind not in _KINDS:
            return None
        left_out: list[str] = []
        is_pod = kind in POD_KINDS
        try:
            text = self._encode((_read(item, is_pod=is_pod), None if old is None else _read(old, is_pod=is_pod), asked))
        except TypeError:  # nested too deep, or with what JSON cannot hold
            return None
        if is_pod:
            text = _without_names(text, _generated_name(item), left_out)
        return Key(hashlib.sha256(text).digest(), tuple(left_out))

    def find(self, place: bytes, key: Key) -> Found | None:
        """Return the problems of a review like this one at a place, if there was one not long ago."""
        found = self._kept.get(place + key.digest)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self._kept.move_to_end(place + key.digest)
        return found

    def expects(self, place: bytes, key: Key) -> bool:
        """Whether a review like this one, which is not known, is likely to come again; the next one then is."""
        name = place + key.digest
        if key.left_out or name in self._seen:
            return True
        self._seen[name] = None
        if len(self._seen) > self._most[0]:
            self._seen.popitem(last=False)
        return False

    def keep(self, place: bytes, key: Key, found: Found) -> bool:
        """Keep what was found about an object, where no rule has asked for facts; returns whether it is kept."""
        told: list[Problem | Violation] = [*(item.problem for item in found.problems), *(found.violations or ())]
        texts = [text for item in told for text in ("".join(map(str, (*item.path, item.message))), item.fix)]
        size = _size(texts) + 4 * len(found.title)
        if size > _LARGEST or key.is_quoted_in(texts):
            return False
        found.key, found.sizes = place + key.digest, (size, 0)
        if (before := self._kept.pop(found.key, None)) is not None:
            self.bytes -= sum(before.sizes)
        self._kept[found.key] = found
        self._grow(size)
        return True

    def keep_answer(self, found: Found, answer: object, texts: Sequence[str]) -> None:
        """Keep an answer beside what was found, in the place of the one before; `texts` are those that it holds."""
        if self._kept.get(found.key) is not found:
            return
        size, before = _size(texts), found.sizes
        if size <= _LARGEST:
            found.answer, found.sizes = answer, (before[0], size)
            self._grow(size - before[1])

    def _grow(self, size: int) -> None:
        self.bytes += size
        entries, most = self._most
        while len(self._kept) > entries or self.bytes > most:
            _, gone = self._kept.popitem(last=False)
            self.bytes -= sum(gone.sizes)

    def place(self, traits: ClusterTraits, policy: str) -> bytes:
        """Return what stands for the cluster and the policy; both are the same object until one of them changes."""
        place = self._place
        if place is None or place[0] is not traits or place[1] != policy:
            fields = (traits.release, traits.topology, traits.platform, traits.is_any, traits.ims_version)
            text = repr((policy, fields, sorted(traits.controllers))).encode()
            self._place = place = (traits, policy, hashlib.sha256(text).digest())
        return place[2]


def _size(texts: Sequence[str]) -> int:
    """The bytes that an entry takes that holds some texts, about."""
    return _OF_ENTRY + _OF_PROBLEM * len(texts) + 4 * sum(map(len, texts))


def _read(item: Map, *, is_pod: bool) -> dict[str, Any]:
    """The parts of an object that rules without facts look at."""
    metadata = item.get("metadata")
    if type(metadata) is not dict:
        return dict(item)
    read = metadata.copy()
    if is_pod:
        for key in _UNREAD_OF_PODS:
            read.pop(key, None)
        return {**item, "metadata": read}
    for key, kind in _UNREAD.items():
        if type(read.get(key)) is kind:
            del read[key]
    return {**item, "metadata": read}


def _generated_name(item: Map) -> str:
    """The name that the object got for the prefix that it asked for, by which no rule tells it from others; or none."""
    metadata = metadata_of(item)
    prefix = text_in(metadata, "generateName")
    if not prefix.endswith("-"):  # as all controllers write it: what comes after is a word of its own
        return ""
    name = text_in(metadata, "name")
    return name if name.startswith(prefix) and _ENDING.fullmatch(name, len(prefix)) and _PLAIN.fullmatch(name) else ""


def _without_names(text: bytes, name: str, left_out: list[str]) -> bytes:
    """The text of a pod without the names that each pod of a workload has of its own.

    One that stands somewhere else too stays: there it means something.
    """
    if name and text.count(name.encode()) == 1:
        left_out.append(name)
        text = text.replace(name.encode(), _ANY_NAME)
    names, begin = list[bytes](), text.find(_PREFIX)
    while begin >= 0:
        if match := _TOKEN.match(text, begin):
            names.append(match[1])
        begin = text.find(_PREFIX, begin + 1)
    if names and text.count(names[0]) == len(names) and len(set(names)) == 1:
        left_out.append(names[0].decode())
        text = text.replace(names[0], _ANY_NAME)
    return text
