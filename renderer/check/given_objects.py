"""Objects outside of specs, as files have them → what the rules say of them, beside the others of their cluster."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from kmodgate.policy.caused_findings import independent
from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.cluster.facts import Facts, SnapshotFacts, node_of
from kmodgate.policy.cluster.ims_site import are_of_several_sites, concerns_ims
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import NOT_CHECKED, FieldPath, Finding, Mode, Severity, placed, title
from kmodgate.policy.formats.object_files import Source
from kmodgate.policy.ims.given_records import is_record
from kmodgate.policy.json_schema.violations import UNQUOTED
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.kmm.kinds import MANAGED_CLUSTER, MODULE_KINDS, kind_of
from kmodgate.policy.kmm.nodes.node_selection import Node
from kmodgate.policy.review import Review
from kmodgate.policy.views.boot_config import boot_config
from kmodgate.renderer.check.cluster_state.cluster_dump import Dumps
from kmodgate.renderer.check.cluster_state.git_history import Past
from kmodgate.renderer.check.cluster_state.rendered_clusters import Place, Places
from kmodgate.renderer.check.inputs.object_inputs import STDIN
from kmodgate.renderer.deliveries.delivery import driver_of
from kmodgate.renderer.wording import counted


class GivenObjects:
    """Collects the objects of all files, and judges them when all are known."""

    def __init__(self, places: Places, past: Past, dumps: Dumps, now: datetime) -> None:
        self._places = places
        self._past = past
        self._dumps = dumps
        self._now = now
        self._sources: dict[tuple[tuple[str, ...], str], list[Source]] = {}
        self._sites: dict[str, Facts] | None = None
        self._folders: dict[str, Facts] = {}

    def add(self, name: str, where: Place, sources: Iterable[Source]) -> None:
        """Add the objects of a file; those of a cluster know of each other, others may be of any cluster."""
        self._sources.setdefault((where.clusters, "" if where.clusters else name), []).extend(sources)

    def has_modules(self, name: str) -> bool:
        """Whether a file outside of trees holds a Module."""
        return any(source.value["kind"] in MODULE_KINDS for source in self._sources.get(((), name), ()))

    def findings(self) -> Iterator[Finding]:
        """What the rules say of objects outside of specs, together with those of the same cluster or file."""
        changed = self._changed_dockerfiles()
        nodes = self._given_nodes()
        copies = Counter(_values(sources) for sources in self._sources.values())
        told: dict[object, list[Finding]] = {}
        for (clusters, _), sources in self._sources.items():
            beside = [] if clusters or not sources else changed.get(os.path.dirname(sources[0].file), [])
            if beside or copies[_values(sources)] == 1 or not self._stand_alone(sources):
                yield from self._of_file(sources, beside, nodes)
                continue
            key = _values(sources), self._is_in_tree(sources[0])
            if key not in told:
                told[key] = list(self._of_file(sources, (), nodes))
            yield from (replace(item, file=sources[0].file) if item.file else item for item in told[key])

    def _stand_alone(self, sources: Sequence[Source]) -> bool:
        """Whether no other file says anything about the objects of one: not what they were, nor what is beside them."""
        file = sources[0].file if sources else STDIN
        if file == STDIN or self._places.of(file).clusters or self._past.facts(sources) is not None:
            return False
        return not any(_has_others_beside(source.value) for source in sources)

    def _of_file(
        self, sources: Sequence[Source], beside: Sequence[Source], nodes: list[Node] | None
    ) -> Iterator[Finding]:
        """What the rules say of the objects of a cluster or a file; `beside` are changed ones that they may need."""
        where = self._places.of(sources[0].file if sources else STDIN)
        objects = [source.value for source in (*beside, *sources)]
        dump = self._dumps.of(where.clusters)
        known_nodes = where.nodes if where.clusters else nodes
        facts = SnapshotFacts(objects, nodes=known_nodes, dump=dump.facts if dump else None)
        before = self._past.facts([*beside, *sources])
        for source in sources:
            is_new = dump is not None and not dump.holds(source.value)
            known = facts if where.clusters else self._beside(source, facts)
            yield from self._judged(source, where, known, before, is_new=is_new)
        has_modules = any(source.value["kind"] in MODULE_KINDS for source in sources)
        if known_nodes is not None and not where.clusters and has_modules:
            yield _counted_nodes(len(known_nodes))

    def _beside(self, source: Source, facts: Facts) -> Facts:
        """Return what is known beside an object outside of trees; `facts` are those of its file and of a dump.

        Machine configurations are often a file each, and those of one folder are of one cluster.
        """
        if not _has_others_beside(source.value):
            return facts
        if boot_config(source.value) is None:
            return self._site(source.file)
        folder = _folder(source.file)
        if folder not in self._folders:
            given = (found for (clusters, _), found in self._sources.items() if not clusters)
            beside = [item for found in given for item in found if _folder(item.file) == folder]
            self._folders[folder] = self._facts_of(beside, self._given_nodes())
        return self._folders[folder]

    def _changed_dockerfiles(self) -> dict[str, list[Source]]:
        """ConfigMaps that are not what they were, by folder: Modules of other files there may be built from them."""
        found: dict[str, list[Source]] = defaultdict(list)
        for (clusters, _), sources in self._sources.items():
            for source in sources if not clusters else ():
                if source.value.get("kind") == "ConfigMap" and self._past.objects(source.file):
                    found[os.path.dirname(source.file)].append(source)
        return found

    def _site(self, file: str) -> Facts:
        """Return what is known of the cluster of a service, or a hub, whose objects lie in several files.

        All files are of one cluster, those of one folder where objects of the service stand in several.
        """
        if self._sites is None:
            given = [source for (clusters, _), found in self._sources.items() if not clusters for source in found]
            several = are_of_several_sites(source.value for source in given)
            by_site: dict[str, list[Source]] = defaultdict(list)
            for source in given:
                by_site[_folder(source.file) if several else ""].append(source)
            nodes = None if several else self._given_nodes()
            self._sites = {site: self._facts_of(sources, nodes) for site, sources in by_site.items()}
        return self._sites.get("") or self._sites[_folder(file)]

    def _facts_of(self, sources: Iterable[Source], nodes: Sequence[Node] | None) -> Facts:
        """Return what the objects of several files say together: a kind is complete if a List of one of them is."""
        more = self._dumps.plain or Dump()
        dump = Dump([*more.objects], {*more.complete})
        dump.add(sources)  # which are what is to be, where the dump has what is
        return SnapshotFacts(dump.objects, dump.complete, nodes)

    def _given_nodes(self) -> list[Node] | None:
        """The Node objects of files outside of trees, which are those of the cluster and nothing to be applied."""
        given = (source for (clusters, _), sources in self._sources.items() if not clusters for source in sources)
        nodes = [source.value for source in given if source.value["kind"] == "Node" and not self._is_in_tree(source)]
        return [node_of(node) for node in nodes] or None

    def _is_in_tree(self, source: Source) -> bool:
        return bool(self._places.of(source.file).clusters) or self._past.is_in_git(source.file)

    def _judged(
        self, source: Source, where: Place, facts: Facts, before: Facts | None, *, is_new: bool
    ) -> Iterator[Finding]:
        value = source.value if is_record(source.value) else defaulted(source.value)
        old = self._past.objects(source.file).get(title(value))
        review = Review(
            value,
            old,
            "CREATE" if old is None else "UPDATE",
            where.cluster,
            where.engine.policy.parameters,
            facts=facts,
            in_tree=self._is_in_tree(source),
            is_new=is_new,
            now=self._now,
            before=before,
        )
        for finding, path in causes(review, where.engine):
            yield replace(_placed(finding, path, source), clusters=where.clusters)

    def gone(self, folder: str) -> Iterator[Finding]:
        """Modules of files that are deleted, and that no other file has taken over."""
        now = {title(source.value) for sources in self._sources.values() for source in sources}
        for file, item in self._past.gone(folder):
            if driver_of(item) and title(item) not in now:
                message = f"{title(item)} was deleted, which unloads its driver once this is applied"
                place = os.path.join(folder, os.path.relpath(file, os.path.realpath(folder)))
                fix = "put it back, or see to it that no node needs the driver any more"
                yield Finding(
                    "GIT001", message, fix, title(item), "metadata.name", Severity.WARNING, place, mode=Mode.WARN
                )


def causes(review: Review, engine: Engine) -> list[tuple[Finding, FieldPath]]:
    """Return what the rules say of an object, without what they no longer say once its structure is repaired."""
    found = independent([*engine.judge(review), *engine.judge_by_facts(review)])
    shown = {(item.rule, path) for item, path in found if item.mode is Mode.ENFORCE}
    violations = [item for item in review.violations if item.repair and (item.rule, item.path) in shown]
    if not violations or review.schema is None:
        return found
    mended = replace(review, object=review.schema.repaired(review.object, violations))
    told = {(item.rule, item.path) for item in violations}
    left = {(item.rule, path) for item, path in (*engine.judge(mended), *engine.judge_by_facts(mended))}
    return [item for item in found if item[0].is_unchecked or {(item[0].rule, item[1])} & (told | left)]


def _has_others_beside(value: dict[str, Any]) -> bool:
    """Whether an object outside of trees is judged with those of other files: of a service, a hub, or for the boot."""
    return concerns_ims(value) or kind_of(value) == MANAGED_CLUSTER or boot_config(value) is not None


def _values(sources: Iterable[Source]) -> tuple[int, ...]:
    """Return what stands for the objects of a file: files of equal text share them."""
    return tuple(id(source.value) for source in sources)


def _folder(file: str) -> str:
    return os.path.dirname(os.path.abspath(file))


def _counted_nodes(count: int) -> Finding:
    """Return the note that says for which nodes the findings hold: whether there are more, nobody knows."""
    message = f"{NOT_CHECKED}: other nodes than the {counted(count, 'Node object')} given, which count as all nodes"
    fix = "if the cluster has more, give what kubectl get nodes -o yaml writes"
    return Finding("REF009", message, fix, "Node", severity=Severity.INFO, mode=Mode.AUDIT)


def _placed(finding: Finding, path: FieldPath, source: Source) -> Finding:
    position = source.line_position(path, finding.line) if finding.line else source.position(path)
    if finding.fix.startswith(UNQUOTED) and source.document and (raw := source.document.raw((*source.prefix, *path))):
        finding = replace(finding, fix=f'{UNQUOTED}: "{raw}"')
    return placed(finding, path, "<stdin>" if source.file == STDIN else source.file, position)
