"""A webhook on Fail, and namespaces of drivers behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.protection.guarded import FREE, POLICY, SPACES, full_module
from tests.e2e.webhook import Webhook, in_force


@pytest.fixture(scope="package")
def webhook(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    folder = tmp_path_factory.mktemp("webhook")
    policy = folder / "policy.yaml"
    policy.write_text(POLICY)
    options = ("--policy", str(policy), "--platform", "openshift")
    with in_force(control_plane, folder, SPACES, *options, registration=options) as running:
        yield running
    # the rights to KMM's kinds, which tests outside of this folder do not expect of anybody
    control_plane.kubectl("delete", "clusterrolebinding", "kmm-alice", "kmm-bob", "kmm-squatter", "--ignore-not-found")


@pytest.fixture
def drivers(webhook: Webhook) -> str:
    """An empty namespace of drivers that no other test uses."""
    return SPACES[next(FREE)]


@pytest.fixture
def held(control_plane: ControlPlane, drivers: str) -> str:
    """A namespace of drivers with one Module."""
    control_plane.apply(full_module(drivers))
    return drivers
