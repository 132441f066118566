"""Servers for all tests that only ask them something."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.webhook.api_stub import ApiStub
from tests.webhook.reviews import CLUSTER, dump
from tests.webhook.server import Webhook, serving
from tests.webhook.stalling import api_server

_POLICY = """\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {name: strict}
spec:
  modes: {PRV: enforce, MAP202: enforce}
  parameters:
    kernelAccess: {approved: [{namespace: storage, serviceAccount: csi-node}]}
    forbiddenHostPaths: [/var/lib/kubelet]
    allowedRegistries: [quay.io/acme, registry.local]
"""


@pytest.fixture(scope="session")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """A server on the built-in policy, which knows the cluster of `reviews`."""
    with serving(tmp_path_factory.mktemp("webhook"), facts=dump(*CLUSTER)) as server:
        yield server


@pytest.fixture(scope="session")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """A server that refuses what can load kernel modules and is not approved."""
    folder = tmp_path_factory.mktemp("strict")
    (folder / "policy.yaml").write_text(_POLICY)
    with serving(folder, "--policy", str(folder / "policy.yaml"), facts=dump(*CLUSTER)) as server:
        yield server


@pytest.fixture(scope="session")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiStub]:
    """An API server that knows nothing; each test tells it of a namespace of its own."""
    with api_server(tmp_path_factory.mktemp("stub")) as server:
        yield server


@pytest.fixture(scope="session")
def watching(stub: ApiStub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """A server that asks the stub, and whose cache knows no Module."""
    with serving(tmp_path_factory.mktemp("watching"), "--kubeconfig", str(stub.kubeconfig)) as server:
        yield server
