"""A client whose way to the API server is cut or stalled."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.relay import Relay

pytestmark = pytest.mark.timing


@pytest.fixture
def relay(control_plane: ControlPlane) -> Iterator[Relay]:
    with Relay(control_plane.port) as running:
        yield running


def reaches(control_plane: ControlPlane, relay: Relay) -> bool:
    flags = (f"--server={relay.url}", "--request-timeout=1s")
    done: subprocess.CompletedProcess[str] = control_plane.kubectl("get", "--raw=/readyz", *flags)
    return done.returncode == 0


def test_a_cut_relay_lets_nobody_through_until_it_is_joined(control_plane: ControlPlane, relay: Relay) -> None:
    assert reaches(control_plane, relay)

    relay.cut()
    assert not reaches(control_plane, relay)

    relay.join()
    assert reaches(control_plane, relay)


def test_a_cut_ends_what_is_open(control_plane: ControlPlane, relay: Relay, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps?watch=true&timeoutSeconds=60"
    with control_plane.connection(port=relay.port, seconds=20) as connection:
        assert connection.call("GET", f"/api/v1/namespaces/{namespace}").status == 200
        connection.send("GET", path)

        relay.cut()

        with pytest.raises(ConnectionError):
            connection.answer()


def test_a_stalled_relay_keeps_what_is_open(control_plane: ControlPlane, relay: Relay, namespace: str) -> None:
    with control_plane.connection(port=relay.port, seconds=20) as connection:
        connection.call("GET", f"/api/v1/namespaces/{namespace}")
        relay.stall()
        assert not reaches(control_plane, relay)

        connection.send("GET", f"/api/v1/namespaces/{namespace}")
        relay.flow()

        assert connection.answer().status == 200
