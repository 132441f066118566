"""What the definition of a kind loses by a change."""

from __future__ import annotations

import pytest

from kmodgate.policy.views.definition import losses
from tests.e2e.api_server.definitions import KINDS
from tests.objects.changed_definitions import USEFUL, USELESS, changed, definition, empty_contents

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
