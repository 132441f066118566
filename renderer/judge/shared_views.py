"""What rules have read of an object, for the other clusters that have the same one."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from kmodgate.policy.review import Review
from kmodgate.renderer.manifests.manifest import Manifest

_OF_OBJECT = ("dockerfile", "is_unserved", "kind", "module", "pod", "references", "texts")
"""Attributes of a review that are worked out of its object alone."""


class SharedViews:
    """Keeps views of objects, from the second cluster on that has one: most objects of a varied fleet have no other.

    It keeps no object alive.
    """

    def __init__(self) -> None:
        self._views: WeakKeyDictionary[Manifest, dict[str, object] | None] = WeakKeyDictionary()

    def give(self, manifest: Manifest, review: Review) -> None:
        """Copy the views kept for an object into its review, before rules run."""
        vars(review).update(self._views.get(manifest) or {})

    def keep(self, manifest: Manifest, review: Review) -> None:
        """Keep what a review of an object has worked out."""
        if manifest not in self._views:
            self._views[manifest] = None
        elif self._views[manifest] is None:
            known = vars(review)
            self._views[manifest] = {name: known[name] for name in _OF_OBJECT if name in known}
