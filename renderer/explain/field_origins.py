"""Where a field of a rendered object comes from, and what a node loads: answers with file and line."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import field

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, format_path, value_at
from kmodgate.policy.formats.image_mirrors import Mirror
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.compile.operator_install.install import FOLDER as OPERATOR_FOLDER
from kmodgate.renderer.deliveries.delivery import driver_label
from kmodgate.renderer.deliveries.hub.manifest_works import carried
from kmodgate.renderer.diff.effects.changed_fields import item_identity
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.explain.absent_drivers import Absence, absences, hub_of, why_not_there
from kmodgate.renderer.explain.default_fields import (
    CONTENT_TAG,
    POLICY_PLACE,
    mirrored,
    reason,
    why_in_operator,
    why_in_service,
)
from kmodgate.renderer.explain.mirrors_of_objects import mirrors_of
from kmodgate.renderer.fleet.fields.conversion import spec_path
from kmodgate.renderer.fleet.fields.field_table import cause
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.targets.targets import Target, Variant
from kmodgate.renderer.manifests.manifest import Manifest

_ABSENT = object()
_STEP = lazy_regex(r"\.?([^.\[\]]+)|\[((?:[^\[\]]|\[[^\]]*\])*)\]")


@dataclass(frozen=True, slots=True)
class Explained:
    """One field: its value, the place that decided it, and why, where the place alone does not tell.

    `replaced` is the place of what an override took the place of, `mirror` that of the mirror that an image is pulled
    from.
    """

    path: FieldPath
    value: Json
    origin: Origin
    why: str
    replaced: Origin | None
    mirror: Origin | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A field that the object does not have; `taken_by` is the line of the override that takes it away, if one does."""

    path: FieldPath
    taken_by: Origin | None
    replaced: Origin | None
    is_known: bool
    """Whether the driver has the field without the override."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One object as all these clusters get it; `variant` is the driver as it is there, None for a policy's objects.

    `mirrors` are the places of the clusters' mirrors, in the spec of the first of them.
    """

    manifest: Manifest
    clusters: tuple[str, ...]
    variant: Variant | None
    mirrors: Mapping[Mirror, Origin] = field(default_factory=dict)


def absent(found: CompiledFleet, name: str, cluster: str | None) -> list[Absence]:
    """Return the clusters that lack the object because its driver is `state: absent` there."""
    return absences(found, *_parts(name), cluster)


def subjects(found: CompiledFleet, name: str, cluster: str | None) -> list[Subject]:
    """The objects called KIND/NAME, KIND/NAMESPACE/NAME, or NAME for what loads a driver, by what they are where.

    None where the driver is absent. Raises Unusable if there is no such object anywhere else.
    """
    kind, place, last = _parts(name)
    variants = {(target.cluster.name, target.variant.driver.name): target for target in found.targets}
    clusters: dict[tuple[str, str], tuple[Manifest, list[str]]] = {}
    known: set[str] = set()
    for there in found.placed if cluster is None else (cluster,):
        delivered = found.delivered.get(there, ()) if cluster else ()  # one cluster has it, too; else the hub says it
        for manifest in (*found.objects(there).values(), *delivered):
            identity = manifest.identity
            known.add(f"{identity.kind}/{identity.name}")
            same = identity.kind.lower() == kind.lower() and identity.name == last
            same = same or ("/" not in name and _stands_for(manifest, name))
            if same and place in ("", identity.namespace):
                # another platform has a manifest of its own, which may be the same in every letter
                key = (json.dumps(manifest.value), str(manifest.trace(("metadata", "name"))))
                clusters.setdefault(key, (manifest, []))[1].append(there)
    if not clusters and not absent(found, name, cluster):
        where = f" on cluster {cluster}" if cluster else ""
        if reason := why_not_there(found, last, cluster):
            raise Unusable(f"{name}: no such object is rendered{where}", reason)
        close = difflib.get_close_matches(f"{kind}/{last}", known, 1, 0.5)
        fix = f"did you mean {close[0]}?" if close else "write KIND/NAME, or with --cluster the name of a node"
        raise Unusable(f"{name}: no such object is rendered{where}", fix)
    return [
        Subject(
            manifest,
            tuple(sorted(names)),
            _variant(
                variants.get((names[0], manifest.owner)) or variants.get((hub_of(found, names[0]), manifest.owner))
            ),
            mirrors_of(found, manifest, names[0]) if manifest.mirrors else {},
        )
        for manifest, names in clusters.values()
    ]


