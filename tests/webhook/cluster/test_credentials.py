"""Credentials for the API server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kmodgate.webhook.cluster.api_server import ApiServer, from_kubeconfig, in_cluster
from kmodgate.webhook.cluster.questions import NotAnswered


def test_a_kubeconfig_that_cannot_be_used_is_told_without_its_tokens(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(
        "current-context: x\ncontexts: []\nclusters: []\nusers: [{name: a, user: {token: hush}}, {token: hush}]\n"
    )

    async def run() -> None:
        with pytest.raises(NotAnswered) as told:
            await ApiServer(from_kubeconfig(str(path))).get("/api", seconds=1)
        assert str(path) in str(told.value)
        assert "hush" not in str(told.value)

    asyncio.run(run())


def test_outside_a_pod_there_is_no_service_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    async def run() -> None:
        with pytest.raises(NotAnswered, match="ServiceAccount of the pod"):
            await ApiServer(in_cluster()).get("/api", seconds=1)

    asyncio.run(run())
