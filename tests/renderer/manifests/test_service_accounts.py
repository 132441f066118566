"""ServiceAccounts: rendered, named by the driver, or owned by others."""

from __future__ import annotations

import pytest

from tests.fleets import FleetFolder
from tests.renderer.rendering import MODULE, module


@pytest.mark.parametrize(
    ("more", "accounts"),
    [("", "nic"), ("serviceAccountName: loader", "loader"), ('serviceAccountName: ""', None)],
)
def test_the_service_account_is_named_after_the_driver_given_or_none(
    fleet: FleetFolder, more: str, accounts: str | None
) -> None:
    loader = module(fleet, more)["spec"]["moduleLoader"]
    assert loader.get("serviceAccountName") == accounts
    rendered = [path for path in fleet.files() if "serviceaccount" in path]
    assert rendered == ([f"paris/nic/serviceaccount-{accounts}.yaml"] if accounts else [])


def test_accounts_that_others_own_are_named_and_not_rendered(fleet: FleetFolder) -> None:
    fleet.driver("nic", "serviceAccountName: theirs\ndevicePlugin: {container: {image: a:1}}")
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("{name: kmm-tests}", "{name: kmm-tests, manage: false}"))
    fleet.render()
    assert fleet.object(MODULE)["spec"]["moduleLoader"]["serviceAccountName"] == "theirs"
    assert [name for name in fleet.files() if "serviceaccount" in name] == [
        "paris/nic/serviceaccount-nic-device-plugin.yaml"
    ]


def test_a_plugin_has_an_account_of_its_own(fleet: FleetFolder) -> None:
    plugin = module(fleet, "devicePlugin: {container: {image: a:1}}")["spec"]["devicePlugin"]
    assert plugin["serviceAccountName"] == "nic-device-plugin"
    assert "paris/nic/serviceaccount-nic-device-plugin.yaml" in fleet.files()


def test_two_drivers_may_attach_one_file_with_accounts(fleet: FleetFolder) -> None:
    account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: plugin}\n"
    for name in ("nic", "gpu"):
        fleet.write("drivers/account.yaml", account)
        fleet.driver(name, "attach: [./account.yaml]")
    fleet.render()
    assert [path for path in fleet.files() if path.endswith("serviceaccount-plugin.yaml")] == [
        "paris/cluster/serviceaccount-plugin.yaml"
    ]


def test_the_default_account_is_named_and_nothing_is_rendered_for_it(fleet: FleetFolder) -> None:
    fleet.cluster("paris", platform="openshift")
    assert module(fleet, "serviceAccountName: default")["spec"]["moduleLoader"]["serviceAccountName"] == "default"
    assert not [path for path in fleet.files() if "serviceaccount" in path or "rolebinding" in path]
