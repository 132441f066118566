"""One server for all tests that only ask it something."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.webhook.reviews import CLUSTER, dump
from tests.webhook.server import Webhook, serving


@pytest.fixture(scope="session")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """A server on the built-in policy, which knows the cluster of `reviews`."""
    with serving(tmp_path_factory.mktemp("webhook"), facts=dump(*CLUSTER)) as server:
        yield server
