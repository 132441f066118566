"""A dump of a cluster, as `kubectl get -o yaml` or `-o json` writes it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import cached_property
from typing import Any

from kmodgate.policy.cluster.facts import SnapshotFacts, as_map, metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.object_files import Source

KEY_FINGERPRINT = "kmodgate.io/key-fingerprint"
"""The annotation of a Secret by which a certificate and its private key are known to belong together."""


@dataclass
class Dump:
    """All objects of a dump, and the kinds of which it holds a List, so that no object of them is missing."""

    objects: list[dict[str, Any]] = field(default_factory=list, repr=False)
    complete: set[str] = field(default_factory=set)

    def add(self, sources: Iterable[Source], lists: Iterable[str] = ()) -> None:
        """Takes the objects of a file, and then the kinds of its Lists: an empty `SecretList` says something, too."""
        for source in sources:
            self.objects.append(source.value)
            if source.is_listed:  # kubectl lists all that there are
                self.complete.add(str(source.value["kind"]))
        self.complete |= {kind.removesuffix("List") for kind in lists if kind != "List"}

    def holds(self, item: Mapping[str, Any]) -> bool:
        """Whether an object of this kind, namespace and name is in the dump."""
        metadata = metadata_of(item)
        names = (str(metadata.get(key, "")) for key in ("namespace", "name"))
        return isinstance(self.facts.find(str(item.get("kind", "")), *names), Mapping)

    @cached_property
    def facts(self) -> SnapshotFacts:
        return SnapshotFacts(self.objects, self.complete)


def secret_value(secret: Mapping[str, Any], key: str) -> bytes:
    """What a Secret holds under a key; empty where it has none, or what is there is not encoded as Secrets are."""
    plain = as_map(secret.get("stringData")).get(key)
    if isinstance(plain, str):  # which the API server takes before the other
        return plain.encode("utf-8", "surrogatepass")
    encoded = as_map(secret.get("data")).get(key)
    try:
        return base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else b""
    except ValueError:
        return b""
