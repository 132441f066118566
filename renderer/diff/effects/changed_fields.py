"""Two renderings of a fleet → the objects that differ, and in which fields.

Items of a list are told apart by what makes them the same thing: a mapping by its kernel, a variable by its name. So
an item that moved is not two changes, and a Dockerfile under a new hash is a changed Dockerfile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from itertools import zip_longest
from typing import Any

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, format_path
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.compile.forgotten_spokes import forgotten_spokes
from kmodgate.renderer.deliveries.daemonset.module_view import STRATEGY
from kmodgate.renderer.deliveries.hub.hub_module import module_on_spokes
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.manifests.argo import is_never_pruned
from kmodgate.renderer.manifests.manifest import Identity, Manifest


class Kind(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


class Move(StrEnum):
    NONE = ""
    OUT_OF_TREE = "leaves the tree for the handover"
    INTO_TREE = "comes into the tree: Argo CD owns it from then on"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field before and after, None where it is missing; `path` leads to it in the object that has it."""

    shown: str
    path: FieldPath
    before: Json
    after: Json


@dataclass(frozen=True, slots=True, eq=False)
class ObjectChange:
    """One object that differs, in the same way on all these clusters.

    `move` says whether it goes from the tree, which Argo CD applies, to the handover, or the other way.
    """

    before: Manifest | None
    after: Manifest | None
    clusters: tuple[str, ...]
    fields: tuple[FieldChange, ...]
    move: Move = Move.NONE

    @property
    def kind(self) -> Kind:
        if self.before is None:
            return Kind.ADDED
        return Kind.CHANGED if self.after is not None else Kind.REMOVED

    @property
    def manifest(self) -> Manifest:
        """The object as it is, or as it was."""
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def note(self) -> str:
        """What the kind of the change does not say: who owns the object, and that it stays in its clusters."""
        if self.before is None or (self.kind is Kind.CHANGED and self.move is not Move.OUT_OF_TREE):
            return str(self.move)
        stays = is_never_pruned(self.before.value)
        if self.move is Move.OUT_OF_TREE:
            then = "does not prune it, and it stays as it is until the handover is shipped or applied"
            return f"{self.move}: Argo CD {then if stays else 'deletes it'}"
        if not stays:
            return ""
        enforced = as_map(metadata_of(self.manifest.value).get("labels")).get("pod-security.kubernetes.io/enforce")
        privileged = ", and pods in it may still be privileged" if enforced == "privileged" else ""
        return f"stays in the cluster, for Argo CD does not prune it{privileged}"

    def origin(self, change: FieldChange) -> Origin:
        """The place in a spec that decides the field, takes it away, or decided it before."""
        is_field = change.after is None and not isinstance(change.path[-1], int)
        taken = self.after.taken_away(change.path) if self.after is not None and is_field else None
        if taken is not None:
            return taken
        owner = self.after if self.after is not None and change.after is not None else self.before or self.after
        assert owner is not None
        line = _first_changed_line(change) if owner is self.after and owner.lines else 0
        return (owner.lines(change.path, line) if owner.lines and line else None) or owner.trace(change.path)


def _first_changed_line(change: FieldChange) -> int:
    """The number of the first line in which a text differs from what it was, from 1; 0 for what is no text."""
    if not (isinstance(change.before, str) and isinstance(change.after, str)):
        return 0
    pairs = zip_longest(change.before.split("\n"), change.after.split("\n"))
    return next((number for number, (was, now) in enumerate(pairs, 1) if was != now), 0)


