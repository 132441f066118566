"""Modules of KMM before 1.0: import reads them as Modules of today, and lists what nothing means today."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command import run
from tests.renderer.importer.import_runs import imported, module, spec

DOCKERFILE = "FROM fedora:40\nARG KERNEL_VERSION\nRUN make KVER=${KERNEL_VERSION}\n"


def former(**mapping: Any) -> dict[str, Any]:
    """A Module of KMM before 1.0 with more fields in its mapping."""
    value: dict[str, Any] = yaml.safe_load(module())
    value["apiVersion"] = "kmm.sigs.k8s.io/v1beta1"
    value["spec"]["moduleLoader"]["container"]["kernelMappings"][0] |= mapping
    return value


def written(here: Path, value: dict[str, Any], *, code: int = 0) -> tuple[Any, str]:
    (here / "old.yaml").write_text(yaml.safe_dump(value, sort_keys=False))
    result = imported(here, "--cluster=paris=old.yaml", "--output=fleet", code=code)
    return spec(here / "fleet/drivers/nic.yaml"), result.stderr


def test_a_former_module_becomes_the_spec_of_todays(here: Path) -> None:
    made, said = written(here, former())
    (here / "new.yaml").write_text(module())
    imported(here, "--cluster=paris=new.yaml", "--output=other")
    assert made == spec(here / "other/drivers/nic.yaml")
    assert "Module kmm-tests/nic of kmm.sigs.k8s.io/v1beta1, which no KMM since 1.0 knows" in said
    assert run("render", "fleet", cwd=here).returncode == 0
    assert "apiVersion: kmm.sigs.x-k8s.io/v1beta1" in next((here / "fleet/rendered").rglob("module-*.yaml")).read_text()


def test_former_names_become_todays_names(here: Path) -> None:
    build = {"dockerfileConfigMap": {"name": "d"}, "pull": {"insecure": True}}
    made, _ = written(here, former(pull={"insecureSkipTLSVerify": True}, build=build))
    [mapping] = made["kernelMappings"]
    assert mapping["registryTLS"] == {"insecureSkipTLSVerify": True}
    assert mapping["build"] == {"dockerfileConfigMap": "d", "baseImageRegistryTLS": {"insecure": True}}


def test_the_way_to_push_is_the_way_to_pull_today(here: Path) -> None:
    made, _ = written(here, former(build={"dockerfile": DOCKERFILE, "push": {"insecure": True}}))
    [mapping] = made["kernelMappings"]
    assert mapping["registryTLS"] == {"insecure": True}
    assert "push" not in mapping["build"]


def test_the_first_name_of_the_loader_is_read(here: Path) -> None:
    value = former()
    value["spec"]["driverContainer"] = value["spec"].pop("moduleLoader")
    value["spec"]["driverContainer"]["container"]["odd"] = 1
    made, said = written(here, value, code=1)
    assert made["modprobe"] == {"moduleName": "acme_dummy"}
    assert "old.yaml:" in said
    assert "spec.driverContainer.container.odd: not carried over" in said


def test_a_dockerfile_in_the_module_becomes_a_file(here: Path) -> None:
    made, _ = written(here, former(build={"dockerfile": DOCKERFILE}))
    [mapping] = made["kernelMappings"]
    assert (here / "fleet/drivers" / mapping["build"]["dockerfile"]).read_text() == DOCKERFILE


def test_what_means_nothing_today_is_listed(here: Path) -> None:
    build = {"dockerfile": DOCKERFILE, "push": {"insecure": True}}
    _, said = written(here, former(pull={"insecureSkipTLSVerify": True}, build=build), code=1)
    field = "spec.moduleLoader.container.kernelMappings[0].build.push"
    assert f"warning[IMP002] Module kmm-tests/nic: {field}: not carried over" in said


@pytest.mark.parametrize(
    "broken",
    [
        {"spec": None},
        {"spec": {"moduleLoader": []}},
        {"spec": {"selector": {}, "moduleLoader": {"container": {"kernelMappings": [None, {"build": "x"}]}}}},
        {"spec": {"selector": {}, "moduleLoader": {"container": {"build": {"dockerfile": 7}}}}},
    ],
)
def test_a_broken_former_module_is_refused(here: Path, broken: dict[str, Any]) -> None:
    (here / "old.yaml").write_text(yaml.safe_dump(former() | broken))
    result = imported(here, "--cluster=paris=old.yaml", "--output=fleet", code=2)
    assert "IMP001" in result.stderr


def test_check_names_import(here: Path) -> None:
    (here / "old.yaml").write_text(yaml.safe_dump(former()))
    assert "let kmodgate import make a spec of it" in run("check", "old.yaml", cwd=here).stdout
