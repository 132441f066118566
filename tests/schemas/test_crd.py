"""Rendered Modules against KMM's own CustomResourceDefinition, which is not part of this repository."""

from __future__ import annotations

from collections.abc import Iterator

import jsonschema
import pytest
import yaml

from tests import shared
from tests.conftest import WITH_DRIVERS, golden_modules

CORE = {"env", "resources", "tolerations", "volumeMounts", "volumes"}
"""Fields with a type of Kubernetes: one field each, whatever is in them."""

DEPRECATED = "inTreeModuleToRemove"

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def schema() -> dict:
    """The schema of Module v1beta1, as the definition has it."""
    definition = yaml.safe_load(shared.need("crds/kmm.sigs.x-k8s.io_modules.yaml").read_text(encoding="utf-8"))
    (version,) = (item for item in definition["spec"]["versions"] if item["name"] == "v1beta1")
    return version["schema"]["openAPIV3Schema"]


@pytest.fixture(scope="module")
def validator(schema: dict) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(strict(schema))


def strict(schema: dict) -> dict:
    """A structural schema as JSON Schema, in which a field that the API server would drop is an error."""
    result = {key: _keyword(key, value) for key, value in schema.items()}
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        result.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        result["type"] = ["integer", "string"]
    if schema.get("nullable"):
        result["type"] = [schema["type"], "null"]
    return result


def _keyword(key: str, value: object) -> object:
    # By keyword: a volume has fields that are called `items` themselves.
    if key == "properties":
        return {name: strict(child) for name, child in value.items()}
    if key in ("items", "additionalProperties") and isinstance(value, dict):
        return strict(value)
    return value


def fields(schema: dict, path: str = "") -> Iterator[str]:
    """The path of every field of a structural schema, down to the types of Kubernetes."""
    for name, child in schema.get("properties", {}).items():
        below = f"{path}.{name}".lstrip(".")
        yield below
        if name not in CORE:
            yield from fields(child, below)
    if "items" in schema:
        yield from fields(schema["items"], f"{path}[]")


def used(value: object, path: str = "") -> Iterator[str]:
    """The path of every field of an object."""
    if isinstance(value, dict):
        for name, child in value.items():
            below = f"{path}.{name}".lstrip(".")
            yield below
            yield from used(child, below)
    elif isinstance(value, list):
        for child in value:
            yield from used(child, f"{path}[]")


@pytest.mark.parametrize("name", [name for name in WITH_DRIVERS if any(golden_modules(name))])
def test_every_rendered_module_is_what_the_definition_says(name: str, validator: jsonschema.Draft7Validator) -> None:
    found = list(golden_modules(name))

    errors = [
        f"{path}: {error.json_path}: {error.message}" for path, it in found for error in validator.iter_errors(it)
    ]

    assert found
    assert not errors, "\n".join(errors)


@pytest.mark.parametrize(
    "change",
    [{"nodeSelector": {"a": "b"}}, {"selector": {"a": 1}}, {"imageRepoSecret": {"name": "a", "namespace": "b"}}],
    ids=["unknown field", "wrong type", "unknown field below"],
)
def test_what_the_definition_does_not_say_is_an_error(change: dict, validator: jsonschema.Draft7Validator) -> None:
    _, module = next(golden_modules("full-module"))

    assert validator.is_valid(module)
    assert not validator.is_valid({**module, "spec": {**module["spec"], **change}})


def test_the_example_full_module_uses_every_field(schema: dict) -> None:
    known = {path for path in fields(schema["properties"]["spec"]) if not path.endswith(DEPRECATED)}
    shown = {path for _, module in golden_modules("full-module") for path in used(module["spec"])}

    assert len(known) > 100
    assert not known - shown