def changes(before: CompiledFleet | None, after: CompiledFleet, only: set[str] | None = None) -> list[ObjectChange]:
    """All objects that differ, by driver, kind and name; on all clusters or on some."""
    same: dict[tuple[Manifest | None, Manifest | None, Move], list[str]] = defaultdict(list)
    names = {*after.placed, *(before.placed if before else ())}
    for cluster in sorted(names & only if only else names):
        old, new = _Side(before, cluster), _Side(after, cluster)
        for was, now in _pairs(old.all, new.all):
            same[was, now, _move(was, now, old, new)].append(cluster)
    found = []
    for (was, now, move), clusters in same.items():
        fields = tuple(_fields(was, now))
        if fields or move or was is None or now is None:
            found.append(ObjectChange(was, now, tuple(clusters), fields, move))
    return sorted(found, key=lambda item: (item.manifest.owner, str(item.manifest.identity), item.clusters))


def module_changes(
    before: CompiledFleet | None, after: CompiledFleet, only: set[str] | None = None
) -> list[ObjectChange]:
    """The drivers that DaemonSets load or a hub delivers and that differ, each as the Module that loads the same."""
    forgotten = forgotten_spokes(before, after) if before else {}
    former_hubs, hubs = _hubs(before), _hubs(after)
    same: dict[tuple[Manifest | None, Manifest | None], list[str]] = defaultdict(list)
    names = {*after.placed, *(before.placed if before else ())}
    for cluster in sorted(names & only if only else names):
        old, new = _views(before, cluster), _views(after, cluster)
        for hub_modules in (sides for (spoke, _), sides in forgotten.items() if spoke == cluster):
            made, remade = map(module_on_spokes, hub_modules)  # both without the mirrors of the spoke, which are gone
            old, new = {**old, made.identity: made}, {**new, remade.identity: remade}
        is_moved = cluster in former_hubs and former_hubs[cluster] != hubs.get(cluster, former_hubs[cluster])
        for identity in dict.fromkeys((*old, *new)):
            was, now = old.get(identity), new.get(identity)
            if was is not None and now is not None and _is_made_anew(was, now, is_moved=is_moved):
                same[was, None].append(cluster)  # the objects are others
                was = None
            same[was, now].append(cluster)
    found = []
    for (was, now), clusters in same.items():
        fields = tuple(_fields(was, now))
        if fields or was is None or now is None:
            found.append(ObjectChange(was, now, tuple(clusters), fields))
    return found


def _hubs(fleet: CompiledFleet | None) -> dict[str, str]:
    """The hubs of the spokes by their names."""
    clusters = fleet.fleet.clusters if fleet else ()
    return {cluster.name: cluster.acm.hub for cluster in clusters if cluster.acm and cluster.acm.hub}


def _is_made_anew(was: Manifest, now: Manifest, *, is_moved: bool) -> bool:
    """Whether DaemonSets take the place of a Module or the other way round, or another hub makes it (`is_moved`)."""
    sides = [_by_daemon_sets(item) for item in (was, now)]
    return any(sides) is not all(sides) or (is_moved and not any(sides))


def _by_daemon_sets(module: Manifest) -> bool:
    return STRATEGY in as_map(module.value.get("spec"))


def _views(fleet: CompiledFleet | None, cluster: str) -> dict[Identity, Manifest]:
    if fleet is None:
        return {}
    own = fleet.objects(cluster)
    return {item.identity: item for item in fleet.modules(cluster) if own.get(item.identity) is not item}


class _Side:
    """The objects of a cluster: those of its tree, and those with what the site applies or merges by hand."""

    def __init__(self, fleet: CompiledFleet | None, cluster: str) -> None:
        self.tree = fleet.objects(cluster) if fleet else {}
        self.all = {**self.tree, **(fleet.handed_over(cluster) if fleet else {})}


def _move(was: Manifest | None, now: Manifest | None, old: _Side, new: _Side) -> Move:
    if was is None or now is None or (was.identity in old.tree) is (now.identity in new.tree):
        return Move.NONE
    return Move.OUT_OF_TREE if was.identity in old.tree else Move.INTO_TREE


