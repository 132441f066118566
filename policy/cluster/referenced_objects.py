"""What a cluster holds of what a Module names: each object is looked up once a review, whatever rules ask of it."""

from __future__ import annotations

from collections.abc import Iterable

from kmodgate.policy.cluster.dump import secret_value
from kmodgate.policy.cluster.facts import UNKNOWN, Facts, Object, Unknown, as_map
from kmodgate.policy.views.references import Reference, Role

DATA = ("data", "stringData", "binaryData")
"""Where Secrets and ConfigMaps hold their values."""


class Referred:
    """The Secrets, ConfigMaps and ServiceAccounts that a Module names, all of them of its namespace.

    `found` is what the facts answer, by kind and name. Then, by name: ConfigMaps to build from without a key
    `dockerfile`, Secrets of keys and of certificates without theirs, and the certificates that Secrets hold.
    """

    def __init__(self, references: Iterable[Reference], namespace: str, facts: Facts) -> None:
        self.found: dict[tuple[str, str], Object | Unknown | None] = {}
        names: dict[Role, dict[str, None]] = {"Dockerfile": {}, "signing key": {}, "certificate": {}}
        for item in references:
            if item.role in names:
                names[item.role][item.name] = None
            if (item.kind, item.name) not in self.found:
                self.found[item.kind, item.name] = facts.find(item.kind, namespace, item.name)
        self.odd_dockerfiles = self._without("dockerfile", "ConfigMap", names["Dockerfile"])
        self.odd_keys = self._without("key", "Secret", names["signing key"])
        self.odd_certificates = self._without("cert", "Secret", names["certificate"])
        self.certificates: dict[str, bytes] = {}
        for name in names["certificate"]:
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
