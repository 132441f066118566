"""What the API server is told to ask, for the tests of ways around."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.command import run


@pytest.fixture(scope="package")
def registered(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The webhook configurations for a namespace of drivers."""
    done = run("webhook-config", "--namespace=drivers", cwd=tmp_path_factory.mktemp("registered"))
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item["kind"].endswith("WebhookConfiguration")]
