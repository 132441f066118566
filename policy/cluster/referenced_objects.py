"""What a cluster holds of what a Module names: each object is looked up once a review, whatever rules ask of it."""

from __future__ import annotations

from collections.abc import Iterable

from kmodgate.policy.cluster.dump import secret_value
from kmodgate.policy.cluster.facts import UNKNOWN, Facts, Object, Unknown, as_map
from kmodgate.policy.views.module_blocks import Blocks

DATA = ("data", "stringData", "binaryData")
"""Where Secrets and ConfigMaps hold their values."""


class Referred:
    """The Secrets, ConfigMaps and ServiceAccounts that a Module names, all of them of its namespace.

    `found` is what the facts answer, by kind and name; `is_incomplete` whether one does not exist, or nobody knows.
    Then, by name: ConfigMaps to build from without a key `dockerfile`, Secrets of keys and of certificates without
    theirs, and what Secrets hold as the certificate, if they hold something.
    """

    def __init__(self, blocks: Blocks, namespace: str, facts: Facts) -> None:
        self.found: dict[tuple[str, str], Object | Unknown | None] = {}
        self.is_incomplete = False
        find = facts.find
        for kind, names in (
            ("Secret", blocks.secrets),
            ("ConfigMap", blocks.dockerfiles),
            ("ServiceAccount", blocks.accounts),
        ):
            for name in names:
                item = self.found[kind, name] = find(kind, namespace, name)
                if item is None or item is UNKNOWN:
                    self.is_incomplete = True
        self.odd_dockerfiles = self._without("dockerfile", "ConfigMap", blocks.dockerfiles)
        self.odd_keys = self._without("key", "Secret", blocks.keys)
        self.odd_certificates = self._without("cert", "Secret", blocks.certificates)
        self.are_secrets_odd = bool(self.odd_keys or self.odd_certificates)
        self.certificates: dict[str, bytes] = {}
        for name in blocks.certificates:
            if name not in self.odd_certificates and (
                value := secret_value(as_map(self.found["Secret", name]), "cert")
            ):
                self.certificates[name] = value

    def _without(self, key: str, kind: str, names: Iterable[str]) -> dict[str, Object]:
        """Those of the objects that are known and have no such key, by name."""
        odd: dict[str, Object] = {}
        for name in names:
            item = self.found[kind, name]
            if item is None or item is UNKNOWN:
                continue
            for place in DATA:
                if key in as_map(item.get(place)):
                    break
            else:
                odd[name] = item
        return odd
