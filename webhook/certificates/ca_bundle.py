"""`caBundle` of the webhook configurations: what is published there, and the patch that corrects it.

Nothing else of a configuration is touched. Selectors, rules and failure policies belong to whoever applied it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from cryptography import x509

from kmodgate.webhook.certificates.authority import Bundle
from kmodgate.webhook.certificates.key_pair import CertificateError, read_certificates

ConfigurationKind = Literal["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"]

Operation = dict[str, Any]
"""One operation of a JSON Patch (RFC 6902)."""


@dataclass(frozen=True, slots=True)
class PublishedWebhook:
    """One entry of a configuration: its name, and its `caBundle` as the PEM text that it decodes to."""

    name: str
    bundle: bytes


@dataclass(frozen=True, slots=True)
class Configuration:
    """A webhook configuration at one resource version."""

    kind: ConfigurationKind
    name: str
    version: str
    webhooks: tuple[PublishedWebhook, ...]


class Configurations(Protocol):
    """The webhook configurations that are ours, by name."""

    async def read(self) -> Sequence[Configuration]:
        """Those that exist. Raises ApiError."""
        ...

    async def patch(self, configuration: Configuration, operations: Sequence[Operation]) -> None:
        """Apply a JSON Patch whole or not at all. Raises Conflict where a `test` fails, ApiError for anything else."""
        ...


def seen_bundles(configurations: Sequence[Configuration]) -> list[Bundle]:
    """What each webhook publishes; text that is no certificate publishes nothing."""
    return [certificates_of(webhook.bundle) for found in configurations for webhook in found.webhooks]


def certificates_of(bundle: bytes) -> frozenset[x509.Certificate]:
    try:
        return frozenset(read_certificates(bundle))
    except CertificateError:
        return frozenset()


def corrections(configuration: Configuration, encoded: str, wanted: Bundle) -> list[Operation]:
    """The JSON Patch that makes every webhook publish `wanted` (`encoded`, as base64 of PEM); empty if all do.

    It names the version it was made for. A replica that slept since then would otherwise put back a bundle that others
    have left behind, and an index would hit another webhook once somebody has reordered the list.
    """
    changes: list[Operation] = []
    for index, webhook in enumerate(configuration.webhooks):
        if certificates_of(webhook.bundle) != wanted:
            changes.append({"op": "test", "path": f"/webhooks/{index}/name", "value": webhook.name})
            changes.append({"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": encoded})
    if not changes:
        return []
    return [{"op": "test", "path": "/metadata/resourceVersion", "value": configuration.version}, *changes]
