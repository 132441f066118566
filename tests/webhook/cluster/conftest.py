"""A stub of an API server that lists every kind as empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmodgate.webhook.cluster.live_facts import DAEMON_SETS, HUB_MODULES
from tests.webhook.api_stub import ApiStub, page
from tests.webhook.cluster.watching import QUIET
from tests.webhook.stalling import WATCHED


@pytest.fixture
def stub(tmp_path: Path) -> ApiStub:
    stub = ApiStub(tmp_path)
    for resource in (*WATCHED, DAEMON_SETS, HUB_MODULES):
        stub.lists(page(), path=resource.path)
        stub.watches(QUIET, path=resource.path)
    return stub
