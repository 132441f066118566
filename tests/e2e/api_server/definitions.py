"""The CustomResourceDefinitions of the kinds that the webhook is about."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from kmodgate import schemas
from tests import shared

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind and where the API server serves it. `versions`: all that are served; the last one is stored."""

    kind: str
    group: str
    plural: str
    versions: tuple[str, ...] = ("v1beta1",)
    namespaced: bool = False
    short_names: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.plural}.{self.group}"

    @property
    def file(self) -> str:
        """The name of KMM's own definition in the folder of `tests.shared`."""
        return f"crds/{self.group}_{self.plural}.yaml"


KINDS = (
    Kind("Module", "kmm.sigs.x-k8s.io", "modules", namespaced=True),
    Kind("NodeModulesConfig", "kmm.sigs.x-k8s.io", "nodemodulesconfigs", short_names=("nmc",)),
    Kind("PreflightValidation", "kmm.sigs.x-k8s.io", "preflightvalidations", ("v1beta1", "v1beta2")),
    Kind("ModuleImagesConfig", "kmm.sigs.x-k8s.io", "moduleimagesconfigs", namespaced=True, short_names=("mic",)),
    Kind(
        "ModuleBuildSignConfig", "kmm.sigs.x-k8s.io", "modulebuildsignconfigs", namespaced=True, short_names=("mbsc",)
    ),
    Kind("ManagedClusterModule", "hub.kmm.sigs.x-k8s.io", "managedclustermodules"),
)


def definitions(kinds: tuple[Kind, ...] = KINDS) -> list[Json]:
    """The definitions of some kinds: their own where they are at hand, and generated ones for the others."""
    files = [(kind, shared.find(kind.file)) for kind in kinds]
    return [read(file) if file else generated(kind) for kind, file in files]


def read(file: Path) -> Json:
    """The definition in a YAML file."""
    document: Json = yaml.load(file.read_bytes(), yaml.CSafeLoader)
    return document


def generated(kind: Kind) -> Json:
    """The definition that our schemas make of a kind, as strict as the API server lets a definition be."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.name},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": list(kind.short_names),
            },
            "versions": [_version(kind, version) for version in kind.versions],
        },
    }


def structural(schema: Json, named: Json) -> Json:
    """A schema of ours as a structural schema (OpenAPI v3), with the definitions in `named` written out.

    What is not declared is dropped by the API server, or refused where the client asks for it, so that
    `additionalProperties: false` goes without saying, and is not allowed beside `properties`.
    """
    if "$ref" in schema:
        schema = named[schema["$ref"].removeprefix("#/definitions/")] | schema
    result: Json = {}
    for key, value in schema.items():
        result.update(_keyword(key, value, named))
    if all(isinstance(value, str) for value in result.get("enum", [None])):
        result.setdefault("type", "string")
    if schema.get("type") == "object" and not schema.keys() & {"properties", "additionalProperties"}:
        result["x-kubernetes-preserve-unknown-fields"] = True
    return result


_DROPPED = ("$ref", "$schema", "title", "definitions", "deprecated")


def _keyword(key: str, value: Any, named: Json) -> Json:
    match key, value:
        case "properties", dict():
            return {key: {name: structural(child, named) for name, child in value.items()}}
        case (("items" | "additionalProperties"), dict()):
            return {key: structural(value, named)}
        case "additionalProperties", False:
            return {}
        case "additionalProperties", True:  # which keeps the fields, and drops those of the objects in them
            return {"x-kubernetes-preserve-unknown-fields": True}
        case "anyOf", [{"type": "integer"}, {"type": "string"}]:
            return {key: value, "x-kubernetes-int-or-string": True}
        case "uniqueItems", True:  # which the API server knows of scalars only, by another name
            return {"x-kubernetes-list-type": "set"}
        case "const", _:
            return {"enum": [value]}
    return {} if key in _DROPPED else {key: value}


_ANYTHING = {"type": "object", "additionalProperties": True}
_LOOSE: Json = {"type": "object", "properties": {"spec": _ANYTHING, "status": _ANYTHING}}
"""Stands for a kind of which there is no schema."""


def _version(kind: Kind, version: str) -> Json:
    name = schemas.name_of(f"{kind.group}/{version}", kind.kind)
    schema = json.loads(schemas.read(name)) if schemas.path(name).is_file() else _LOOSE
    root = structural(schema, schema.get("definitions", {}))
    # The API server looks after these itself, and lets no definition say anything of them.
    root["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    return {
        "name": version,
        "served": True,
        "storage": version == kind.versions[-1],
        "schema": {"openAPIV3Schema": root},
        "subresources": {"status": {}},
    }
