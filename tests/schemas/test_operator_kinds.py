"""What installs and watches the operator against the definitions of OLM and of the Prometheus Operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests import shared
from tests.conftest import CASES
from tests.schemas.test_crd import strict

pytestmark = pytest.mark.shared

KINDS = {
    "Subscription": ("crds/operators.coreos.com_subscriptions.yaml", "v1alpha1"),
    "OperatorGroup": ("crds/operators.coreos.com_operatorgroups.yaml", "v1"),
    "PrometheusRule": ("crds/monitoring.coreos.com_prometheusrules.yaml", "v1"),
}
RENDERED = sorted(
    path for path in CASES.rglob("*.yaml") if path.name.partition("-")[0] in {name.lower() for name in KINDS}
)


def validator(kind: str) -> jsonschema.Draft7Validator:
    file, version = KINDS[kind]
    definition: Any = yaml.load(shared.need(file).read_bytes(), yaml.CSafeLoader)
    (schema,) = (
        item["schema"]["openAPIV3Schema"] for item in definition["spec"]["versions"] if item["name"] == version
    )
    return jsonschema.Draft7Validator(strict(schema))


def test_there_are_some_of_each() -> None:
    assert {path.name.partition("-")[0] for path in RENDERED} == {name.lower() for name in KINDS}


@pytest.mark.parametrize("path", RENDERED, ids=lambda path: path.relative_to(CASES).as_posix())
def test_a_rendered_object_is_as_its_own_definition_has_it(path: Path) -> None:
    value = yaml.safe_load(path.read_text(encoding="utf-8"))

    assert [error.message for error in validator(value["kind"]).iter_errors(value)] == []


def test_a_field_that_the_definition_does_not_have_is_seen() -> None:
    path = next(path for path in RENDERED if path.name.startswith("subscription"))
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    value["spec"]["startingCsv"] = value["spec"].pop("startingCSV")

    assert [error.message for error in validator("Subscription").iter_errors(value)]
