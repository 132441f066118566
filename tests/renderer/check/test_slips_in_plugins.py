"""Slips of people who write a device plugin: one slip is one finding, and its fix is the line to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.renderer.check.test_slips_in_modules import told

Plugin = dict[str, Any]


def plugin(**container: Any) -> Plugin:
    return {"container": {"image": "quay.io/acme/plugin:1.0", **container}}


def volume(name: str, mounted: str, **source: Any) -> Plugin:
    """A plugin with one volume, and a mount of one name."""
    mounts = [{"name": mounted, "mountPath": "/etc/plugin"}]
    return plugin(volumeMounts=mounts) | {"volumes": [{"name": name, **(source or {"emptyDir": {}})}]}


def limit(name: str, amount: object) -> Plugin:
    return plugin(resources={"limits": {name: amount}})


@pytest.mark.parametrize(
    ("value", "rule", "fix"),
    [
        (volume("config ", "config"), "PLG108", "write config, in volumeMounts too"),
        (volume("Config", "Config"), "PLG108", "write config, in volumeMounts too"),
        (volume("", "config"), "PLG108", "the one that volumeMounts names"),
        (volume("config", "confg"), "PLG101", "write config"),
        (volume("config", "Config "), "PLG101", "write config"),
        (volume("config", "config", hostPath={"path": "/etc/../root"}), "KMM105", "use a path below"),
        (volume("config", "config", hostPath={"path": ""}), "KMM105", "use a path below"),
        (volume("config", "config", hostPath={"path": "/dev/a", "type": "chardevice"}), "PLG108", "write CharDevice"),
        (volume("config", "config", secret={"secretName": "Keys"}), "PLG108", "write keys"),
        (volume("config", "config", secret={"secretName": "k", "defaultMode": 644}), "PLG108", "write 420"),
        (limit("CPU", 1), "PLG111", "write cpu"),
        (limit("Memory", "1Gi"), "PLG111", "write memory"),
        (limit("memory", "1 Gi"), "SCH104", "write 1Gi"),
        (limit("memory", "1GB"), "SCH104", "write 1G"),
        (limit("memory", "512mib"), "SCH104", "write 512Mi"),
        (limit("memory", "much"), "SCH104", "500m, 2, 512Mi, 1Gi"),
        (limit("cpu", "-100m"), "PLG111", "write 100m"),
        (plugin(env=[{"name": "LOG=info"}]), "PLG110", "write name: LOG and value: 'info'"),
        (plugin(env=[{"name": "LOG LEVEL"}]), "PLG110", "write LOG_LEVEL"),
        (plugin(env=["LOG=info"]), "SCH102", "write {name: LOG, value: info}"),
        (plugin(resources={"cpu": "500m"}), "SCH101", 'limits: {cpu: "500m"}'),
        (plugin(volumeMounts=[{"name": "kubelet-device-plugins", "path": "/a"}]), "SCH101", "did you mean mountPath?"),
        (plugin(image="quay.io/acme/plugin:1.0 "), "IMG104", "write quay.io/acme/plugin:1.0"),
        (plugin(image="docker://quay.io/Acme/plugin:1.0"), "IMG104", "write quay.io/acme/plugin:1.0"),
        (plugin(image=""), "IMG104", "write the name of its image"),
        (plugin(imagePullPolicy="ifnotpresent"), "PLG106", "write IfNotPresent"),
        (plugin(livenessProbe={"exec": {}}), "SCH101", "remove it"),
        ({"container": {"containerImage": "quay.io/acme/plugin:1.0"}}, "SCH101", "did you mean image?"),
    ],
)
def test_a_slip_is_told_once_with_its_correction(tmp_path: Path, value: Plugin, rule: str, fix: str) -> None:
    (found,) = told(tmp_path, {}, {"devicePlugin": value})
    assert found["rule"] == rule
    assert fix in found["fix"]
    assert found["line"]


def test_what_the_api_server_takes_is_not_told(tmp_path: Path) -> None:
    sound = volume("config", "config", configMap={"name": "config", "defaultMode": 0o644})
    sound["container"] |= {
        "env": [{"name": "a.b-C", "value": ""}],
        "resources": {"limits": {"cpu": 1, "acme.com/a": 2}},
    }
    assert told(tmp_path, {}, {"devicePlugin": sound}) == []
