"""Plugins that load kernel modules by themselves, which no `sign` block covers."""

from __future__ import annotations

from typing import Any

import pytest

from kmodgate.policy.config import read_policy
from kmodgate.policy.findings import Mode
from tests.policy.rules.signed_modules import BY_NODES, KERNEL, MARKED, NO_NODES, found, signing


def with_plugin(*command: str) -> dict[str, Any]:
    object = signing(f"{KERNEL}/nic.ko")
    object["spec"]["devicePlugin"] = {"container": {"image": "quay.io/acme/plugin:1", "command": list(command)}}
    return object


@pytest.mark.parametrize("command", [["modprobe", "x"], ["/sbin/insmod", "x.ko"], ["sh", "-c", "kmod load x"]])
def test_a_plugin_that_loads_modules_is_a_warning(command: list[str]) -> None:
    assert [finding.mode for finding in found(with_plugin(*command), "SGN205")] == [Mode.WARN]
    (finding,) = found(with_plugin(*command), "SGN204", BY_NODES, facts=MARKED, user="alice")
    assert finding.mode is Mode.WARN
    assert not found(with_plugin(*command), "SGN204", BY_NODES, facts=NO_NODES, user="alice")


@pytest.mark.parametrize("command", [["/plugin"], ["/plugin", "--modprobe-config=x"], ["/plugin", "kmod-exporter"]])
def test_a_plugin_that_loads_no_modules_passes(command: list[str]) -> None:
    assert not found(with_plugin(*command), "SGN205")


@pytest.mark.parametrize(
    ("images", "mode"),
    [
        (["quay.io/acme/plugin"], None),
        (["quay.io/acme"], None),
        (["quay.io/acme/plugin:1"], None),
        (["quay.io/acme/plug"], Mode.ENFORCE),
        (["quay.io/other"], Mode.ENFORCE),
    ],
)
def test_a_plugin_runs_only_listed_images_where_the_policy_lists_some(images: list[str], mode: Mode | None) -> None:
    policy = read_policy({"parameters": {"requireSigning": {"namespaces": ["drivers"], "pluginImages": images}}})
    findings = found(with_plugin("modprobe", "x"), "SGN205", policy)
    assert [finding.mode for finding in findings] == ([mode] if mode else [])
