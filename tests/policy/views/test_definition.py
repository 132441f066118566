"""What the definition of a kind loses by a change."""

from __future__ import annotations

from functools import cache

import pytest

from kmodgate.policy.json_schema import structural
from kmodgate.policy.json_schema.structural import lost
from kmodgate.policy.views.definition import losses
from kmodgate.policy.views.usual_objects import USUAL
from tests import shared
from tests.e2e.api_server.definitions import KINDS, read
from tests.objects.changed_definitions import (
    USEFUL,
    USELESS,
    Json,
    at,
    changed,
    definition,
    empty_contents,
    listed_elsewhere,
    places,
)

OF_DRIVERS = [kind.plural for kind in KINDS if len(kind.versions) == 1]


@pytest.mark.parametrize("plural", OF_DRIVERS)
@pytest.mark.parametrize("change", USELESS)
def test_a_definition_that_becomes_useless_says_why(plural: str, change: str) -> None:
    old = definition(plural)
    assert list(losses(old, changed(old, USELESS[change])))


@pytest.mark.parametrize(
    ("plural", "lost"),
    [("modules", "spec.selector"), ("nodemodulesconfigs", "spec.modules"), ("nodemodulesconfigs", "status")],
)
def test_a_definition_whose_maps_and_lists_keep_nothing_is_useless(plural: str, lost: str) -> None:
    old = definition(plural)
    found = [text for _, text in losses(old, changed(old, empty_contents))]
    assert any(f"drops {lost}" in text for text in found)


@pytest.mark.parametrize("plural", [kind.plural for kind in KINDS])
@pytest.mark.parametrize("change", USEFUL)
def test_an_upgrade_loses_nothing(plural: str, change: str) -> None:
    old = definition(plural)
    assert list(losses(old, changed(old, USEFUL[change]))) == []


def test_an_old_version_goes_while_a_newer_one_stays() -> None:
    old = definition("preflightvalidations")
    new = changed(old, lambda item: item["spec"]["versions"].pop(0))
    assert list(losses(old, new)) == []


def test_a_version_that_was_added_for_it_replaces_none_of_kmm() -> None:
    both = changed(definition("modules"), lambda item: item["spec"]["versions"].append(later()))
    alone = changed(both, lambda item: item["spec"]["versions"][0].update(served=False))
    assert [text for _, text in losses(both, alone)] == ["serves no version that KMM uses any more"]


def later() -> dict[str, object]:
    return {"name": "v9", "served": True, "storage": False, "schema": {"openAPIV3Schema": {"type": "object"}}}


def test_what_keeps_whatever_it_does_not_name_drops_nothing() -> None:
    old = definition("modules")
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    new = changed(old, lambda item: item["spec"]["versions"][0].update(schema={"openAPIV3Schema": schema}))
    assert list(losses(old, new)) == []


@pytest.mark.parametrize("odd", [{}, {"spec": None}, {"spec": {"versions": {}}}, {"spec": {"versions": [None, {}]}}])
def test_a_definition_of_another_shape_is_no_error(odd: dict[str, object]) -> None:
    list(losses(odd, definition("modules")))
    assert list(losses(definition("modules"), odd))


PLURALS = {"modules", "nodemodulesconfigs", "moduleimagesconfigs", "modulebuildsignconfigs", "managedclustermodules"}
"""The kinds on which drivers depend."""

OWN = ("Module", "NodeModulesConfig")
"""The kinds of which our schemas make a definition that says what lies in an object."""

EACH = [
    *((kind, False) for kind in OWN),
    *(pytest.param(kind, True, marks=pytest.mark.shared, id=f"{kind} of KMM") for kind in USUAL),
]
PEOPLE = ("Module", "ManagedClusterModule")


_read, _definition = cache(read), cache(definition)


@pytest.fixture
def old(kind: str, is_kmms: bool) -> Json:
    """The definition of a kind: KMM's own, or as our schemas make it."""
    known = next(item for item in KINDS if item.kind == kind)
    return _read(shared.need(known.file)) if is_kmms else _definition(known.plural)


