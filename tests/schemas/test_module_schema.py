"""The schema of KMM's Module, against verdicts of a real API server and against KMM's CRD."""

from __future__ import annotations

import json
from collections.abc import Iterator

import jsonschema
import jsonschema_rs
import pytest
import yaml

from kmodgate import schemas
from kmodgate.policy.kmm.api_checks import structure_findings
from kmodgate.policy.kmm.defaults import default_paths, defaulted
from kmodgate.schemas.compiled import object_schema
from tests import oracle, shared
from tests.objects.plain_module import Json, module

SCHEMA: Json = json.loads(schemas.read(schemas.KINDS["Module"]))
VALIDATOR = jsonschema_rs.Draft7Validator(SCHEMA)
SECOND_OPINION = jsonschema.Draft7Validator(SCHEMA)


def is_refused(document: Json) -> bool:
    normal = defaulted(document)
    return not VALIDATOR.is_valid(normal) or any(structure_findings(normal))


@pytest.fixture(scope="module")
def cases() -> list[Json]:
    return oracle.lines("modules-create")


@pytest.mark.shared
def test_what_the_api_server_refuses_is_refused_and_nothing_else(cases: list[Json]) -> None:
    wrong = [case for case in cases if is_refused(case["object"]) != (case.get("stage") == "schema")]
    assert len(cases) == 1000
    assert [(case["object"], case.get("message")) for case in wrong] == []


@pytest.mark.shared
def test_two_validators_agree(cases: list[Json]) -> None:
    for case in cases:
        for document in (case["object"], defaulted(case["object"])):
            assert VALIDATOR.is_valid(document) == SECOND_OPINION.is_valid(document), document


@pytest.mark.shared
def test_defaults_are_those_that_the_api_server_filled_in(cases: list[Json]) -> None:
    stored = [case for case in cases if "defaulted" in case]
    assert len(stored) == 37
    for case in stored:
        ours, theirs = defaulted(case["object"]), case["defaulted"]
        assert {**theirs, "metadata": ours["metadata"]} == ours
        assert theirs["metadata"] | case["object"]["metadata"] == theirs["metadata"]


CONSTRAINTS = ("type", "format", "required", "pattern", "anyOf", "minItems", "maxItems", "const", "enum")


def crd_schema(crd: str, *path: str) -> Json:
    definition = yaml.safe_load(shared.need(f"crds/{crd}.yaml").read_bytes())
    schema: Json = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for name in path:
        schema = schema["properties"][name]
    return schema


def walk(schema: Json, path: str) -> Iterator[tuple[str, Json]]:
    """Every field with its schema, references followed: `spec.volumes[].name`, `spec.selector{}`."""
    while "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].removeprefix("#/definitions/")]
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from walk(schema["additionalProperties"], f"{path}{{}}")


def constraints(schema: Json, *, closed: bool) -> Json:
    found = {key: schema[key] for key in CONSTRAINTS if key in schema}
    return found | {"required": sorted(schema.get("required", [])), "closed": closed}


def is_closed_by_crd(schema: Json) -> bool:
    return schema.get("type") == "object" and not (
        "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
    )


@pytest.mark.shared
@pytest.mark.parametrize("part", ["spec", "status"])
def test_the_schema_has_the_fields_and_constraints_of_the_crd(part: str) -> None:
    theirs = dict(walk(crd_schema("kmm.sigs.x-k8s.io_modules", part), part))
    ours = dict(walk(SCHEMA["properties"][part], part))
    assert sorted(ours) == sorted(theirs)
    for path, schema in ours.items():
        expected = constraints(theirs[path], closed=is_closed_by_crd(theirs[path]))
        assert constraints(schema, closed=schema.get("additionalProperties") is False) == expected, path


@pytest.mark.parametrize(
    ("crd", "path"),
    [("kmm.sigs.x-k8s.io_modules", ["spec"]), ("hub.kmm.sigs.x-k8s.io_managedclustermodules", ["spec", "moduleSpec"])],
)
@pytest.mark.shared
def test_the_table_of_defaults_is_that_of_the_crd(crd: str, path: list[str]) -> None:
    fields = dict(walk(crd_schema(crd, *path), "spec"))
    assert {path: schema["default"] for path, schema in fields.items() if "default" in schema} == default_paths()


def test_our_own_part_of_the_schema_shows_the_defaults() -> None:
    shown = {
        path: schema["default"] for path, schema in walk(SCHEMA["properties"]["spec"], "spec") if "default" in schema
    }
    assert shown == {path: default_paths()[path] for path in shown}
    assert "spec.moduleLoader.container.modprobe.dirName" in shown


@pytest.mark.shared
def test_the_crd_has_no_rule_beside_its_schema_that_we_do_not_know() -> None:
    fields = dict(walk(crd_schema("kmm.sigs.x-k8s.io_modules"), ""))
    rules = {
        path: schema["x-kubernetes-validations"]
        for path, schema in fields.items()
        if "x-kubernetes-validations" in schema
    }
    assert [rule["rule"] for rule in rules.pop(".spec")] == ["!(has(self.dra) && has(self.devicePlugin))"]
    assert not rules
    keyed = {path for path, schema in fields.items() if schema.get("x-kubernetes-list-type", "atomic") != "atomic"}
    plugins = [
        f".spec.{plugin}.{container}"
        for plugin in ("dra", "devicePlugin")
        for container in ("container", "initContainer")
    ]
    assert keyed == {f"{plugin}.resources.claims" for plugin in plugins}


@pytest.mark.parametrize(
    "version", ["v2", "v1beta1" + "a" * 5000, "../kmm.sigs.x-k8s.io/v1beta1", "", None, ["v1beta1"]]
)
def test_a_version_that_nobody_serves_has_no_schema_and_names_no_file(version: object) -> None:
    document = {**module(), "apiVersion": version if version is None else f"kmm.sigs.x-k8s.io/{version}"}
    assert object_schema(document) is None
    assert object_schema(module()) is not None
