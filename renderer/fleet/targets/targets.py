"""Fleet → targets: which driver or service goes to which cluster, with that cluster's overrides applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from functools import partial
from itertools import islice

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding, format_path, value_at
from kmodgate.policy.json_schema.schema import MAX_VIOLATIONS, Schema
from kmodgate.policy.json_schema.violations import Violation
from kmodgate.renderer.fleet.clusters.cluster_selectors import Clusters, listed_clusters, override_clusters
from kmodgate.renderer.fleet.clusters.pools import hosted_driver
from kmodgate.renderer.fleet.faulty_specs import FaultySpecs
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.fields.overrides import ambiguous, merge, trace
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.json_parts import map_of
from kmodgate.renderer.fleet.loading.read_specs import in_patch
from kmodgate.renderer.fleet.schema_check import finding_at, sound_value
from kmodgate.renderer.fleet.specs import Cluster, ImageService, JsonMap, KernelDriver
from kmodgate.schemas.compiled import spec_schema


@dataclass(frozen=True, slots=True, eq=False)
class MergedSpec:
    """A spec with some of its overrides applied.

    `stages[n]` is the spec after the first n of `applied`, which are indexes into the overrides.
    """

    source: KernelDriver | ImageService
    applied: tuple[int, ...]
    stages: list[JsonMap] = field(repr=False)

    @property
    def spec(self) -> JsonMap:
        return self.stages[-1]

    @property
    def patches(self) -> list[JsonMap]:
        """The patches that are applied, in their order."""
        return [self.source.overrides[index].patch for index in self.applied]

    def origin(self, path: FieldPath) -> Origin:
        """Where a path of the effective spec, without the leading `spec`, came from."""
        document = self.source.document
        place, is_override = self.place(path)
        line, column = document.position(place)
        source = "default" if not document.has(place) else "override" if is_override else "driver"
        return Origin(document.file, line, column, source, place)  # type: ignore[arg-type]

    def place(self, path: FieldPath) -> tuple[FieldPath, bool]:
        """The path in the document, and whether it lies in an override."""
        layer, inner = trace(path, self.stages, self.patches)
        if layer == 0:
            return ("spec", *inner), False
        return ("spec", "overrides", self.applied[layer - 1], "patch", *inner), True

    def finding(self, path: FieldPath, rule: str, message: str, fix: str) -> Finding:
        """A finding at a path of the effective spec, where its author wrote it."""
        place, is_override = self.place(path)
        if is_override:
            fix = in_patch(fix, int(place[2]))
        return finding_at(self.source.document, place, rule, message, fix)

    def caused(self, path: FieldPath, rule: str, message: str, fix: str) -> Finding:
        """A finding in a spec that is sound without its overrides, so that one of these has caused it."""
        place, is_override = self.place(path)
        if self.applied and not is_override:
            overrides = self.source.overrides
            touching = [index for index in self.applied if path[:1] and path[0] in overrides[index].patch]
            place = ("spec", "overrides", (touching or self.applied)[-1], "patch", *(path[:1] if touching else ()))
            message = f"{format_path(path)}: {message}"
        if place[:2] == ("spec", "overrides"):
            fix = in_patch(fix, int(place[2]))
        return finding_at(self.source.document, place, rule, message, fix)


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """One driver with some of its overrides applied; clusters with the same overrides share it."""

    driver: KernelDriver
    merged: MergedSpec

    @property
    def spec(self) -> JsonMap:
        return self.merged.spec

    @property
    def applied(self) -> tuple[int, ...]:
        return self.merged.applied

    @property
    def stages(self) -> list[JsonMap]:
        return self.merged.stages

    @property
    def namespace(self) -> str:
        """The namespace of the driver's objects."""
        return str(self.spec["namespace"]["name"])  # type: ignore[index,call-overload]

    def origin(self, path: FieldPath) -> Origin:
        """Where a path of the effective spec, without the leading `spec`, came from."""
        return self.merged.origin(path)

    def place(self, path: FieldPath) -> tuple[FieldPath, bool]:
        """The path in the driver's document, and whether it lies in an override."""
        return self.merged.place(path)


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One driver on one cluster."""

    variant: Variant
    cluster: Cluster

    @property
    def is_absent(self) -> bool:
        return self.variant.spec.get("state") == "absent"


def absent_drivers(targets: Iterable[Target]) -> set[tuple[str, str]]:
    """Cluster and driver of every target whose spec says `state: absent`, as the trees name them."""
    absent = [(target.cluster, target.variant.driver.name) for target in targets if target.is_absent]
    absent += [(spoke, name) for cluster, name in absent for spoke in cluster.spokes]
    beside = {(item.hosted.management, hosted_driver(name, item.name)) for item, name in absent if item.hosted}
    return {(cluster.name, name) for cluster, name in absent} | beside


def targets(fleet: Fleet, findings: list[Finding]) -> list[Target]:
    """Every target, by cluster and driver name; what is wrong with selectors and overrides goes to `findings`."""
    unmatched: list[Finding] = []
    clusters = Clusters(fleet.clusters)
    found: list[Target] = []
    for driver in fleet.drivers:
        own: list[Finding] = []
        found += _driver_targets(driver, clusters, findings, own, fleet.faulty)
        if any(item.field.startswith("spec.overrides") for item in own):
            fleet.faulty.lacks_override(driver)
        unmatched += own
    if fleet.is_whole:
        findings += unmatched
    return sorted(found, key=lambda target: (target.cluster.name, target.variant.driver.name))


def _driver_targets(
    driver: KernelDriver,
    clusters: Clusters,
    findings: list[Finding],
    unmatched: list[Finding],
    faulty: FaultySpecs,
) -> Iterator[Target]:
    variants: dict[MergedSpec, Variant] = {}
    for cluster, merged in merged_specs(driver, clusters, findings, unmatched, faulty):
        yield Target(variants.setdefault(merged, Variant(driver, merged)), cluster)


def merged_specs(
    source: KernelDriver | ImageService,
    clusters: Clusters,
    findings: list[Finding],
    unmatched: list[Finding],
    faulty: FaultySpecs,
) -> Iterator[tuple[Cluster, MergedSpec]]:
    """Yield the clusters of a spec, each with the spec as it is there.

    Selectors without a match go to `unmatched`; `faulty` learns what overrides break.
    """
    chosen = listed_clusters(source.document, source.clusters, clusters, unmatched)
    overridden = [
        override_clusters(source, index, chosen, clusters, unmatched) for index in range(len(source.overrides))
    ]
    found: dict[tuple[int, ...], MergedSpec | None] = {}
    for cluster in chosen:
        applied = tuple(index for index, those in enumerate(overridden) if cluster in those)
        if applied not in found:
            found[applied] = _sound(source, applied, findings, faulty)
        if merged := found[applied]:
            yield cluster, merged


def _sound(
    source: KernelDriver | ImageService, applied: tuple[int, ...], findings: list[Finding], faulty: FaultySpecs
) -> MergedSpec | None:
    """The merged spec; what is sound of one with mistakes, so that others are told along.

    None if that is no spec: compiling it would only repeat what is wrong.
    """
    merged = _merged(source, applied)
    problems = list(_merged_findings(merged, is_faulty=faulty.holds(source)))
    findings += problems
    if not applied:
        return None if problems else merged
    faulty.tell(problems)
    return _without_faults(merged, faulty) or (None if faulty.holds(source) else _sound(source, (), findings, faulty))


def _without_faults(merged: MergedSpec, faulty: FaultySpecs) -> MergedSpec | None:
    """Return a merged spec without what breaks its schema; None where that cannot be left out."""
    whole = _whole(merged)
    kind = str(whole["kind"])
    if spec_schema(kind).is_valid(whole):
        return merged
    part = sound_value(whole, kind)
    if part is None:
        return None
    value, faults = part
    places = [merged.place(path[1:])[0] for path in faults]
    faulty.add_faults(merged.source.document, places, (), {})
    return replace(merged, stages=[*merged.stages[:-1], map_of(value["spec"])])


def _whole(merged: MergedSpec) -> JsonMap:
    """Return the document of a spec as if its overrides stood in it."""
    return {**map_of(merged.source.document.value), "spec": merged.spec}


def _merged(source: KernelDriver | ImageService, applied: tuple[int, ...]) -> MergedSpec:
    stages = [source.spec]
    for index in applied:
        stages.append(merge(stages[-1], source.overrides[index].patch))
    return MergedSpec(source, applied, stages)


def _merged_findings(merged: MergedSpec, *, is_faulty: bool) -> Iterator[Finding]:
    """What is wrong with a merged spec, at the override that made it so."""
    source = merged.source
    whole = _whole(merged)
    if merged.applied and not spec_schema(str(whole["kind"])).is_valid(whole):
        yield from _schema_findings(merged, whole, is_faulty=is_faulty)
        return
    for stage, index in enumerate(merged.applied):
        for at, twice in ambiguous(merged.stages[stage], source.overrides[index].patch):
            place = ("spec", "overrides", index, "patch", *at)
            fix = "give them names of their own; an override changes the item of the same name"
            yield finding_at(source.document, place, "SCH105", f"{twice!r} is the name of two items of this list", fix)
    before = _mapping_names(source.spec)
    names = _mapping_names(merged.spec)
    for index, name in enumerate(names):
        if name is not None and name in names[:index]:
            report = merged.finding if before.count(name) > 1 else merged.caused
            message = f"two kernel mappings are named {name!r}"
            yield report(("kernelMappings", index, "name"), "SCH105", message, "rename one of them")


def _schema_findings(merged: MergedSpec, whole: JsonMap, *, is_faulty: bool) -> Iterator[Finding]:
    """What the schema says of a merged document, and did not say of the document without its overrides.

    Of one that lacks faulty fields these are the fields that are wrong whatever stands beside them.
    """
    schema, own = spec_schema(str(whole["kind"])), merged.source.document.value
    told = {(item.rule, item.path) for item in islice(schema.violations(own), MAX_VIOLATIONS)}
    violations = islice(schema.violations(whole, partial(_raw, merged)), MAX_VIOLATIONS)
    for item in schema.causes(whole, violations):
        if (item.rule, item.path) not in told and (not is_faulty or _is_wrong_anyway(item, whole, schema)):
            fix = _fix_in_patch(merged, item) or item.fix
            yield merged.caused(item.path[1:], item.rule, item.message, fix)


def _is_wrong_anyway(violation: Violation, whole: JsonMap, schema: Schema) -> bool:
    """Whether a field is wrong whatever stands beside it in the spec."""
    path = violation.path
    if violation.rule == "SCH101":
        return True
    return (violation.rule != "SCH103" or len(path) > 2) and not schema.allows(path, value_at(whole, path))


def _mapping_names(spec: JsonMap) -> list[object]:
    """Return the names of the kernel mappings of a spec, None for one without."""
    return [item.get("name") for item in spec.get("kernelMappings", ()) if isinstance(item, dict)]  # type: ignore[union-attr]


def _fix_in_patch(merged: MergedSpec, violation: Violation) -> str:
    """Return the field that an unknown one of an override means, although the spec has it already; or nothing."""
    place = merged.place(violation.path[1:])[0]
    if violation.rule != "SCH101" or place[:2] != ("spec", "overrides"):
        return ""
    patch = merged.source.overrides[int(place[2])].patch
    kind = "KernelDriver" if isinstance(merged.source, KernelDriver) else "ImageService"
    fix = spec_schema(kind).unknown_in_patch(patch, ("spec",), place[4:]).fix
    return fix if fix.startswith("did you mean") else ""


def _raw(merged: MergedSpec, path: FieldPath) -> str:
    """Return a scalar of the merged spec as its author wrote it."""
    return merged.source.document.raw(merged.place(path[1:])[0])
