"""The entry about MachineConfigs that load kernel modules at boot, which OpenShift has where the policy asks for it."""

from __future__ import annotations

from typing import Any

from tests.fleets import FleetFolder
from tests.renderer.registration.reaching import Request
from tests.renderer.registration.registering import answer, generated, policy

GROUP = "machineconfiguration.openshift.io"
POOL = {f"{GROUP}/role": "worker"}
ASKED = [("machine-configs", "Ignore")]


def loading(image: str = "quay.io/acme/nic") -> dict[str, Any]:
    units = [{"name": "a.service"}, {"contents": f'Environment="KERNEL_MODULE_IMAGE={image}"'}]
    return {"spec": {"config": {"systemd": {"units": units}}}}


def written(content: dict[str, Any], old: dict[str, Any] | None = None, labels: dict[str, str] = POOL) -> Request:
    operation = "CREATE" if old is None else "UPDATE"
    before = {**(old or {}), "metadata": {"labels": POOL}}
    return Request(operation, "machineconfigs", GROUP, labels=labels, content=content, old_content=before)


def asking(fleet: FleetFolder, platform: str = "openshift") -> dict[str, Any]:
    policy(fleet, "parameters: {admitMachineConfigs: true}")
    path = fleet.cluster("paris")
    path.write_text(path.read_text().replace("platform: kubernetes", f"platform: {platform}"))
    return generated(fleet)


def test_it_asks_about_machine_configs_that_load_a_module_and_waits_for_nobody(fleet: FleetFolder) -> None:
    objects = asking(fleet)
    assert answer(objects, written(loading())) == ASKED
    assert answer(objects, written(loading(), loading("quay.io/acme/old"))) == ASKED
    rules = objects["ClusterRole/kmodgate-webhook"]["rules"]
    assert {"apiGroups": [GROUP], "resources": ["machineconfigs"], "verbs": ["list"]} in rules


def test_it_asks_about_nothing_else_of_the_operator(fleet: FleetFolder) -> None:
    objects = asking(fleet)
    assert answer(objects, written(loading(), loading())) == []
    assert answer(objects, written(loading(), labels={})) == []
    assert answer(objects, written({"spec": {"kernelArguments": ["nosmt"]}})) == []
    assert answer(objects, written({"spec": {"config": {"systemd": {"units": [{"name": "a.service"}]}}}})) == []
    assert answer(objects, Request("DELETE", "machineconfigs", GROUP, labels=None, old=POOL)) == []
    assert answer(objects, Request("UPDATE", "machineconfigpools", GROUP, labels=POOL)) == []


def test_it_is_not_there_unless_asked_for_nor_on_another_platform(fleet: FleetFolder) -> None:
    for objects in (generated(fleet), asking(fleet, "kubernetes")):
        assert answer(objects, written(loading())) == []
        assert GROUP not in str(objects["ClusterRole/kmodgate-webhook"])


def test_it_is_not_there_where_the_policy_disables_all_that_it_is_for(fleet: FleetFolder) -> None:
    path = fleet.cluster("paris")
    path.write_text(path.read_text().replace("platform: kubernetes", "platform: openshift"))
    policy(fleet, "parameters: {admitMachineConfigs: true}\n  modes: {DAY: disabled, IMG: disabled, SGN: disabled}")
    assert answer(generated(fleet), written(loading())) == []
