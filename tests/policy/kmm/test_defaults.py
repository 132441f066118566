"""Defaults and nulls of KMM's Module."""

from __future__ import annotations

import copy

import pytest

from kmodgate.policy.kmm.defaults import defaulted
from tests.objects.plain_module import Json, module, with_metadata

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
