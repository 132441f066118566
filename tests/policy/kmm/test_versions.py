"""Which KMM knows which field, and what it says where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from kmodgate.policy.findings import format_path
from kmodgate.policy.kmm.versions import Release, unsupported, with_one_removal

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
    (module(tolerations=[{"operator": "Exists"}]), "spec.tolerations", "2.2", "2.3"),
    (module(imageRebuildTriggerGeneration=1), "spec.imageRebuildTriggerGeneration", "2.5", "2.6"),
    (module(devicePlugin={"container": {}, "initContainer": {"image": "a:1"}}), "spec.devicePlugin.initContainer", "2.3", "2.4"),
    (module(devicePlugin={"automountServiceAccountToken": False}), "spec.devicePlugin.automountServiceAccountToken", "2.5", "2.6"),
    (with_container(inTreeModulesToRemove=["a", "b"]), "spec.moduleLoader.container.inTreeModulesToRemove", "2.0", "2.1"),
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
    dra = module(dra={"driverName": "d"})
    assert list(unsupported(dra, Release("2.6", redhat=True)))
    assert not list(unsupported(dra, Release("2.7", redhat=True, kubernetes="1.34")))


@pytest.mark.parametrize(
    "field", ["registryTLS", "build.baseImageRegistryTLS", "build.kanikoParams", "sign.unsignedImageRegistryTLS"]
)
@pytest.mark.parametrize("level", ["container", "mapping"])
def test_what_red_hat_ignores_is_a_warning_there_and_nowhere_else(field: str, level: str) -> None:
    key = "tag" if field.endswith("kanikoParams") else "insecure"
    for settings, expected in (({key: "1"}, 1), ({}, 0), ({"insecure": False, "tag": ""}, 0)):
        value: dict[str, Any] = settings
        for name in reversed(field.split(".")):
            value = {name: value}
        subject = with_container(**value) if level == "container" else with_container(kernelMappings=[value])
        problems = list(unsupported(subject, Release(redhat=True)))
        assert [(problem.message, problem.severity) for problem in problems] == expected * [
            ("Red Hat's build of KMM ignores it", "warning")
        ]
        assert not list(unsupported(subject, Release()))


FIRST = (("2.4", "2.4.3"), ("2.6", "2.6.1"), ("2.7", "2.7.0"))


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.3", "NO"), ("2.3.9", "NO"), ("2.4.2", "NO"), ("2.4.3", "YES"), ("2.4.10", "YES"), ("2.4", "MAYBE"),
        ("2.5", "YES"), ("2.5.0", "YES"), ("2.6.0", "NO"), ("2.6", "MAYBE"), ("2.6.1", "YES"), ("2.7", "YES"),
        ("2.7.0", "YES"), ("", "YES"),
    ],
)  # fmt: skip
def test_a_patch_brings_something_to_its_line_and_later_lines_inherit_it(version: str, expected: str) -> None:
    assert Release(version, redhat=True).presence(FIRST).name == expected


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ((["a"], None), ("a", None)),
        ((None, ["a"]), (None, "a")),
        ((["a"], ["b"]), ("a", "b")),
        (([], None), (None, None)),
        ((None, []), (None, None)),
        ((["a", "b"], ["c"]), (["a", "b"], "c")),
        ((["a"], []), ("a", [])),
    ],
    ids=["driver", "mapping", "both", "none", "none of a mapping", "two", "none where the driver has one"],
)
def test_a_release_before_the_list_gets_one_name(levels: Any, expected: Any) -> None:
    common, own = ({} if names is None else {"inTreeModulesToRemove": names} for names in levels)
    subject = with_container(**common, kernelMappings=[{"literal": "k", **own}])
    result = with_one_removal(subject)
    container = result["spec"]["moduleLoader"]["container"]
    found = [
        level.get("inTreeModuleToRemove", level.get("inTreeModulesToRemove"))
        for level in (container, container["kernelMappings"][0])
    ]
    assert tuple(found) == expected
    problems = list(unsupported(result, Release("2.0")))
    assert [problem.path[-1] for problem in problems] == ["inTreeModulesToRemove"] * sum(
        isinstance(item, list) for item in expected
    )
    assert all("name one module at most" in problem.fix for problem in problems)


def test_unknown_versions_are_told_apart() -> None:
    assert Release("2.6").is_known
    assert Release("head").is_known
    assert not Release("2.7").is_known
    assert Release("2.7", redhat=True).is_known
    assert not Release("head", redhat=True).is_known
    assert not Release("9.9").is_known
