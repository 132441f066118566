"""An API server in memory, for what replicas share: one Secret, two configurations, resource versions on all.

Every call stops twice, before and after it has its effect, so that a test chooses who goes on and who never does.
"""

from __future__ import annotations

import base64
import types
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kmodgate.webhook.certificates.ca_bundle import Configuration, Operation, PublishedWebhook
from kmodgate.webhook.certificates.self_managed import ApiError, Conflict, StoredSecret


@types.coroutine
def stop() -> Generator[None]:
    yield


@dataclass
class Cluster:
    """What is stored. `denied` are calls that are refused, `conflicts` kinds whose patches always come late."""

    configurations: dict[str, Configuration] = field(default_factory=dict)
    secret: dict[str, bytes] | None = None
    version: int = 0
    denied: set[str] = field(default_factory=set)
    conflicts: set[str] = field(default_factory=set)
    writes: list[str] = field(default_factory=list)

    @classmethod
    def with_configurations(cls) -> Cluster:
        """The two configurations as an installer leaves them: no bundle, two webhooks in one."""
        validating = Configuration(
            "ValidatingWebhookConfiguration",
            "kmodgate",
            "1",
            (PublishedWebhook("modules.kmodgate.io", b""), PublishedWebhook("namespaces.kmodgate.io", b"")),
        )
        mutating = Configuration(
            "MutatingWebhookConfiguration", "kmodgate", "2", (PublishedWebhook("kata.kmodgate.io", b""),)
        )
        return cls({found.kind: found for found in (validating, mutating)}, version=2)

    @property
    def bundles(self) -> list[bytes]:
        """What each webhook publishes now."""
        return [webhook.bundle for found in self.configurations.values() for webhook in found.webhooks]

    def wrote(self, what: str) -> str:
        self.version += 1
        self.writes.append(what)
        return str(self.version)

    def overwrite(self, kind: str, bundle: bytes) -> None:
        """What somebody else does: apply a configuration with another bundle."""
        found = self.configurations[kind]
        webhooks = tuple(replace(webhook, bundle=bundle) for webhook in found.webhooks)
        self.configurations[kind] = replace(found, webhooks=webhooks, version=self.wrote(f"overwrite {kind}"))

    def refuse(self, call: str) -> None:
        if call in self.denied:
            raise ApiError(f"{call}: 403 forbidden")


class FakeSecrets:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._version = 0

    async def read(self) -> StoredSecret | None:
        await stop()
        self._cluster.refuse("read Secret")
        secret, version = self._cluster.secret, self._cluster.version
        await stop()
        return None if secret is None else StoredSecret(dict(secret), {"version": version, "data": secret})

    async def create(self, data: Mapping[str, bytes]) -> None:
        await stop()
        if self._cluster.secret is not None:
            raise Conflict("it exists")
        self._cluster.secret = dict(data)
        self._cluster.wrote("create Secret")
        await stop()

    async def replace(self, stored: StoredSecret, data: Mapping[str, bytes]) -> None:
        await stop()
        if stored.document["data"] is not self._cluster.secret:
            raise Conflict("it has changed")
        self._cluster.secret = dict(data)
        self._cluster.wrote("replace Secret")
        await stop()


class FakeConfigurations:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def read(self) -> Sequence[Configuration]:
        await stop()
        self._cluster.refuse("read configurations")
        found = tuple(self._cluster.configurations.values())
        await stop()
        return found

    async def patch(self, configuration: Configuration, operations: Sequence[Operation]) -> None:
        await stop()
        self._cluster.refuse(f"patch {configuration.kind}")
        if configuration.kind in self._cluster.conflicts:
            raise Conflict("a test failed")
        found = self._cluster.configurations[configuration.kind]
        webhooks = list(found.webhooks)
        for operation in operations:
            match operation["path"].split("/")[1:], operation["op"], operation["value"]:
                case ["metadata", "resourceVersion"], "test", value:
                    self._must_be(value, found.version)
                case ["webhooks", index, "name"], "test", value:
                    self._must_be(value, webhooks[int(index)].name)
                case ["webhooks", index, "clientConfig", "caBundle"], "add", value:
                    webhooks[int(index)] = replace(webhooks[int(index)], bundle=base64.b64decode(value))
                case _:
                    raise AssertionError(operation)
        version = self._cluster.wrote(f"patch {configuration.kind}")
        self._cluster.configurations[configuration.kind] = replace(found, webhooks=tuple(webhooks), version=version)
        await stop()

    @staticmethod
    def _must_be(wanted: str, found: str) -> None:
        if wanted != found:
            raise Conflict("a test failed")
