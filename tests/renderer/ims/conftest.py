"""The service that recipe flags are tested against."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.renderer.ims import fake_ims
from tests.renderer.ims.fake_ims import FakeIms


@pytest.fixture
def ims() -> Iterator[FakeIms]:
    with fake_ims.running() as server:
        yield server
