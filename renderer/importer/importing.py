"""Objects of clusters → a fleet: everything that `kmodgate import` does before it writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding, Mode, Severity, sort_findings
from kmodgate.policy.formats.yaml_documents import Document
from kmodgate.renderer.deliveries.kmm import content_hashes
from kmodgate.renderer.errors import Unusable, refuse_enforced
from kmodgate.renderer.fleet.files import MARKER, FleetFiles
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.loading.load import add_document
from kmodgate.renderer.fleet.specs import Cluster, JsonMap
from kmodgate.renderer.importer.clusters.additions import additions
from kmodgate.renderer.importer.clusters.cluster_draft import Settings
from kmodgate.renderer.importer.clusters.cluster_settings import cluster_settings
from kmodgate.renderer.importer.comments import Comment, cluster_comments, driver_comments, finding_comment
from kmodgate.renderer.importer.objects.companions import Surrounded, are_spokes_openshift, surrounded
from kmodgate.renderer.importer.objects.modules import driver_of
from kmodgate.renderer.importer.objects.reading import Objects
from kmodgate.renderer.importer.objects.rendered_policies import with_prebuilt
from kmodgate.renderer.importer.objects.spokes import as_spoke, spoke_values
from kmodgate.renderer.importer.planning import (
    EVERYWHERE,
    PLACEHOLDER,
    Plan,
    cluster_value,
    plan_drivers,
    runs_openshift,
    unknown_platforms,
)
from kmodgate.renderer.importer.translations import Translated
from kmodgate.renderer.importer.verifying import Verdict, passed_over, verify
from kmodgate.renderer.importer.writing import commented, line_below, read_back, spec_text
from kmodgate.renderer.tree.stray_specs import load_with_output
from kmodgate.renderer.wording import listed

_MADE = {"build", "sign"}


@dataclass(frozen=True, slots=True)
class Import:
    """The new files of a fleet, and what is to be said of them."""

    files: dict[str, str] = field(repr=False)
    """By path, those that others refer to first."""
    drivers: int
    clusters: int
    lost: list[Finding]
    refused: list[Finding]
    """What render would not write the new specs for."""
    notes: list[str]


def import_objects(root: Path, translated: Translated, *, everywhere: bool, all_dockerfiles: bool) -> Import:
    """The fleet at `root` with the drivers of clusters; `everywhere` is whether they are for all of its clusters.

    Raises Refused for a fleet that cannot be loaded, Unusable where nothing could be imported.
    """
    fleet = _existing(root)
    known = {cluster.name: cluster for cluster in fleet.clusters}
    clusters = translated.clusters
    told = {name: _settings(objects) for name, objects in clusters.items()}
    settings = {name: item for name, item in told.items() if name not in known}
    more = [text for name, item in told.items() if name in known for text in additions(known[name], item.spec)]
    plan = Plan(lost=[*translated.lost, *(finding for item in settings.values() for finding in item.lost)])
    drivers = _drivers_of(plan, translated, settings, known, all_dockerfiles=all_dockerfiles)
    renamed = {
        (name, item.driver.name, old): new
        for name, items in drivers.items() for item in items for old, new in _new_names(item)
    }  # fmt: skip
    _drop_other_namespaces(plan, drivers)
    plan_drivers(plan, drivers, EVERYWHERE if everywhere else None)
    if not plan.specs:
        _refuse_without_drivers(plan, translated, settings, more)
    new = _cluster_specs(translated, settings, known)
    plan.unknown_platforms = set(unknown_platforms(new.values(), clusters))
    texts = {file: spec_text(file, "Cluster", [value]) for file, value in new.items()}
    texts |= {file: spec_text(file, "KernelDriver", documents) for file, documents in sorted(plan.specs.items())}
    documents = read_back(texts)
    verdict = verify(_with(fleet, plan, documents), clusters, plan, renamed, clusters.keys() - known)
    plan.lost = sort_findings(plan.lost)
    files, refused = _commented(plan, texts, documents, verdict, placeholder=everywhere)
    if not (root / MARKER).exists():
        files[MARKER] = ""
    renames = sorted({f"ConfigMap {old} becomes {text}" for (_, _, old), text in renamed.items()})
    count = sum(len(values) for values in plan.specs.values())
    notes = [*translated.notes, *renames, *_notes(plan, verdict), *more]
    return Import(files, count, len(clusters), plan.lost, refused, notes)


def _drivers_of(
    plan: Plan,
    translated: Translated,
    settings: Mapping[str, Settings],
    known: Mapping[str, Cluster],
    *,
    all_dockerfiles: bool,
) -> dict[str, list[Surrounded]]:
    """Return the drivers of each cluster, with what stands around them on its platform."""
    drivers = {}
    everywhere = frozenset[str]().union(*translated.signed.values())
    for name, objects in translated.clusters.items():
        said = settings[name].spec.get("platform") if name in settings else None
        openshift = said == "openshift" or runs_openshift(known.get(name), objects)
        drivers[name] = [
            replace(
                item,
                driver=with_prebuilt(
                    item.driver, everywhere if is_by_hub else translated.signed.get(name, frozenset())
                ),
            )
            for item in _drivers(plan, objects, openshift=openshift, all_dockerfiles=all_dockerfiles)
            for is_by_hub in [item.driver.found.is_by_hub]  # the policies of its spokes say it
        ]
    return drivers


def _cluster_specs(
    translated: Translated, settings: Mapping[str, Settings], known: Mapping[str, Cluster]
) -> dict[str, JsonMap]:
    """Return the specs of clusters and spokes that the fleet does not know, by their files."""
    clusters = translated.clusters
    new = {
        name: cluster_value(name, clusters[name], item.spec, translated.hosted.get(name))
        for name, item in settings.items()
    }
    for name, value in spoke_values(clusters):
        if name not in known:
            new[name] = as_spoke(new[name], value) if name in new else value
    for name, address in [pair for item in settings.values() for pair in item.servers.items()]:
        if name in new:
            new[name]["spec"] = {**map_of(new[name]["spec"]), "server": address}
    return {f"clusters/{name}.yaml": value for name, value in new.items()}


def _settings(objects: Objects) -> Settings:
    """What the objects say of their cluster; those that do are no object beside the drivers any more."""
    settings = cluster_settings(objects)
    for found in settings.taken:
        objects.pop(found.identity, None)
    return settings


def _commented(
    plan: Plan, texts: dict[str, str], documents: dict[str, list[Document]], verdict: Verdict, *, placeholder: bool
) -> tuple[dict[str, str], list[Finding]]:
    """All new files, the specs with their comments, and what render refuses in them, at its lines there."""
    files, refused = {**plan.files.texts}, []
    told = [item for item in sort_findings(verdict.findings) if item.mode in (Mode.ENFORCE, Mode.WARN)]
    for file, found in documents.items():
        ours = [finding for finding in told if finding.file == file]
        comments = [finding_comment(finding) for finding in ours]
        for document in found:
            comments += _comments(document, plan, verdict, placeholder=placeholder)
        files[file] = commented(texts[file], comments)
        refused += [replace(item, line=line_below(item.line, comments)) for item in ours if item.mode is Mode.ENFORCE]
    return files, refused


def target_clusters(root: Path) -> list[str]:
    """The clusters of objects that were given without one: all of the fleet, or one that stands for them."""
    return [cluster.name for cluster in _existing(root).clusters] or [PLACEHOLDER]


def _existing(root: Path) -> Fleet:
    if not (root / MARKER).is_file():
        return Fleet(FleetFiles(root))
    findings: list[Finding] = []
    fleet = load_with_output(root, root / "rendered", findings, may_be_empty=True)
    refuse_enforced(findings)
    return fleet


def _drivers(plan: Plan, objects: Objects, *, openshift: bool, all_dockerfiles: bool) -> Iterator[Surrounded]:
    for found in objects.values():
        if found.is_module:
            driver = driver_of(found, plan.lost)
            if driver is None:
                plan.dropped.add(found)
                continue
            plan.titles[driver.name] |= found.titles
            has_scc = are_spokes_openshift(objects) if found.is_by_hub else openshift
            yield surrounded(driver, objects, openshift=has_scc, all_dockerfiles=all_dockerfiles)


def _new_names(item: Surrounded) -> Iterator[tuple[str, str]]:
    """The Dockerfile ConfigMaps that get another name, since the text decides it."""
    for old, text in item.dockerfiles.items():
        if (new := content_hashes.config_map_name(item.driver.name, text)) != old:
            yield old, new


def _drop_other_namespaces(plan: Plan, drivers: dict[str, list[Surrounded]]) -> None:
    """A driver is named after its Module, so of two Modules of one name on a cluster only one can be imported."""
    counts = Counter((item.driver.name, item.driver.namespace) for items in drivers.values() for item in items)
    for cluster, items in drivers.items():
        kept: dict[str, Surrounded] = {}
        for item in sorted(items, key=lambda item: -counts[item.driver.name, item.driver.namespace]):
            other = kept.setdefault(item.driver.name, item)
            if other is not item:
                message = f"a driver is named after its Module, and {other.driver.found.identity} is imported"
                plan.drop(item.driver.found, ("metadata", "name"), message, "rename one of the two Modules")
        drivers[cluster] = list(kept.values())


def _refuse_without_drivers(plan: Plan, translated: Translated, settings: dict[str, Settings], more: list[str]) -> None:
    """Raise Refused where drivers cannot be imported, and Unusable where nothing says anything of a new cluster.

    `more` is what to write into Clusters that the fleet has.
    """
    has_drivers = any(found.is_module for objects in translated.clusters.values() for found in objects.values())
    if not has_drivers and not translated.lost and any(item.spec for item in settings.values()):
        return
    refuse_enforced(_as_errors(plan.lost))
    if not has_drivers:
        known = sorted(translated.clusters.keys() - settings.keys())
        raise Unusable(
            f"no driver in the input, and the fleet has {listed(known)} already: an existing Cluster is not changed",
            "; ".join(more) or "nothing: its spec says all that the objects do",
        )


def _as_errors(lost: list[Finding]) -> list[Finding]:
    """What keeps Modules from being imported, as errors; what would have been lost beside it stays a warning."""
    return [
        replace(item, severity=Severity.ERROR, mode=Mode.ENFORCE) if item.rule == "IMP001" else item for item in lost
    ]


def _with(fleet: Fleet, plan: Plan, documents: dict[str, list[Document]]) -> Fleet:
    """The fleet as it would be. Raises Unusable for a driver that it has already, in a file of another name."""
    findings: list[Finding] = []
    old = [driver for driver in fleet.drivers if driver.document.file not in documents]
    names = {driver.name: driver.document.file for driver in old}
    files = FleetFiles(fleet.files.root, plan.files.texts)
    result = Fleet(files, drivers=old, clusters=[*fleet.clusters], services=fleet.services, policies=fleet.policies)
    for found in documents.values():
        for document in found:
            add_document(result, document, findings)
    result.link_spokes()
    refuse_enforced(findings)
    for driver in result.drivers[len(names) :]:
        if driver.name in names:
            message = f"the fleet has a driver {driver.name} already, in {names[driver.name]}"
            raise Unusable(message, "remove or rename it first, or give another --output")
    return result


def _comments(document: Document, plan: Plan, verdict: Verdict, *, placeholder: bool) -> Iterator[Comment]:
    value = document.value
    assert isinstance(value, dict)
    if value["kind"] == "Cluster":
        yield from cluster_comments(document, plan, verdict, placeholder=placeholder)
    else:
        yield from driver_comments(document, plan, verdict)


def _may_be_signed(document: JsonMap) -> bool:
    """Whether a driver has an image that the cluster neither builds nor signs, on some cluster."""
    spec = as_map(document["spec"])
    patches = [as_map(as_map(item).get("patch")) for item in items_of(spec.get("overrides"))]
    taken = any(patch.get(key, ...) is None for patch in patches for key in _MADE)
    own = not _MADE & spec.keys() and not all(
        _MADE & as_map(item).keys() for item in items_of(spec.get("kernelMappings"))
    )
    return "modprobe" in spec and (own or taken)


def _notes(plan: Plan, verdict: Verdict) -> Iterator[str]:
    specs = [document for documents in plan.specs.values() for document in documents]
    if unsigned := sorted(str(as_map(document["metadata"])["name"]) for document in specs if _may_be_signed(document)):
        yield (
            f"neither built nor signed in the cluster: {listed(unsigned)}; if the images are signed before they are "
            "pushed, no Module says so: write sign: {prebuilt: true} into the spec"
        )
    if plan.unknown_platforms:
        yield (
            f"nothing in the input tells the platform of {listed(sorted(plan.unknown_platforms))}: kubernetes stands "
            "there until you say openshift or kubernetes"
        )
    for cluster, names in sorted(verdict.joined.items()):
        yield f"drivers that the fleet had select the new cluster {cluster}, too: {listed(names)}"
    for name in sorted(verdict.privileged):
        yield f"render labels the namespace {name} pod-security.kubernetes.io/enforce: privileged, which it is not yet"
    for line in passed_over(verdict):
        yield f"used by no imported Module, and left where it is: {line}"
