"""What a cluster holds of what a Module names: each object is looked up once a review, whatever rules ask of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from policy.blocks import Blocks
from policy.dump import secret_value
from policy.facts import UNKNOWN, Facts, Object, Unknown, as_map

DATA = ("data", "stringData", "binaryData")
"""Where Secrets and ConfigMaps hold their values."""

_Answers = Mapping[tuple[str, str], Object | Unknown | None]


class Referred:
    """The Secrets, ConfigMaps and ServiceAccounts that a Module names, all of them of its namespace.

    `found` is what the facts answer, by kind and name; `is_incomplete` whether one does not exist, or nobody knows.
    Then, by name: ConfigMaps to build from without a key `dockerfile`, Secrets of keys and of certificates without
    theirs, and what Secrets hold as the certificate, if they hold something.
    """

    def __init__(self, blocks: Blocks, namespace: str, facts: Facts) -> None:
        find = facts.find
        self.found: _Answers = {item: find(item[0], namespace, item[1]) for item in blocks.references}
        answers = self.found.values()
        self.is_incomplete = None in answers or UNKNOWN in answers
        self.odd_dockerfiles = _without("dockerfile", self._known("ConfigMap", blocks.dockerfiles))
        certificates = self._known("Secret", blocks.certificates)
        self.odd_keys = _without("key", self._known("Secret", blocks.keys))
        self.odd_certificates = _without("cert", certificates)
        self.are_secrets_odd = bool(self.odd_keys or self.odd_certificates)
        self.certificates = {name: value for name, item in certificates if (value := secret_value(item, "cert"))}

    def _known(self, kind: str, names: Iterable[str]) -> list[tuple[str, Object]]:
        found = self.found
        return [(name, item) for name in names if not ((item := found[kind, name]) is None or item is UNKNOWN)]


def _without(key: str, objects: Iterable[tuple[str, Object]]) -> dict[str, Object]:
    odd: dict[str, Object] = {}
    for name, item in objects:
        for place in DATA:
            if key in as_map(item.get(place)):
                break
        else:
            odd[name] = item
    return odd
