"""What rules have read of an object is given to the reviews of the same object for other clusters."""

from __future__ import annotations

import gc
from dataclasses import fields
from typing import Any

import pytest

from kmodgate.policy.ims.templates import HOLDERS
from kmodgate.policy.lazy import lazy
from kmodgate.policy.review import Review
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.judge.shared_views import _OF_OBJECT, SharedViews
from kmodgate.renderer.manifests.manifest import Manifest

MODULE: dict[str, Any] = {
    "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
    "kind": "Module",
    "metadata": {"name": "nic", "namespace": "drivers"},
    "spec": {"moduleLoader": {"container": {"modprobe": {"moduleName": "nic"}, "kernelMappings": []}}},
}


def manifest() -> Manifest:
    return Manifest(MODULE, None, "nic.yaml", lambda path: Origin("nic.yaml", 1, 1, "driver", path))


def reviewed(views: SharedViews, item: Manifest) -> Review:
    """One cluster's review of an object, of which everything that is shared is read."""
    review = Review(item.value)
    views.give(item, review)
    for name in _OF_OBJECT:
        getattr(review, name)
    views.keep(item, review)
    return review


def test_views_are_shared_from_the_second_cluster_on() -> None:
    views, item = SharedViews(), manifest()
    first, second, third = (reviewed(views, item) for _ in range(3))
    assert first.module is not second.module
    assert [getattr(third, name) is getattr(second, name) for name in _OF_OBJECT] == [True] * len(_OF_OBJECT)


def test_no_object_is_kept_alive() -> None:
    views = SharedViews()
    reviewed(views, manifest())
    gc.collect()
    assert not views._views


OTHERS = {item.name for item in fields(Review)} - {"object"}
VIEWS = sorted(name for name, value in vars(Review).items() if isinstance(value, lazy))
NOT_KEPT = {"other_images", "unsigned_names"}
"""Views that are worked out of the object alone as well."""


class Asked(Exception):
    """A view asks for something else than the object."""


class OfObject(Review):
    """A review of which nothing but the object may be read."""

    def __getattribute__(self, name: str) -> Any:
        if name in OTHERS:
            raise Asked(name)
        return super().__getattribute__(name)


def asks(name: str, value: dict[str, Any]) -> bool:
    try:
        getattr(OfObject(value), name)
    except Asked:
        return True
    return False


def named(api_version: str, kind: str, name: str = "nic", **rest: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "drivers"}, **rest}


OBJECTS = [
    MODULE,
    named("v1", "Pod", spec={"containers": [{"name": "a", "image": "a/b:1"}]}),
    named("v1", "ConfigMap", data={"dockerfile": "FROM a/b:1\n"}),
    named("v1", "ConfigMap", next(iter(HOLDERS)), data={}),
    named("kmm.sigs.x-k8s.io/v1beta2", "PreflightValidationOCP", spec={"dtkImage": "a/b:1"}),
    named("apps/v1", "Deployment", spec={"template": {"spec": {"containers": [{"name": "a", "image": "a/b:1"}]}}}),
    named("machineconfiguration.openshift.io/v1", "MachineConfig", spec={"config": {}}),
]


@pytest.mark.parametrize("value", OBJECTS, ids=lambda value: value["kind"])
def test_what_is_shared_is_worked_out_of_the_object_alone(value: dict[str, Any]) -> None:
    assert [name for name in _OF_OBJECT if asks(name, value)] == []


def test_every_other_view_asks_for_more_than_the_object() -> None:
    asking = {name for name in VIEWS if any(asks(name, value) for value in OBJECTS)}
    assert asking == {*VIEWS} - {*_OF_OBJECT} - NOT_KEPT
