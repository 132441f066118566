"""What a cluster holds of what a Module names: each object is looked up once a review, whatever rules ask of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from policy.blocks import Blocks
from policy.dump import secret_value
from policy.facts import UNKNOWN, Facts, Object, Unknown, as_map
from policy.views import lazy

DATA = ("data", "stringData", "binaryData")
"""Where Secrets and ConfigMaps hold their values."""

_Objects = Mapping[str, Object]


class Referred:
    """The Secrets, ConfigMaps and ServiceAccounts that a Module names, all of them of its namespace."""

    def __init__(self, blocks: Blocks, namespace: str, facts: Facts) -> None:
        self._blocks = blocks
        self._namespace = namespace
        self._facts = facts

    @lazy
    def found(self) -> Mapping[tuple[str, str], Object | Unknown | None]:
        """The answers of the facts, by kind and name."""
        find, namespace = self._facts.find, self._namespace
        return {(kind, name): find(kind, namespace, name) for kind, name in self._blocks.references}

    @lazy
    def is_incomplete(self) -> bool:
        """Whether one of them does not exist, or nobody knows."""
        answers = self.found.values()
        return None in answers or UNKNOWN in answers

    @lazy
    def odd_dockerfiles(self) -> _Objects:
        """The ConfigMaps to build from that have no key `dockerfile`, by name."""
        return self._without("ConfigMap", self._blocks.dockerfiles, "dockerfile")

    @lazy
    def odd_keys(self) -> _Objects:
        """The Secrets of private keys that have no key `key`, by name."""
        return self._without("Secret", self._blocks.keys, "key")

    @lazy
    def odd_certificates(self) -> _Objects:
        """The Secrets of certificates that have no key `cert`, by name."""
        return self._without("Secret", self._blocks.certificates, "cert")

    @lazy
    def odd_to_sign(self) -> bool:
        return bool(self.odd_keys or self.odd_certificates)

    @lazy
    def certificates(self) -> Mapping[str, bytes]:
        """What Secrets hold as the certificate to sign with, if they hold something, by name."""
        secrets = self._known("Secret", self._blocks.certificates)
        return {name: value for name, secret in secrets if (value := secret_value(secret, "cert"))}

    def _without(self, kind: str, names: Iterable[str], key: str) -> _Objects:
        return {
            name: item
            for name, item in self._known(kind, names)
            if not any([key in as_map(item.get(at)) for at in DATA])
        }

    def _known(self, kind: str, names: Iterable[str]) -> list[tuple[str, Object]]:
        found = self.found
        return [(name, item) for name in names if not ((item := found[kind, name]) is None or item is UNKNOWN)]