def _stands_for(manifest: Manifest, driver: str) -> bool:
    """Whether an object stands for a driver in place of its Module."""
    if manifest.identity.kind == "ManagedClusterModule":
        return manifest.identity.name == driver
    return manifest.identity.kind == "DaemonSet" and driver_label(manifest.value) == driver


def _variant(target: Target | None) -> Variant | None:
    return target.variant if target else None


def _parts(name: str) -> tuple[str, str, str]:
    """Kind, namespace and name; a name alone is that of a Module."""
    parts = name.split("/")
    if len(parts) == 1:
        return "Module", "", parts[0]
    if len(parts) > 3 or not all(parts):
        raise Unusable(f"{name} names no object", "write KIND/NAME, KIND/NAMESPACE/NAME, or the name of a driver")
    return parts[0], parts[1] if len(parts) == 3 else "", parts[-1]


Answer = list[Explained] | Missing


def explain_all(found: list[Subject], field: str) -> list[tuple[Subject, Answer]]:
    """Explain the field of each object, and why some do not have it. Raises Unusable where no line knows the field."""
    path = parse_path(field)
    answers: list[tuple[Subject, Answer]] = []
    missing: list[Missing] = []
    refusals: dict[bool, Unusable] = {}  # by whether a line takes the field away: the others know better what is there
    for subject in found:
        try:
            answers.append((subject, explain(subject, field)))
        except Unusable as error:
            missing.append(_missing(subject, path))
            refusals.setdefault(missing[-1].taken_by is not None, error)
            answers.append((subject, missing[-1]))
    if found and len(missing) == len(found) and not all(answer.is_known for answer in missing):
        raise refusals[min(refusals)]
    return answers


def _missing(subject: Subject, path: FieldPath) -> Missing:
    taken_by = subject.manifest.taken_away(path)
    if taken_by is None or subject.variant is None:
        return Missing(path, None, None, is_known=False)
    stages = subject.variant.stages
    own = (spec_path(path[1:], stages[0]),) if path[:1] == ("spec",) else ()
    is_known = any(value_at(stage, place, _ABSENT) is not _ABSENT for stage in stages for place in own if place)
    return Missing(path, taken_by, _replaced(subject, path, taken_by), is_known)


def explain(subject: Subject, field: str) -> list[Explained]:
    """The field and all fields below it that have a value of their own. Raises Unusable for one that is not there."""
    path: FieldPath = ()
    value: Json = subject.manifest.value
    for step in parse_path(field):
        if isinstance(value, list) and isinstance(step, str):  # as a diff writes it: by what the item is
            names = [item_identity(item) for item in value]
            step = names.index(step) if step in names else step
        if isinstance(value, dict) and step in value:
            value = value[str(step)]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            raise _no_field(subject, path, step, value)
        path = (*path, step)
    return [_explained(subject, place, text) for place, text in _leaves(path, value)]


def _no_field(subject: Subject, path: FieldPath, step: str | int, value: Json) -> Unusable:
    there = list(value) if isinstance(value, dict) else []
    if isinstance(value, list):
        there = [str(index) for index in range(len(value))]
    close = difflib.get_close_matches(str(step), there, 1)
    fix = f"did you mean {close[0]}?" if close else f"there is: {', '.join(there)}" if there else "look one level up"
    where = format_path(path) or "the object"
    return Unusable(f"{subject.manifest.identity}: {where} has no {step}", fix)


