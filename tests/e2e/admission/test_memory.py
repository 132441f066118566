"""What the webhook's knowledge of a large cluster takes."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.conftest import ROOT
from tests.e2e.api_server import definitions
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.conftest import NewControlPlane
from tests.e2e.objects import module

MANY = 10_000

MEASURE = """
import asyncio, gc, json, sys
import aiohttp.web, cryptography.x509, prometheus_client, uvloop
from kmodgate.policy.engine import load_rules
load_rules()
from kmodgate.webhook.cluster.api_server import ApiServer, from_kubeconfig
from kmodgate.webhook.cluster.live_cluster import LiveCluster

def resident(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(field))

async def main():
    imports = resident("VmRSS")
    server = ApiServer(from_kubeconfig(sys.argv[1]))
    cluster = LiveCluster(server)
    running = asyncio.create_task(cluster.run())
    while not cluster.is_ready:
        await asyncio.sleep(0.05)
    counts = {state.kind: state.count for state in cluster.states()}
    print(json.dumps({"imports": imports, "now": resident("VmRSS"), "peak": resident("VmHWM"), **counts}))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await server.close()

asyncio.run(main())
"""


def test_ten_thousand_namespaces_and_modules_fit_into_120_mebibytes(new_control_plane: NewControlPlane) -> None:
    with new_control_plane(with_controllers=False) as plane:
        plane.install(*definitions.definitions())
        fill(plane)
        command = [sys.executable, "-c", MEASURE, str(plane.kubeconfig())]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
        measured = json.loads(done.stdout)

    assert measured["Module"] == MANY
    assert measured["Namespace"] >= MANY
    assert measured["peak"] <= 120, measured


def fill(plane: ControlPlane) -> None:
    """A Module in each of very many namespaces, through a few connections at a time."""

    def some(first: int) -> None:
        with plane.connection() as connection:
            for number in range(first, MANY, 4):
                name = f"team-{number:05}"
                metadata = {"name": name, "labels": {"team": name, "pod-security.kubernetes.io/enforce": "privileged"}}
                for path, item in (
                    ("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}),
                    (f"/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/{name}/modules", usual(f"driver-{number}", name)),
                ):
                    answer = connection.call("POST", path, item)
                    assert answer.status == 201, answer

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(some, range(4)))


def usual(name: str, namespace: str) -> dict[str, Any]:
    """A Module of the size that they usually have: some mappings, each built and signed."""
    item = module(name, namespace)
    container = item["spec"]["moduleLoader"]["container"]
    (mapping,) = container["kernelMappings"]
    made = {
        "build": {
            "dockerfileConfigMap": {"name": f"{name}-dockerfile"},
            "buildArgs": [{"name": f"ARGUMENT_{number}", "value": "x" * 40} for number in range(6)],
            "secrets": [{"name": "build-secret"}],
        },
        "sign": {
            "keySecret": {"name": "signing-key"},
            "certSecret": {"name": "signing-cert"},
            "filesToSign": [f"/opt/lib/modules/${{KERNEL_FULL_VERSION}}/{name}-{number}.ko" for number in range(4)],
        },
    }
    container["kernelMappings"] = [{**mapping, "regexp": rf"^5\.{minor}\..+$", **made} for minor in range(4)]
    item["spec"]["imageRepoSecret"] = {"name": "pull-secret"}
    item["metadata"]["annotations"] = {"example.com/applied": "x" * 500}
    return item
