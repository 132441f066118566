"""A stub of an API server that lists every kind as empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmodgate.webhook.cluster.live_facts import (
    CONFIGS,
    DAEMON_SETS,
    HUB_MODULES,
    MODULES,
    NAMESPACES,
    NODES,
    RUNTIME_CLASSES,
)
from tests.webhook.api_stub import ApiStub, page
from tests.webhook.cluster.watching import QUIET


@pytest.fixture
def stub(tmp_path: Path) -> ApiStub:
    stub = ApiStub(tmp_path)
    for resource in (CONFIGS, DAEMON_SETS, HUB_MODULES, MODULES, NAMESPACES, NODES, RUNTIME_CLASSES):
        stub.lists(page(), path=resource.path)
        stub.watches(QUIET, path=resource.path)
    return stub
