"""What happens to images: made, made again, or left as they are because their name did not change.

KMM asks whether an image of this name exists, and looks no further. A build or signing that failed or is running is
made again when its inputs change (internal/controllers/mic_reconciler.go and internal/buildsign/manager.go of Kernel
Module Management).
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.kmm.resolution.reload_triggers import signing_added
from kmodgate.policy.kmm.resolution.resolve import IMAGE_INPUTS, Resolution
from kmodgate.renderer.diff.effects import causes
from kmodgate.renderer.diff.effects.affected import Affected, Places, Sums
from kmodgate.renderer.diff.effects.changed_fields import ObjectChange
from kmodgate.renderer.diff.effects.effect import Effect
from kmodgate.renderer.diff.effects.module_effects import Side
from kmodgate.renderer.fleet.specs import NodeGroup
from kmodgate.renderer.plan.resolutions import work_of


class ImageWork:
    """Adds up what changes of Modules do to images; `known` are those that nodes had before."""

    def __init__(self, places: Places, sums: Sums, known: set[str]) -> None:
        self._places = places
        self._sums = sums
        self._known = known

    def add(self, change: ObjectChange, was: Side, now: Side, name: str, group: NodeGroup) -> None:
        """Add what happens to the image that a group of nodes needs."""
        old, new = was.resolution, now.resolution
        if new is None:
            return
        if (old is None or old.image != new.image) and new.image not in self._known:
            work = work_of(new)
            if work != "prebuilt":
                self._add(Effect.BUILD, change, work, name, new)
        elif old is not None and old.image == new.image:
            self._same_name(change, old, new, name)
            if old.sign is not None and now.refused:
                fields = causes.of_settings(new, "sign")
                self._sums.add(Effect.STALE, change, "unsigned", *fields).add(name, group)

    def _same_name(self, change: ObjectChange, old: Resolution, new: Resolution, name: str) -> None:
        how = signing_added((old.build, old.sign), (new.build, new.sign), self._places.release(name))
        if how:
            self._add(Effect.MADE_AGAIN, change, how, name, new)
        done = {"": (), "in place": ("sign",), "anew": ("build", "sign")}[how]
        stale = [f"{block}.{key}" for block, key in _changed(old, new) if block not in done]
        if stale:
            sum = self._add(Effect.STALE, change, "image", name, new)
            sum.why.update(dict.fromkeys(stale))

    def _add(self, effect: Effect, change: ObjectChange, detail: str, name: str, found: Resolution) -> Affected:
        is_new = effect is Effect.BUILD
        fields = causes.of_image(found) if is_new else causes.of_settings(found, "build", "sign")
        sum = self._sums.add(effect, change, detail, *fields)
        sum.images.add(found.image)
        sum.clusters.add(name)
        return sum


def _changed(was: Resolution, now: Resolution) -> Iterator[tuple[str, str]]:
    """The inputs of an image that changed although its name did not."""
    for block, keys in IMAGE_INPUTS.items():
        old, new = getattr(was, block), getattr(now, block)
        if new is not None:
            yield from ((block, key) for key in keys if ((old or {}).get(key) or None) != (new.get(key) or None))
