"""MachineConfigs that load kernel modules at boot, on a real API server: refused, warned of, and never kept waiting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.definitions import read
from tests.e2e.waiting import eventually
from tests.e2e.webhook import in_force
from tests.shared import need

GROUP = "machineconfiguration.openshift.io"

POLICY = f"""\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {{name: boot}}
spec:
  clusters: {{matchLabels: {{}}}}
  parameters:
    admitMachineConfigs: true
    requireSigning: {{namespaces: [drivers]}}
    signedElsewhere: [{{driver: drivers/nic, images: [quay.io/acme/nic], fingerprint: {"ab" * 32}}}]
"""


def machine_config(name: str, image: str = "", pool: str = "worker") -> dict[str, Any]:
    """Of a kernel module that no Module of another test loads: whether it must be signed would hang on those."""
    lines = f'[Service]\nEnvironment="KERNEL_MODULE=nic_at_boot"\nEnvironment="KERNEL_MODULE_IMAGE={image}"\n'
    units = [{"name": "nic.service", "enabled": True, "contents": lines}] if image else []
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "MachineConfig",
        "metadata": {"name": name, "labels": {f"{GROUP}/role": pool}},
        "spec": {"config": {"ignition": {"version": "3.2.0"}, "systemd": {"units": units}}},
    }


@pytest.mark.timing
@pytest.mark.shared
def test_a_machine_config_is_judged_where_the_policy_asks_for_it(control_plane: ControlPlane, tmp_path: Path) -> None:
    control_plane.install(read(need(f"crds/{GROUP}_machineconfigs.yaml")))
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    path = f"/apis/{GROUP}/v1/machineconfigs"
    registration = ("--policy", str(policy), "--platform", "openshift")
    with in_force(control_plane, tmp_path, ["drivers"], "--policy", str(policy), registration=registration) as webhook:
        unsigned = machine_config("unsigned", "quay.io/acme/other")
        eventually(lambda: control_plane.call("POST", f"{path}?dryRun=All", unsigned).status == 422, "it is asked")
        refused = control_plane.call("POST", path, unsigned)
        assert "SGN207" in refused.body["message"]

        first = control_plane.kubectl(
            "create", "-f", "-", input=json.dumps(machine_config("first", "quay.io/acme/nic"))
        )
        assert (first.returncode, "DAY201" in first.stderr) == (0, False), first.stderr
        second = control_plane.kubectl(
            "create", "-f", "-", input=json.dumps(machine_config("second", "quay.io/acme/nic"))
        )
        assert (second.returncode, "DAY201" in second.stderr) == (0, True), second.stderr
        assert "MachineConfig first loads nic_at_boot at boot of pool worker, too" in second.stderr
        other = control_plane.kubectl(
            "create", "-f", "-", input=json.dumps(machine_config("other", "quay.io/acme/nic", "master"))
        )
        assert (other.returncode, other.stderr) == (0, "")
        assert control_plane.call("POST", path, machine_config("plain")).status == 201

        webhook.process.terminate()
        webhook.process.wait(60)
        assert control_plane.call("POST", path, unsigned).status == 201
    for name in ("unsigned", "first", "second", "other", "plain"):
        control_plane.call("DELETE", f"{path}/{name}")