def parse_path(text: str) -> FieldPath:
    """A path as errors and diffs write it: `spec.items[0].name`, `metadata.labels[example.com/role]`."""
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            fix = "write it as errors do: spec.selector[example.com/role], spec.items[0].name"
            raise Unusable(f"{text} is not the path of a field", fix)
        name, bracket = match.groups()
        steps.append(name if name is not None else int(bracket) if bracket.isdecimal() else bracket)
        position = match.end()
    return tuple(steps)


def _leaves(path: FieldPath, value: Json) -> Iterator[tuple[FieldPath, Json]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves((*path, key), item)
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from _leaves((*path, index), item)
    else:
        yield path, value


def _explained(subject: Subject, path: FieldPath, value: Json) -> Explained:
    origin = subject.manifest.trace(path)
    why = ""
    if origin.source == "default":
        manifest, below = _carried(subject.manifest, path)
        why = reason(manifest.identity.kind, below)
    if subject.manifest.folder:
        of_operator = subject.manifest.folder == OPERATOR_FOLDER
        kind = subject.manifest.identity.kind
        known = why_in_operator(kind, path) if of_operator else why_in_service(path)
        why = known if origin.source == "default" else ""
    elif _is_of_policy(subject.manifest) and path in (("metadata", "name"), ("metadata", "namespace")):
        why = POLICY_PLACE
    if _has_content_tag(subject, path, value):
        why = CONTENT_TAG
    mirror = subject.mirrors.get(subject.manifest.mirrors[path]) if path in subject.manifest.mirrors else None
    if mirror is not None:
        why = "; ".join([*([why] if why == CONTENT_TAG else []), mirrored(_unmirrored(subject, path))])
    return Explained(path, value, origin, why, _replaced(subject, path, origin), mirror)


def _carried(manifest: Manifest, path: FieldPath) -> tuple[Manifest, FieldPath]:
    """The object inside a ManifestWork that a path leads into, and the path there; else the object itself."""
    inner = carried(manifest, path)
    return (manifest, path) if inner is None else inner[1:]


def _is_of_policy(manifest: Manifest) -> bool:
    return manifest.driver is None and manifest.identity.kind in ("ConfigMap", "Namespace")


def _unmirrored(subject: Subject, path: FieldPath) -> str:
    """The reference before a mirror took the place of its source; empty for an argument that was added for that."""
    before = subject.manifest.unmirrored
    return "" if before is None else str(value_at(before.value, path, ""))


def _has_content_tag(subject: Subject, path: FieldPath, value: Json) -> bool:
    """Whether the image at the path is not the one that the spec names."""
    variant = subject.variant
    if variant is None or path[-1:] != ("containerImage",) or not variant.spec.get("contentTag"):
        return False
    value = _unmirrored(subject, path) if path in subject.manifest.mirrors else value
    return bool(value) and value != value_at(variant.spec, spec_path(path[1:], variant.spec))


def _replaced(subject: Subject, path: FieldPath, origin: Origin) -> Origin | None:
    """The place in the driver itself that an override of it has replaced."""
    variant = subject.variant
    if origin.source != "override" or variant is None or not variant.applied:
        return None
    own = spec_path(path[1:], variant.spec) if path[:1] == ("spec",) else cause(subject.manifest.identity.kind, path)
    place = ("spec", *own) if own else ()
    document = variant.driver.document
    if not place or not document.has(place):
        return None
    line, column = document.position(place)
    return Origin(document.file, line, column, "driver", place)


def nodes_named(found: CompiledFleet, cluster: str, name: str) -> Iterator[str]:
    """The node groups or nodes of a cluster with this name."""
    groups = (group for item in found.fleet.clusters if item.name == cluster for group in item.nodes)
    return (group.name for group in groups if group.name == name)
