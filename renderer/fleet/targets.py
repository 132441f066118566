"""Fleet → targets: which driver goes to which cluster, with that cluster's overrides applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from kmodgate.policy.findings import FieldPath, Finding, format_path
from kmodgate.policy.json_schema.schema import MAX_VIOLATIONS
from kmodgate.renderer.fleet.cluster_selectors import Clusters, driver_clusters, override_clusters
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.fields.overrides import ambiguous, merge, trace
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.read_specs import in_patch
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster, JsonMap, KernelDriver
from kmodgate.schemas.compiled import spec_schema


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """One driver with some of its overrides applied; clusters with the same overrides share it.

    `stages[n]` is the spec after the first n of `applied`, which are indexes into the driver's overrides.
    """

    driver: KernelDriver
    applied: tuple[int, ...]
    stages: list[JsonMap] = field(repr=False)

    @property
    def spec(self) -> JsonMap:
        return self.stages[-1]

    @property
    def namespace(self) -> str:
        """The namespace of the driver's objects."""
        return str(self.spec["namespace"]["name"])  # type: ignore[index,call-overload]

    def origin(self, path: FieldPath) -> Origin:
        """Where a path of the effective spec, without the leading `spec`, came from."""
        document = self.driver.document
        place, is_override = self.place(path)
        line, column = document.position(place)
        source = "default" if not document.has(place) else "override" if is_override else "driver"
        return Origin(document.file, line, column, source, place)  # type: ignore[arg-type]

    def place(self, path: FieldPath) -> tuple[FieldPath, bool]:
        """The path in the driver's document, and whether it lies in an override."""
        patches = [self.driver.overrides[index].patch for index in self.applied]
        layer, inner = trace(path, self.stages, patches)
        if layer == 0:
            return ("spec", *inner), False
        return ("spec", "overrides", self.applied[layer - 1], "patch", *inner), True


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One driver on one cluster."""

    variant: Variant
    cluster: Cluster

    @property
    def is_absent(self) -> bool:
        return self.variant.spec.get("state") == "absent"


def absent_drivers(targets: Iterable[Target]) -> set[tuple[str, str]]:
    """Cluster and driver of every target whose spec says `state: absent`."""
    return {(target.cluster.name, target.variant.driver.name) for target in targets if target.is_absent}


def targets(fleet: Fleet, findings: list[Finding]) -> list[Target]:
    """Every target, by cluster and driver name; what is wrong with selectors and overrides goes to `findings`."""
    unmatched: list[Finding] = []
    clusters = Clusters(fleet.clusters)
    found = [target for driver in fleet.drivers for target in _driver_targets(driver, clusters, findings, unmatched)]
    if fleet.is_whole:
        findings += unmatched
    return sorted(found, key=lambda target: (target.cluster.name, target.variant.driver.name))


def _driver_targets(
    driver: KernelDriver, clusters: Clusters, findings: list[Finding], unmatched: list[Finding]
) -> Iterator[Target]:
    chosen = driver_clusters(driver, clusters, unmatched)
    overridden = [
        override_clusters(driver, index, chosen, clusters, unmatched) for index in range(len(driver.overrides))
    ]
    variants: dict[tuple[int, ...], Variant | None] = {}
    for cluster in chosen:
        applied = tuple(index for index, those in enumerate(overridden) if cluster in those)
        if applied not in variants:
            variants[applied] = _sound_variant(driver, applied, findings)
        if variant := variants[applied]:
            yield Target(variant, cluster)


def _sound_variant(driver: KernelDriver, applied: tuple[int, ...], findings: list[Finding]) -> Variant | None:
    """The merged spec. If it is none, the driver's own, whose mistakes are worth being told along.

    None if that is no spec either: compiling it would only repeat what is wrong.
    """
    variant = _variant(driver, applied)
    problems = list(_variant_findings(variant))
    findings += problems
    if problems and applied:
        return _sound_variant(driver, (), findings)
    return None if problems else variant


def _variant(driver: KernelDriver, applied: tuple[int, ...]) -> Variant:
    stages = [driver.spec]
    for index in applied:
        stages.append(merge(stages[-1], driver.overrides[index].patch))
    return Variant(driver, applied, stages)


def _variant_findings(variant: Variant) -> Iterator[Finding]:
    """What is wrong with a merged spec, at the override that made it so."""
    driver = variant.driver
    if variant.applied:
        whole = {**driver.document.value, "spec": variant.spec}  # type: ignore[dict-item]
        schema = spec_schema("KernelDriver")
        if not schema.is_valid(whole):
            raw = partial(_raw, variant)
            for violation in schema.causes(whole, islice(schema.violations(whole, raw), MAX_VIOLATIONS)):
                yield _at(variant, violation.path[1:], violation.rule, violation.message, violation.fix)
            return
    for stage, index in enumerate(variant.applied):
        for at, twice in ambiguous(variant.stages[stage], driver.overrides[index].patch):
            place = ("spec", "overrides", index, "patch", *at)
            fix = "give them names of their own; an override changes the item of the same name"
            yield finding_at(driver.document, place, "SCH105", f"{twice!r} is the name of two items of this list", fix)
    names = [item.get("name") for item in variant.spec.get("kernelMappings", ()) if isinstance(item, dict)]  # type: ignore[union-attr]
    for index, name in enumerate(names):
        if name is not None and name in names[:index]:
            yield _at(
                variant,
                ("kernelMappings", index, "name"),
                "SCH105",
                f"two kernel mappings are named {name!r}",
                "rename one of them",
            )


def _raw(variant: Variant, path: FieldPath) -> str:
    """Return a scalar of the merged spec as its author wrote it."""
    return variant.driver.document.raw(variant.place(path[1:])[0])


def _at(variant: Variant, path: FieldPath, rule: str, message: str, fix: str) -> Finding:
    """A finding in the merged spec. The driver alone is a spec, so an override has caused it."""
    place, is_override = variant.place(path)
    if variant.applied and not is_override:
        overrides = variant.driver.overrides
        touching = [index for index in variant.applied if path[:1] and path[0] in overrides[index].patch]
        place = ("spec", "overrides", (touching or variant.applied)[-1], "patch", *(path[:1] if touching else ()))
        message = f"{format_path(path)}: {message}"
    if place[:2] == ("spec", "overrides"):
        fix = in_patch(fix, int(place[2]))
    return finding_at(variant.driver.document, place, rule, message, fix)