def schema_of(item: Json) -> Json:
    found: Json = item["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def usual_places(kind: str, item: Json) -> dict[tuple[str, ...], object]:
    """Where the schema of a definition says something of what a usual object of the kind holds, and what that is."""
    return dict(places(schema_of(item), USUAL[kind]))


@pytest.mark.parametrize(("kind", "is_kmms"), EACH)
def test_a_usual_object_is_one(kind: str, old: Json) -> None:
    whole = {"apiVersion": "v1", "kind": kind, "metadata": {}} | USUAL[kind]
    anything = {"x-kubernetes-preserve-unknown-fields": True}
    found = {place for place, _ in lost(anything, schema_of(old), whole, requires_more=True)}
    assert found <= {"spec.images[].action"}  # which a ModuleImagesConfig has not


@pytest.mark.parametrize(("kind", "is_kmms"), EACH)
def test_a_field_is_missed_however_deep_it_lies(kind: str, old: Json) -> None:
    new = changed(old, lambda item: None)
    for path in usual_places(kind, old):
        if path[-1] != "items":
            holder = at(schema_of(new), path[:-1])
            lost_one = holder.pop(path[-1])
            assert list(losses(old, new)), path
            holder[path[-1]] = lost_one


NARROW: tuple[tuple[type, Json], ...] = (
    (str, {"enum": ["another"]}),
    (str, {"pattern": "^$"}),
    (str, {"maxLength": 1}),
    (int, {"maximum": 1}),
    (list, {"maxItems": 0}),
    (dict, {"maxProperties": 0}),
    (str, {"not": {}}),
    (dict, {"allOf": [{"maxProperties": 0}]}),
    (str, {"type": "integer"}),
    (dict, {"x-kubernetes-validations": [{"rule": "1 == 2"}]}),
    (dict, {"x-kubernetes-validations": [{"rule": "1 == 2 // self"}]}),
    (dict, {"x-kubernetes-embedded-resource": True}),
    (list, {"x-kubernetes-int-or-string": True, "type": None, "items": None}),
    *((str, {"format": name}) for name in ("uuid", "ipv4", "byte", "date-time", "duration", "email")),
)
"""What may be added to a schema of values of a type, so that it takes none as KMM and people write them."""


@pytest.mark.parametrize(("kind", "is_kmms"), EACH)
@pytest.mark.parametrize(("type_", "narrow"), NARROW, ids=lambda item: next(iter(item)) if type(item) is dict else "")
def test_a_schema_that_became_stricter_refuses_usual_objects(kind: str, type_: type, narrow: Json, old: Json) -> None:
    fitting = [path for path, value in usual_places(kind, old).items() if type(value) is type_]
    deepest = max(fitting, key=len, default=None)
    if deepest is not None:
        found = list(losses(old, changed(old, lambda item: at(schema_of(item), deepest).update(narrow))))
        assert any("refuses" in text for _, text in found)


@pytest.mark.parametrize("narrow", [{"pattern": "^$"}, {"maxLength": 1}, {"enum": ["another"]}, {"format": "uuid"}])
@pytest.mark.parametrize("path", [("kind",), ("apiVersion",), ("metadata", "properties", "name")])
@pytest.mark.parametrize("plural", OF_DRIVERS)
def test_a_schema_that_refuses_what_every_object_is_called_is_found(
    plural: str, path: tuple[str, ...], narrow: Json
) -> None:
    old = definition(plural)

    def refuse(item: Json) -> None:
        field = schema_of(item)["properties"]
        for step in path:
            field = field.setdefault(step, {})
        field.update({"type": "string"} | narrow)

    found = [text for _, text in losses(old, changed(old, refuse))]
    assert any("refuses" in text for text in found) is (plural in PLURALS)
    assert list(losses(changed(old, refuse), old)) == []


MAPPINGS = ("properties", "spec", "properties", "moduleLoader", "properties", "container", "properties")


@pytest.mark.parametrize(
    ("keys", "is_found"), [(["containerImage"], True), (["literal"], True), (["literal", "regexp"], False)]
)
def test_a_list_that_takes_no_two_items_alike_is_found(keys: list[str], is_found: bool) -> None:
    old = definition("modules")

    def narrow(item: Json) -> None:
        mappings = at(schema_of(item), (*MAPPINGS, "kernelMappings"))
        mappings.update({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys})
        for key in keys:
            mappings["items"]["properties"][key] = {"type": "string", "default": ""}

    assert any("refuses" in text for _, text in losses(old, changed(old, narrow))) is is_found


def test_a_format_that_names_of_objects_have_refuses_none() -> None:
    old = definition("modules")
    account = ("properties", "spec", "properties", "moduleLoader", "properties", "serviceAccountName")
    for name in ("hostname", "k8s-short-name", "k8s-long-name", "password", "int64", "later"):
        new = changed(old, lambda item: None)
        at(schema_of(new), account).update(format=name)
        assert list(losses(old, new)) == [], name


@pytest.mark.parametrize(("kind", "is_kmms"), EACH)
def test_a_field_that_is_required_anew_is_one_that_people_did_not_write(kind: str, old: Json) -> None:

    def require(item: Json) -> None:
        spec = schema_of(item)["properties"]["spec"]
        spec["properties"].setdefault("tolerations", {"type": "array"})
        spec["required"] = [*spec.get("required", []), "tolerations"]

    is_known = "tolerations" in schema_of(old)["properties"]["spec"]["properties"]
    found = [text for _, text in losses(old, changed(old, require))]
    assert bool(found) is (is_known or kind in PEOPLE)
    later = changed(old, lambda item: schema_of(item)["properties"]["spec"]["properties"].pop("tolerations", None))
    assert bool(list(losses(later, changed(later, require)))) is (kind in PEOPLE)


@pytest.mark.parametrize(("kind", "is_kmms"), EACH)
def test_a_schema_that_takes_more_is_no_loss(kind: str, old: Json) -> None:
    for narrow in ({"maxProperties": 0}, {"enum": [{}]}, {"required": ["later"]}):
        narrower = changed(old, lambda item, narrow=narrow: schema_of(item)["properties"]["spec"].update(narrow))  # type: ignore[misc]
        assert list(losses(narrower, old)) == []
    checked = changed(
        old, lambda item: schema_of(item).update({"x-kubernetes-validations": [{"rule": "has(self.spec)"}]})
    )
    assert list(losses(old, checked)) == []


@pytest.mark.parametrize(
    ("value", "path", "is_found"),
    [
        ("quay.io/evil/nic:1", ("kernelMappings", "items", "properties", "containerImage"), True),
        ([{"regexp": "^.+$", "containerImage": "quay.io/evil/nic:1"}], ("kernelMappings",), True),
        ({"moduleName": "evil"}, ("modprobe",), True),
        ({"load": ["evil"]}, ("modprobe", "properties", "rawArgs"), True),
        ("/opt", ("modprobe", "properties", "dirName"), False),
        ("/evil", ("modprobe", "properties", "dirName"), True),
        (["debug=1"], ("modprobe", "properties", "parameters"), True),
        (["a", "b"], ("modprobe", "properties", "modulesLoadingOrder"), True),
        (["xfs"], ("inTreeModulesToRemove",), True),
        ([], ("inTreeModulesToRemove",), False),
        ("", ("modprobe", "properties", "moduleName"), False),
        ("Always", ("imagePullPolicy",), False),
    ],
)  # fmt: skip
def test_a_definition_that_says_what_nodes_load_is_found(value: object, path: tuple[str, ...], is_found: bool) -> None:
    old = definition("modules")
    container = ("properties", "spec", "properties", "moduleLoader", "properties", "container", "properties")
    new = changed(old, lambda item: at(schema_of(item), (*container, *path)).update(default=value))
    assert any("fills in" in text for _, text in losses(old, new)) is is_found


def test_lists_under_another_name_are_found() -> None:
    old = definition("nodemodulesconfigs")
    assert [path for path, _ in losses(old, changed(old, listed_elsewhere))] == [("spec", "names", "listKind")]


def test_a_large_schema_is_compiled_once_for_all_that_it_is_asked_of(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[object] = []
    monkeypatch.setattr(structural, "_compiled", lambda schema: compiled.append(schema))
    item = {"type": "string", "enum": [str(number) for number in range(100)]}
    schema = {"type": "array", "items": item}
    list(
        lost(schema, {"type": "array", "items": dict(item)}, [str(number) for number in range(50)], requires_more=True)
    )
    assert len(compiled) == 2
