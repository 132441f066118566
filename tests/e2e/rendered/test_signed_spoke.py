"""A spoke that requires signing, on a real API server: the work agent brings what its hub has signed, nobody else does."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any, TypeAlias

import pytest

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.webhook import in_force
from tests.fleets import FleetFolder
from tests.renderer.deliveries.hub.test_spoke_signing import AGENT, fleet_of, made_by_hub

Json: TypeAlias = dict[str, Any]

SPACE = "signed-spoke"
_NAMESPACE, _ACCOUNT = AGENT.split(":")[2:]
_RBAC = "rbac.authorization.k8s.io"

MODULES = "kmodgate-work-agent-modules"
"""The ClusterRole of the ManifestWork by which the agent may write Modules."""

RIGHTS = [
    {"apiGroups": [""], "resources": ["namespaces", "serviceaccounts", "configmaps"], "verbs": ["*"]},
    {"apiGroups": [_RBAC], "resources": ["*"], "verbs": ["*"]},
]
"""What Open Cluster Management gives the work agent, as far as a ManifestWork of a driver needs it: no right on Modules."""


@dataclass(frozen=True)
class Spoke:
    """An API server with the webhook and the policy of the spoke, and what its hub sends there."""

    plane: ControlPlane
    work: Json
    module: Json

    def put(self, value: Json, user: str = "") -> CompletedProcess[str]:
        """Apply an object as a user, by default as the administrator, who may do everything."""
        flags = ("--server-side", "--force-conflicts", "--validate=strict", "--filename=-")
        return self.plane.kubectl("apply", *flags, as_=user, input=json.dumps(value))


def _role(name: str, rules: list[Json]) -> Json:
    return {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}


def _bound(role: str) -> Json:
    """A binding of the work agent to a ClusterRole; on a cluster the controllers aggregate it."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"signed-spoke-{role}"},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": _ACCOUNT, "namespace": _NAMESPACE}],
    }


@pytest.fixture(scope="module")
def spoke(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spoke]:
    folder = tmp_path_factory.mktemp("signed-spoke")
    fleet = FleetFolder(folder / "fleet")
    fleet_of(fleet, signing=f"{{namespaces: [{SPACE}]}}")
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("kmm-tests", SPACE))
    fleet.render()
    policy = folder / "policy.yaml"
    policy.write_text(fleet.object("paris/cluster/configmap-kmodgate-policy.yaml")["data"]["policy.yaml"])
    module = made_by_hub(fleet)
    module["metadata"]["namespace"] = SPACE
    control_plane.apply(_role("signed-spoke-agent", RIGHTS), *map(_bound, ("signed-spoke-agent", MODULES)))
    with in_force(control_plane, folder / "webhook", [SPACE], "--policy", str(policy)):
        yield Spoke(control_plane, fleet.object("hub/nic/manifestwork-kmodgate-nic.yaml"), module)
    control_plane.kubectl("delete", "module", "nic", f"--namespace={SPACE}", "--ignore-not-found", check=True)


def changed(module: Json, image: str) -> Json:
    result = copy.deepcopy(module)
    result["spec"]["moduleLoader"]["container"]["kernelMappings"][0]["containerImage"] = image
    return result


def bring(spoke: Spoke) -> None:
    """Have the work agent apply what the ManifestWork holds, in its order: the right on Modules is the first."""
    for manifest in spoke.work["spec"]["workload"]["manifests"]:
        done = spoke.put(manifest, AGENT)
        assert done.returncode == 0, (manifest["kind"], done.stderr)


@pytest.mark.timing
def test_the_work_agent_brings_what_the_hub_has_signed_and_nobody_else(spoke: Spoke) -> None:
    bring(spoke)

    by_admin = spoke.put(spoke.module)
    other_image = spoke.put(changed(spoke.module, "quay.io/mallory/nic:1.0"), AGENT)
    by_agent = spoke.put(spoke.module, AGENT)

    assert "SGN" in by_admin.stderr
    assert f"only {AGENT} may write this Module" in by_admin.stderr
    assert "SGN" in other_image.stderr
    assert by_agent.returncode == 0, by_agent.stderr


@pytest.mark.timing
def test_others_may_label_the_module_but_not_change_what_it_loads(spoke: Spoke) -> None:
    bring(spoke)
    assert spoke.put(spoke.module, AGENT).returncode == 0
    labelled = {**spoke.module, "metadata": {**spoke.module["metadata"], "labels": {"seen": "yes"}}}
    elsewhere = copy.deepcopy(spoke.module)
    elsewhere["spec"]["selector"] = {"other": "nodes"}

    assert spoke.put(labelled).returncode == 0
    assert "SGN" in spoke.put(elsewhere).stderr
    assert spoke.put(elsewhere, AGENT).returncode == 0
