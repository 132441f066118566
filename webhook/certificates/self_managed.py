"""Certificates without cert-manager: replicas keep a CA and a leaf in one Secret, and its CAs in `caBundle`."""

from __future__ import annotations

import asyncio
import base64
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from kmodgate.webhook.certificates.authority import State, Step, Terms, decode, encode, next_step, take_step
from kmodgate.webhook.certificates.ca_bundle import (
    Configuration,
    Configurations,
    certificates_of,
    corrections,
    seen_bundles,
)
from kmodgate.webhook.certificates.key_pair import CertificateError
from kmodgate.webhook.certificates.served_certificate import Certificates, Clock, Material, read_file, wall_clock

log = logging.getLogger(__name__)

ROUNDS = 16
"""Steps that one turn takes at most, lost races included; what is left is for the next turn."""

PATIENCE = 3
"""Turns in a row whose patch may conflict. The first was another replica; the fourth is a patch that is refused."""


class ApiError(Exception):
    """The API server could not be asked, or refused. The text names the object and the reason."""


class Conflict(ApiError):
    """Somebody else was faster: the object is not what it was when it was read."""


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """The Secret as it was read. `document` is the whole object, `data` its values decoded."""

    data: Mapping[str, bytes] = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)


class Secrets(Protocol):
    """The one Secret that replicas share."""

    async def read(self) -> StoredSecret | None:
        """None if it does not exist. Raises ApiError."""
        ...

    async def create(self, data: Mapping[str, bytes]) -> None:
        """Raises Conflict if it exists, ApiError for anything else."""
        ...

    async def replace(self, stored: StoredSecret, data: Mapping[str, bytes]) -> None:
        """Put `data` in place of what was read. Raises Conflict if it has changed since, ApiError for anything else."""
        ...


class SelfManaged:
    """One replica's part in keeping Secret, configurations and the served certificate together.

    `last_error` is why the last turn ended early, empty if it did not.
    """

    def __init__(
        self,
        secrets: Secrets,
        configurations: Configurations,
        certificates: Certificates,
        *,
        names: Sequence[str],
        terms: Terms | None = None,
        client_ca: Path | None = None,
        now: Clock = wall_clock,
    ) -> None:
        self.last_error = ""
        self._secrets = secrets
        self._configurations = configurations
        self._certificates = certificates
        self._names = tuple(names)
        self._terms = terms or Terms()
        self._client_ca = client_ca
        self._now = now
        self._conflicts = 0

    async def run(self, *, interval: float = 15.0) -> None:
        """Take turns for ever, `interval` seconds apart, spread so that replicas do not meet."""
        while True:
            try:
                await self.turn()
                self.last_error = ""
            except (ApiError, CertificateError) as error:
                self.last_error = str(error)
                log.warning("certificates: %s", error)
            await asyncio.sleep(interval * random.uniform(0.8, 1.2))

    async def turn(self) -> None:
        """Bring the Secret forward by the steps that are due, publish its CAs, serve its leaf.

        Raises ApiError or CertificateError; what could be done without has been done by then.
        """
        for _ in range(ROUNDS):
            # The configurations first: then their bundle is never newer than the Secret it is compared with.
            found, failure = await self._found()
            stored = await self._secrets.read()
            state = decode(stored.data) if stored else None
            step = self._next(state, found)
            if step == "rest" and state:
                break
            await self._write(step, state, stored)
        else:
            raise ApiError("the Secret of the certificates changes faster than it can be read")
        failure = await self._publish(state, found or ()) or failure
        if state.leaf:
            client_ca = read_file(self._client_ca, "client_ca") if self._client_ca else b""
            self._certificates.take(Material(state.leaf, client_ca))
        if failure:
            raise failure

    async def _found(self) -> tuple[Sequence[Configuration] | None, ApiError | None]:
        """The configurations, or why they are not known: the leaf in the Secret is served and renewed all the same."""
        try:
            return await self._configurations.read(), None
        except ApiError as error:
            return None, error

    def _next(self, state: State | None, found: Sequence[Configuration] | None) -> Step:
        seen = None if found is None else seen_bundles(found)
        return next_step(state, now=self._now(), seen=seen, names=self._names, terms=self._terms)

    async def _write(self, step: Step, state: State | None, stored: StoredSecret | None) -> None:
        """Store the state after `step`. It counts once it has been read back, whoever wrote it."""
        data = encode(take_step(step, state, now=self._now(), names=self._names, terms=self._terms))
        try:
            if stored is None:
                await self._secrets.create(data)
            else:
                await self._secrets.replace(stored, {**stored.data, **data})
            log.info("certificates: %s", step)
        except Conflict:
            log.info("certificates: another replica was faster than this one's %s", step)

    async def _publish(self, state: State, found: Sequence[Configuration]) -> ApiError | None:
        """Correct every configuration that publishes anything else; the first failure does not stop the second."""
        failure: ApiError | None = None
        conflict: Conflict | None = None
        encoded, wanted = base64.b64encode(state.bundle).decode(), certificates_of(state.bundle)
        for configuration in found:
            operations = corrections(configuration, encoded, wanted)
            try:
                if operations:
                    await self._configurations.patch(configuration, operations)
                    log.info("certificates: caBundle written to %s %s", configuration.kind, configuration.name)
            except Conflict as error:
                conflict = error
            except ApiError as error:
                failure = error
        self._conflicts = self._conflicts + 1 if conflict else 0
        return failure or (conflict if self._conflicts > PATIENCE else None)