def alike(found: Iterable[ObjectChange]) -> Iterator[ObjectChange]:
    """For people: objects of one name that change in the same way are one change, whatever else tells them apart."""
    same: dict[tuple[Kind, Identity, str, str], list[ObjectChange]] = defaultdict(list)
    for item in found:
        same[item.kind, item.manifest.identity, item.note, repr(item.fields)].append(item)
    for group in same.values():
        clusters = tuple(sorted(name for item in group for name in item.clusters))
        yield replace(group[0], clusters=clusters)


def _pairs(
    old: Mapping[Identity, Manifest], new: Mapping[Identity, Manifest]
) -> Iterator[tuple[Manifest | None, Manifest | None]]:
    """Every object before and after, where they are not the same."""
    renamed = dict(_renamed(old, new))
    for identity, was in old.items():
        now = new.get(renamed.get(identity, identity))
        if now is not was:
            yield was, now
    taken = {*old, *renamed.values()}
    yield from ((None, now) for identity, now in new.items() if identity not in taken)


def _renamed(old: Mapping[Identity, Manifest], new: Mapping[Identity, Manifest]) -> Iterator[tuple[Identity, Identity]]:
    """Dockerfiles whose ConfigMap is called after their content: the same field of a driver says both."""
    gone = {_dockerfile(manifest): identity for identity, manifest in old.items() if identity not in new}
    for identity, manifest in new.items():
        place = _dockerfile(manifest)
        if identity not in old and place is not None and place in gone:
            yield gone.pop(place), identity


def _dockerfile(manifest: Manifest) -> tuple[str, FieldPath] | None:
    """The driver and the field of its spec that name the Dockerfile of a ConfigMap."""
    data = manifest.value.get("data")
    if manifest.identity.kind != "ConfigMap" or not isinstance(data, dict) or set(data) != {"dockerfile"}:
        return None
    return manifest.owner, manifest.trace(("data", "dockerfile")).path


def _fields(was: Manifest | None, now: Manifest | None) -> Iterator[FieldChange]:
    if was is not None and now is not None:
        yield from compare(was.value, now.value)


def compare(before: Json, after: Json, path: FieldPath = (), shown: str = "") -> Iterator[FieldChange]:
    """The fields that differ; maps are entered, lists where their items have an identity."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            place = f"{shown}{format_path(('x', key))[1:]}" if shown else format_path((key,))
            yield from compare(before.get(key), after.get(key), (*path, key), place)
        return
    if isinstance(before, list) and isinstance(after, list):
        old, new = _by_identity(before), _by_identity(after)
        if old is not None and new is not None:
            yield from _items(old, new, path, shown)
            return
    yield FieldChange(shown, path, before, after)


def _items(
    old: dict[str, tuple[int, Json]], new: dict[str, tuple[int, Json]], path: FieldPath, shown: str
) -> Iterator[FieldChange]:
    for key in [*old, *(key for key in new if key not in old)]:
        (place, was), (index, now) = old.get(key, (0, None)), new.get(key, (0, None))
        yield from compare(was, now, (*path, index if key in new else place), f"{shown}[{key}]")
    order = [key for key in old if key in new]
    if order != [key for key in new if key in old]:
        yield FieldChange(f"{shown} (order)", path, list(order), [key for key in new if key in old])


_IDENTITIES = (
    ("literal",),
    ("regexp",),
    ("name",),
    ("mountPath",),
    ("key", "operator", "value", "effect"),
    ("pattern", "arch"),
)


def _by_identity(items: list[Any]) -> dict[str, tuple[int, Json]] | None:
    """Items by what makes them the same thing, with their index; None where that is not clear."""
    found: dict[str, tuple[int, Json]] = {}
    for index, item in enumerate(items):
        key = item_identity(item)
        if not key or key in found:
            return None
        found[key] = (index, item)
    return found


def item_identity(item: Any) -> str:
    """What makes an item of a list the thing that it is; empty where nothing does."""
    if not isinstance(item, dict):
        return ""
    for keys in _IDENTITIES:
        if any(item.get(key) for key in keys):
            return " ".join(str(item.get(key, "")) for key in keys).strip()
    return ""
