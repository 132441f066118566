"""The table of fields: forwards to the object, backwards to the spec."""

from __future__ import annotations

import json
from typing import Any

from kmodgate import schemas
from kmodgate.renderer.fleet.fields.conversion import compile_fields, spec_path
from kmodgate.renderer.fleet.fields.field_table import DRIVER_FIELDS, SYNONYMS, rows

SPEC: dict[str, Any] = {
    "selector": {"a": "b"},
    "modprobe": {"moduleName": "m", "args": {"load": ["-v"]}},
    "kernelMappings": [
        {
            "name": "x",
            "literal": "k",
            "build": {"dockerfile": "./D", "buildArgs": {"A": "1", "B": "2"}, "secrets": ["s", "t"]},
        }
    ],
    "sign": {"keySecret": "key", "certSecret": "cert", "filesToSign": ["/opt/a.ko"]},
    "imageRepoSecret": "robot",
    "dra": {"driverName": "d", "deviceClasses": [{"name": "c"}], "container": {"image": "i", "env": [{"name": "E"}]}},
}
CONTAINER = ("moduleLoader", "container")


def test_the_table_compiles_references_arguments_and_levels() -> None:
    spec = {
        **SPEC,
        "kernelMappings": [
            {"literal": "k", "build": {"dockerfileConfigMap": "cm", "buildArgs": {"A": "1"}, "secrets": ["s"]}}
        ],
    }
    compiled: Any = compile_fields(DRIVER_FIELDS, spec)
    assert compiled["imageRepoSecret"] == {"name": "robot"}
    assert compiled["moduleLoader"]["container"]["kernelMappings"][0]["build"] == {
        "dockerfileConfigMap": {"name": "cm"},
        "buildArgs": [{"name": "A", "value": "1"}],
        "secrets": [{"name": "s"}],
    }
    assert compiled["moduleLoader"]["container"]["sign"]["keySecret"] == {"name": "key"}


def test_every_object_path_leads_back_to_its_spec_path() -> None:
    pairs = {
        ("selector", "a"): ("selector", "a"),
        (*CONTAINER, "modprobe", "args", "load", 0): ("modprobe", "args", "load", 0),
        (*CONTAINER, "kernelMappings", 0, "literal"): ("kernelMappings", 0, "literal"),
        (*CONTAINER, "kernelMappings", 0, "build", "buildArgs", 1, "value"): ("kernelMappings", 0, "build", "buildArgs", "B"),
        (*CONTAINER, "kernelMappings", 0, "build", "secrets", 1, "name"): ("kernelMappings", 0, "build", "secrets", 1),
        (*CONTAINER, "kernelMappings", 0, "build", "dockerfileConfigMap", "name"): ("kernelMappings", 0, "build", "dockerfile"),
        (*CONTAINER, "sign", "keySecret", "name"): ("sign", "keySecret"),
        (*CONTAINER, "sign", "filesToSign", 0): ("sign", "filesToSign", 0),
        ("imageRepoSecret", "name"): ("imageRepoSecret",),
        ("dra", "container", "env", 0, "name"): ("dra", "container", "env", 0, "name"),
        CONTAINER: ("modprobe",),
    }  # fmt: skip
    assert {path: spec_path(path, SPEC) for path in pairs} == pairs


def test_the_schema_and_the_table_know_the_same_fields() -> None:
    schema = json.loads(schemas.read(schemas.KINDS["KernelDriver"]))["definitions"]
    ours = {
        "clusters",
        "namespace",
        "delivery",
        "boot",
        "daemonset",
        "hub",
        "state",
        "removal",
        "scc",
        "contentTag",
        "attach",
        "overrides",
    }
    top = {ours for ours, _ in rows() if "." not in ours and "[]" not in ours}
    assert set(schema["driverSpec"]["properties"]) - ours == top
    for level, name in (
        ("build", "build"),
        ("sign", "sign"),
        ("kernelMapping", "kernelMappings[]"),
        ("modprobe", "modprobe"),
    ):
        below = {path.removeprefix(f"{name}.").removesuffix("[]") for path, _ in rows() if path.startswith(f"{name}.")}
        direct = {path for path in below if "." not in path and "[]" not in path}
        assert set(schema[level]["properties"]) - {"name", *SYNONYMS} == direct
