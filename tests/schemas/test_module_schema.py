"""KMM's Module: our schema, our defaults and our checks against what a real API server said and what its CRD says."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema
import jsonschema_rs
import pytest
import yaml

from kmodgate import schemas
from kmodgate.policy.kmm.api_checks import MAX_ANNOTATIONS, structure_findings
from kmodgate.policy.kmm.defaults import default_paths, defaulted
from kmodgate.schemas.compiled import object_schema
from tools import compose_schemas

Json: TypeAlias = dict[str, Any]

SHARED = Path(__file__).parents[3] / "shared"
ORACLE = SHARED / "oracle" / "modules-create.jsonl.gz"
CRDS = SHARED / "crds"

SCHEMA: Json = json.loads(schemas.read(schemas.KINDS["Module"]))
VALIDATOR = jsonschema_rs.Draft7Validator(SCHEMA)
SECOND_OPINION = jsonschema.Draft7Validator(SCHEMA)


def module(**spec: object) -> Json:
    return {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {"name": "simple-kmod", "namespace": "drivers"},
        "spec": {"selector": {}, **spec},
    }


def with_metadata(**metadata: object) -> Json:
    return {**module(), "metadata": {"name": "simple-kmod", "namespace": "drivers", **metadata}}


def is_refused(document: Json) -> bool:
    normal = defaulted(document)
    return not VALIDATOR.is_valid(normal) or any(structure_findings(normal))


# -- what the API server said ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def cases() -> list[Json]:
    if not ORACLE.is_file():
        pytest.skip(f"the recorded verdicts are not there: {ORACLE}")
    with gzip.open(ORACLE, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_what_the_api_server_refuses_is_refused_and_nothing_else(cases: list[Json]) -> None:
    wrong = [case for case in cases if is_refused(case["object"]) != (case.get("stage") == "schema")]
    assert len(cases) == 1000
    assert [(case["object"], case.get("message")) for case in wrong] == []


def test_two_validators_agree(cases: list[Json]) -> None:
    for case in cases:
        for document in (case["object"], defaulted(case["object"])):
            assert VALIDATOR.is_valid(document) == SECOND_OPINION.is_valid(document), document


def test_defaults_are_those_that_the_api_server_filled_in(cases: list[Json]) -> None:
    stored = [case for case in cases if "defaulted" in case]
    assert len(stored) == 37
    for case in stored:
        ours, theirs = defaulted(case["object"]), case["defaulted"]
        assert {**theirs, "metadata": ours["metadata"]} == ours
        assert theirs["metadata"] | case["object"]["metadata"] == theirs["metadata"]


# -- what the CRD says ----------------------------------------------------------------------------

CONSTRAINTS = ("type", "format", "required", "pattern", "anyOf", "minItems", "maxItems", "const", "enum")


def crd_schema(crd: str, *path: str) -> Json:
    file = CRDS / f"{crd}.yaml"
    if not file.is_file():
        pytest.skip(f"the CustomResourceDefinition is not there: {file}")
    schema: Json = yaml.safe_load(file.read_bytes())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
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
def test_the_table_of_defaults_is_that_of_the_crd(crd: str, path: list[str]) -> None:
    fields = dict(walk(crd_schema(crd, *path), "spec"))
    assert {path: schema["default"] for path, schema in fields.items() if "default" in schema} == default_paths()


def test_our_own_part_of_the_schema_shows_the_defaults() -> None:
    shown = {
        path: schema["default"] for path, schema in walk(SCHEMA["properties"]["spec"], "spec") if "default" in schema
    }
    assert shown == {path: default_paths()[path] for path in shown}
    assert "spec.moduleLoader.container.modprobe.dirName" in shown


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


# -- defaults and nulls ---------------------------------------------------------------------------

REFERENCE = {"name": ""}


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ({"dra": {}}, {"dra": {}}),
        ({"imageRepoSecret": {}}, {"imageRepoSecret": REFERENCE}),
        ({"imageRepoSecret": {"name": None}}, {"imageRepoSecret": REFERENCE}),
        ({"imageRepoSecret": None}, {}),
        ({"selector": None}, {"selector": None}),
        ({"selector": {"a": None, "b": "c"}}, {"selector": {"b": "c"}}),
        ({"moduleLoader": {"container": {"modprobe": {}}}}, {"moduleLoader": {"container": {"modprobe": {"dirName": "/opt"}}}}),
        ({"moduleLoader": {"container": {"modprobe": {"dirName": ""}}}}, {"moduleLoader": {"container": {"modprobe": {"dirName": ""}}}}),
        ({"dra": {"container": {"args": [None]}}}, {"dra": {"container": {"args": [None]}}}),
        ({"dra": {"volumes": [{"rbd": {"pool": "p", "user": None}}]}}, {"dra": {"volumes": [{"rbd": {"pool": "p", "user": "admin", "keyring": "/etc/ceph/keyring"}}]}}),
        ({"dra": {"deviceClasses": [{"config": [{"opaque": {"parameters": {"a": None}}}]}]}}, {"dra": {"deviceClasses": [{"config": [{"opaque": {"parameters": {"a": None}}}]}]}}),
        ({"dra": [{"volumes": [None]}], "tolerations": 1}, {"dra": [{"volumes": [None]}], "tolerations": 1}),
    ],
)  # fmt: skip
def test_nulls_and_defaults(written: Json, stored: Json) -> None:
    expected = module(**stored)
    if stored.get("selector", "") is None:
        del expected["spec"]["selector"]
    given = module(**written)
    before = copy.deepcopy(given)
    assert defaulted(given) == expected
    assert given == before
    assert defaulted(expected) == expected


def test_a_null_label_is_an_empty_string() -> None:
    document = with_metadata(labels={"a": None}, annotations=None, creationTimestamp=None)
    assert defaulted(document) == with_metadata(labels={"a": ""})


def test_an_object_that_needs_nothing_is_returned_itself() -> None:
    fields = [{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:selector": None}}}]
    document = {**with_metadata(managedFields=fields), "spec": {"selector": {}, "imageRepoSecret": {"name": "robot"}}}
    assert defaulted(document) is document


def test_a_hub_module_gets_the_same_defaults() -> None:
    hub: Json = {"kind": "ManagedClusterModule", "spec": {"imageRepoSecret": {}, "moduleSpec": {"imageRepoSecret": {}}}}
    assert defaulted(hub)["spec"] == {"imageRepoSecret": {}, "moduleSpec": {"imageRepoSecret": REFERENCE}}


def test_depth_is_no_way_to_stop_us() -> None:
    deep: object = None
    for _ in range(20_000):
        deep = {"a": deep}
    result = defaulted({"spec": deep})
    while result:
        (result,) = result.values()  # type: ignore[assignment]
    assert result == {}


# -- checks beside the schema ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (with_metadata(name="Bad_Name"), "metadata.name"),
        (with_metadata(name=""), "metadata.name"),
        (with_metadata(name="x" * 254), "metadata.name"),
        (with_metadata(name="", generateName="a..b"), "metadata.generateName"),
        (with_metadata(name="", generateName="--"), "metadata.generateName"),
        (with_metadata(namespace=""), "metadata.namespace"),
        (with_metadata(namespace="a.b"), "metadata.namespace"),
        (with_metadata(labels={"A/b": "c"}), "metadata.labels.A/b"),
        (with_metadata(labels={"a": "b c"}), "metadata.labels.a"),
        (with_metadata(annotations={"a b": "c"}), "metadata.annotations.a b"),
        (with_metadata(annotations={"a": "é" * (MAX_ANNOTATIONS // 2)}), "metadata.annotations"),
        (module(dra={}, devicePlugin={}), "spec"),
        (module(dra={"container": {"resources": {"claims": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}}}), "spec.dra.container.resources.claims.2.name"),
    ],
)  # fmt: skip
def test_a_problem_beside_the_schema(document: Json, path: str) -> None:
    (problem,) = structure_findings(document)
    assert ".".join(map(str, problem.path)) == path
    assert problem.message
    assert problem.fix
    assert len(problem.message) < 200


@pytest.mark.parametrize(
    "document",
    [
        with_metadata(),
        with_metadata(name="", generateName="simple-kmod-"),
        with_metadata(labels={"a/b": "", "c": "D"}, annotations={"Example.COM/a": "any text\n"}),
        with_metadata(annotations={"a": "b" * (MAX_ANNOTATIONS - 1)}),
        module(dra={}),
        {**module(), "spec": "of the wrong type"},
        {**module(), "spec": {"dra": {"container": {"resources": {"claims": [1, None, {}, {}, {"name": []}]}}}}},
    ],
)
def test_no_problem_beside_the_schema(document: Json) -> None:
    assert list(structure_findings(document)) == []


# -- tools.compose_schemas ------------------------------------------------------------------------

TINY: compose_schemas.Definitions = {
    "io.k8s.A": {
        "description": "d",
        "type": ["object", "null"],
        "properties": {"description": {"$ref": "#/x/io.k8s.B"}},
    },
    "io.k8s.B": {"type": "string", "x-kubernetes-map-type": "atomic"},
    "io.k8s.Loop": {"properties": {"a": {"items": {"$ref": "#/x/io.k8s.Loop"}}}},
}


def test_the_committed_schemas_are_composed() -> None:
    assert compose_schemas.main(["--check"]) == 0


def test_check_names_what_lags_and_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "kmodgate.io" / "a.json"
    file.parent.mkdir()
    text = '{"é": {"$ref": "#/definitions/io.k8s.api.core.v1.Toleration"}, "definitions": {"z": {}, "io.k8s.old": {}, "b": {}}}'
    file.write_text(text, encoding="utf-8")
    ((lagging, wanted),) = compose_schemas.lagging(tmp_path, compose_schemas.kubernetes_definitions())
    assert (lagging, file.read_text(encoding="utf-8")) == (file, text)
    assert list(json.loads(wanted)["definitions"]) == ["z", "b", "io.k8s.api.core.v1.Toleration"]
    assert "é" in wanted
    assert compose_schemas.composed(wanted, "kmodgate.io", compose_schemas.kubernetes_definitions()) == wanted


def test_prose_and_nulls_go_but_a_field_called_description_stays() -> None:
    inlined = compose_schemas.Inliner(TINY, nulls=False).definition("io.k8s.A")
    assert inlined == {"type": "object", "properties": {"description": {"type": "string"}}}


def test_a_type_that_contains_itself_is_an_error() -> None:
    with pytest.raises(compose_schemas.ComposeError, match=r"io\.k8s\.Loop contains itself"):
        compose_schemas.Inliner(TINY, nulls=True).definition("io.k8s.Loop")


def test_an_unknown_type_is_an_error() -> None:
    with pytest.raises(compose_schemas.ComposeError, match=r"has no type io\.k8s\.api\.core\.v1\.Volum$"):
        compose_schemas.composed(
            '{"$ref": "#/definitions/io.k8s.api.core.v1.Volum"}',
            "kmodgate.io",
            compose_schemas.kubernetes_definitions(),
        )


def test_a_schema_that_cannot_be_rewritten_without_loss_is_an_error() -> None:
    with pytest.raises(compose_schemas.ComposeError, match="repeated key: 'a'"):
        compose_schemas.composed('{"a": 1, "a": 2}', "kmodgate.io", {})


def test_kinds_for_kubeconform_are_complete_and_strict() -> None:
    texts = compose_schemas.kubeconform_schemas(compose_schemas.kubernetes_definitions())
    assert {"v1/namespace_v1.json", "apps/daemonset_v1.json", "rbac.authorization.k8s.io/role_v1.json"} < set(texts)
    assert len(texts) == 19
    assert not any("$ref" in text for text in texts.values())
    daemonset = jsonschema_rs.Draft7Validator(json.loads(texts["apps/daemonset_v1.json"]))
    container = {"name": "a", "resources": {"limits": {"cpu": 0.5, "memory": "1Gi"}}}
    assert daemonset.is_valid(a_daemonset(container))
    assert not daemonset.is_valid(a_daemonset({**container, "imagee": "b"}))
    assert not daemonset.is_valid(a_daemonset({**container, "resources": {"limits": {"memory": "1Gb"}}}))


def a_daemonset(container: Json) -> Json:
    template = {"spec": {"containers": [container]}}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "spec": {"selector": {}, "template": template}}


@pytest.mark.parametrize(
    "version", ["v2", "v1beta1" + "a" * 5000, "../kmm.sigs.x-k8s.io/v1beta1", "", None, ["v1beta1"]]
)
def test_a_version_that_nobody_serves_has_no_schema_and_names_no_file(version: object) -> None:
    document = {**module(), "apiVersion": version if version is None else f"kmm.sigs.x-k8s.io/{version}"}
    assert object_schema(document) is None
    assert object_schema(module()) is not None
