"""Which KMM knows which field, and what it says where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from kmodgate.policy.findings import format_path
from kmodgate.policy.kmm.versions import Release, unsupported

LOADER: dict[str, Any] = {
    "modprobe": {"moduleName": "m"},
    "kernelMappings": [{"literal": "k", "containerImage": "a:1"}],
}


def module(**spec: Any) -> dict[str, Any]:
    return {"spec": {"selector": {}, "moduleLoader": {"container": LOADER}, **spec}}


def with_container(**container: Any) -> dict[str, Any]:
    return module(moduleLoader={"container": {**LOADER, **container}})


SIGN = {"keySecret": {"name": "k"}, "certSecret": {"name": "c"}, "filesToSign": ["/opt/*.ko"]}
CASES = [
    (module(tolerations=[]), "spec.tolerations", "2.2", "2.3"),
    (module(imageRebuildTriggerGeneration=1), "spec.imageRebuildTriggerGeneration", "2.5", "2.6"),
    (module(devicePlugin={"container": {}, "initContainer": {}}), "spec.devicePlugin.initContainer", "2.3", "2.4"),
    (module(devicePlugin={"automountServiceAccountToken": False}), "spec.devicePlugin.automountServiceAccountToken", "2.5", "2.6"),
    (with_container(inTreeModulesToRemove=[]), "spec.moduleLoader.container.inTreeModulesToRemove", "2.0", "2.1"),
    (with_container(modprobe={"rawArgs": {}}), "spec.moduleLoader.container.modprobe", "2.0", "2.1"),
    (with_container(sign=SIGN), "spec.moduleLoader.container.sign.filesToSign[0]", "2.5", "2.6"),
    (with_container(kernelMappings=[{"sign": SIGN}]), "spec.moduleLoader.container.kernelMappings[0].sign.filesToSign[0]", "2.5", "2.6"),
    (module(dra={"driverName": "d"}), "spec.dra", "2.6", "head"),
    ({"spec": {"devicePlugin": {}}}, "spec.devicePlugin", "2.3", "2.4"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "field", "before", "since"), CASES)
def test_a_field_that_came_later_names_the_version_that_brings_it(
    value: Any, field: str, before: str, since: str
) -> None:
    problems = list(unsupported(value, Release(before)))
    assert [format_path(problem.path) for problem in problems] == [field]
    assert f"KMM {since}" in problems[0].message
    assert f"KMM {before}" in problems[0].message
    assert not list(unsupported(value, Release(since)))
    assert not list(unsupported(value, Release()))


def test_patch_releases_count_as_their_minor_release() -> None:
    assert not list(unsupported(module(tolerations=[]), Release("2.3.1")))


def test_red_hat_has_dra_one_release_name_earlier() -> None:
    assert list(unsupported(module(dra={}), Release("2.6", redhat=True)))
    assert not list(unsupported(module(dra={}), Release("2.7", redhat=True, kubernetes="1.34")))


@pytest.mark.parametrize(
    "field", ["registryTLS", "build.baseImageRegistryTLS", "build.kanikoParams", "sign.unsignedImageRegistryTLS"]
)
@pytest.mark.parametrize("level", ["container", "mapping"])
def test_what_red_hat_ignores_is_an_error_there_and_nowhere_else(field: str, level: str) -> None:
    value: dict[str, Any] = {}
    for name in reversed(field.split(".")):
        value = {name: value}
    subject = with_container(**value) if level == "container" else with_container(kernelMappings=[value])
    assert [problem.message for problem in unsupported(subject, Release(redhat=True))] == [
        "Red Hat's build of KMM ignores it"
    ]
    assert not list(unsupported(subject, Release()))


def test_unknown_versions_are_told_apart() -> None:
    assert Release("2.6").is_known
    assert Release("head").is_known
    assert not Release("2.7").is_known
    assert Release("2.7", redhat=True).is_known
    assert not Release("head", redhat=True).is_known
    assert not Release("9.9").is_known
