"""What rules have read of an object is given to the reviews of the same object for other clusters."""

from __future__ import annotations

import gc
from typing import Any

import pytest

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


@pytest.mark.parametrize("name", _OF_OBJECT)
def test_what_is_shared_is_worked_out_of_the_object_alone(name: str) -> None:
    review = Review(MODULE)
    for other in ("old", "operation", "cluster", "parameters", "facts", "user", "now", "before"):
        vars(review)[other] = NotImplemented  # whoever uses it fails
    getattr(review, name)
