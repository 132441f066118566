"""The check gate: specs, trees and any other Kubernetes objects → what the rules say of them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from kmodgate.policy.cluster.facts import Facts, SnapshotFacts, node_of
from kmodgate.policy.findings import (
    NOT_CHECKED,
    FieldPath,
    Finding,
    Mode,
    Severity,
    placed,
    sort_findings,
    title,
    told_once,
)
from kmodgate.policy.formats.object_files import SUFFIXES, Source
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.kmm.node_selection import Node
from kmodgate.policy.review import MODULE_KINDS, Review
from kmodgate.renderer.check.cluster_dump import Dumps
from kmodgate.renderer.check.duplicate_objects import Duplicates
from kmodgate.renderer.check.foreign_files import any_object, has_rules, objects_of_interest
from kmodgate.renderer.check.git_history import Past
from kmodgate.renderer.check.object_inputs import STDIN, files_outside_fleets, read_objects
from kmodgate.renderer.check.rendered_clusters import Place, Places
from kmodgate.renderer.compile.cluster_policies import Choice, HeldPolicy, Policies, exception_findings, merged
from kmodgate.renderer.compile.compiler import compile_fleet
from kmodgate.renderer.deliveries.delivery import is_driver
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.fleet.files import MARKER, OUTPUT
from kmodgate.renderer.fleet.load import is_spec, root_above
from kmodgate.renderer.fleet.read_specs import stray_modules
from kmodgate.renderer.fleet.referenced_files import specs_by_dockerfile
from kmodgate.renderer.judge.fleet_judge import FleetJudge
from kmodgate.renderer.manifests.manifest import identity_of
from kmodgate.renderer.removals.base_fleet import base_fleet, removal_findings
from kmodgate.renderer.tree.stray_specs import load_with_output
from kmodgate.renderer.wording import counted


@dataclass(slots=True)
class Checked:
    """What was looked at, and everything that was found, sorted by place."""

    findings: list[Finding] = field(default_factory=list)
    objects: int = 0
    passed_over: set[str] = field(default_factory=set)
    """The files of other tools."""
    policies: list[HeldPolicy] = field(default_factory=list)
    """Those that held, each once."""


class Checker:
    """Judges paths one after the other; a fleet is loaded once, whichever of its files are asked for.

    `only` names the clusters that are looked at, where not all are.
    """

    def __init__(
        self,
        choice: Choice,
        now: datetime,
        against: str | None = None,
        dumps: Dumps | None = None,
        only: Collection[str] | None = None,
        *,
        ignore_other: bool = False,
    ) -> None:
        self.choice = choice
        self.dumps = dumps or Dumps()
        self._only = only
        self.now = now
        self._places = Places(choice, now)
        self.ignore_other = ignore_other
        self.against = against
        self.result = Checked()
        self._fleets: dict[Path, dict[str, list[Finding]]] = {}
        self._dockerfiles: dict[Path, dict[str, list[str]]] = {}
        self._sources: dict[tuple[tuple[str, ...], str], list[Source]] = {}
        self._past = Past(against)
        self._duplicates = Duplicates()

    def check(self, paths: Iterable[str]) -> Checked:
        """Raises Unusable for a path that does not exist."""
        paths = list(paths)
        for path in paths:
            self._path(path)
        self.result.findings += self._judge_sources()
        if self.choice.policy is not None:
            self.result.findings += exception_findings([self.choice.policy], self.now.date())
        for path in paths:
            if path != STDIN and os.path.isdir(path) and root_above(Path(path)) is None:
                self.result.findings += self._gone(path)
        self.result.policies = merged(self.result.policies)
        self.result.findings = list(told_once(sort_findings(self.dumps.notes(self.result.findings))))
        return self.result

    def _path(self, path: str) -> None:
        if path != STDIN and not os.path.exists(path):
            raise Unusable(f"{path}: there is no such file or folder", "correct the path; - is stdin")
        root = None if path == STDIN else _fleet_of(Path(path))
        if root is not None and (os.path.isdir(path) or is_spec(Path(path))):
            self._specs(root, path)
            return
        if root is not None and (specs := self._built_from(root, path)):
            for place in (path, *(os.path.join(root, name) for name in specs)):
                self._specs(root, place)
            return
        for name in [path] if path == STDIN else files_outside_fleets(path):
            if (inner := Path(name)).name == MARKER:
                self._specs(inner.parent, str(inner.parent))
            else:
                self._objects(name, ignore_other=self.ignore_other or os.path.isdir(path))
        if root is not None and not os.path.isdir(path):
            self._stray_modules(root, path)

    def _specs(self, root: Path, path: str) -> None:
        """The findings of a fleet that lie in a file or folder of it, by names that begin with `path`."""
        for file, findings in self._findings_of(root).items():
            below = os.path.relpath(root / file, path)
            if not below.startswith(".."):
                name = os.path.normpath(path if below == "." else os.path.join(path, below))
                self.result.findings += [replace(finding, file=name) for finding in findings]

    def _stray_modules(self, root: Path, path: str) -> None:
        """The warnings that Modules in a file among the specs go to no cluster; rules judge them all the same."""
        sources = self._sources.get(((), path), ())
        if any(source.value["kind"] in MODULE_KINDS for source in sources):
            self.result.findings += [replace(item, file=path) for item in stray_modules(root, Path(path))]

    def _findings_of(self, root: Path) -> dict[str, list[Finding]]:
        """Return the findings of a fleet by file."""
        place = root.absolute()
        if place not in self._fleets:
            self._fleets[place] = defaultdict(list)
            for finding in self._fleet(root):
                self._fleets[place][finding.file].append(finding)
        return self._fleets[place]

    def _built_from(self, root: Path, path: str) -> list[str]:
        """Return the specs of a fleet that name a file as their Dockerfile."""
        if path.endswith(SUFFIXES):
            return []
        self._findings_of(root)
        return self._dockerfiles[root.absolute()].get(os.path.relpath(path, root), [])

    def _fleet(self, root: Path) -> Iterator[Finding]:
        findings: list[Finding] = []
        fleet = load_with_output(root, root / OUTPUT, findings)
        whole, found = fleet.with_faulty(), list[Finding]()
        self._dockerfiles[root.absolute()] = specs_by_dockerfile(whole.drivers)
        base = base_fleet(root, self.against)
        old = {} if base is None else base.objects
        policies = Policies(whole, self.choice, found)
        findings += exception_findings(fleet.policies, self.now.date())
        self.result.policies += policies.held(cluster.name for cluster in fleet.clusters if self._wants(cluster.name))
        compiled = compile_fleet(whole, found, policies)
        found += FleetJudge(policies, "check", self.now).judge(compiled, old, self.dumps.by_cluster)
        findings += fleet.faulty.independent(found)
        findings = [finding for item in findings for finding in self._of_wanted(item)]
        self.result.objects += sum(len(objects) for name, objects in compiled.placed.items() if self._wants(name))
        yield from findings
        if not any(finding.mode is Mode.ENFORCE for finding in findings):
            for finding in removal_findings(base, compiled):
                yield from self._of_wanted(finding)

    def _wants(self, cluster: str) -> bool:
        return self._only is None or cluster in self._only

    def _of_wanted(self, finding: Finding) -> Iterator[Finding]:
        """The finding as far as it is about clusters that are looked at."""
        clusters = tuple(name for name in finding.clusters if self._wants(name))
        if clusters or not finding.clusters:
            yield replace(finding, clusters=clusters)

    def _objects(self, name: str, *, ignore_other: bool) -> None:
        where = self._places.of(name)
        if where.clusters and not self._wants(where.clusters[0]):
            return
        self.result.policies.append(HeldPolicy(where.policy, where.engine.policy, where.clusters))
        if ignore_other:
            wanted = any_object if where.clusters else has_rules
            sources = objects_of_interest(name, self.result.findings, wanted)
            if sources is None:
                self.result.passed_over.add(os.path.abspath(name))
                return
        else:
            sources = list(read_objects(name, self.result.findings))
        self.result.objects += len(sources)
        self.result.findings += self._duplicates.of(name, sources, where.clusters)
        # the objects of a cluster know of each other; what else lies in a folder may be of any cluster
        self._sources.setdefault((where.clusters, "" if where.clusters else name), []).extend(sources)

    def _judge_sources(self) -> Iterator[Finding]:
        """What the rules say of objects outside of specs, together with those of the same cluster or file."""
        asked = False
        changed = self._changed_dockerfiles()
        nodes = self._given_nodes()
        for sources in self._sources.values():
            where = self._places.of(sources[0].file if sources else STDIN)
            beside = changed.get(os.path.dirname(sources[0].file), []) if sources and not where.clusters else []
            objects = [source.value for source in (*beside, *sources)]
            dump = self.dumps.of(where.clusters)
            known = where.nodes if where.clusters else nodes
            facts: Facts | None = None
            if dump is not None or known is not None or len(objects) > 1 or not asked:
                objects += dump.objects if dump else ()
                facts = SnapshotFacts(objects, dump.complete if dump else (), known)
                asked = True  # of objects that are alone, one is enough to be told which facts are missing
            before = self._past.facts([*beside, *sources]) if facts is not None else None
            for source in sources:
                is_new = dump is not None and not dump.holds(source.value)
                yield from self._judged(source, where, facts, before, is_new=is_new)
            if (
                known is not None
                and not where.clusters
                and any(source.value["kind"] in MODULE_KINDS for source in sources)
            ):
                yield _counted_nodes(len(known))

    def _changed_dockerfiles(self) -> dict[str, list[Source]]:
        """ConfigMaps that are not what they were, by folder: Modules of other files there may be built from them."""
        found: dict[str, list[Source]] = defaultdict(list)
        for (clusters, _), sources in self._sources.items():
            for source in sources if not clusters else ():
                if source.value.get("kind") == "ConfigMap" and self._past.objects(source.file):
                    found[os.path.dirname(source.file)].append(source)
        return found

    def _given_nodes(self) -> list[Node] | None:
        """The Node objects of files outside of trees, which are those of the cluster and nothing to be applied."""
        given = (source for (clusters, _), sources in self._sources.items() if not clusters for source in sources)
        nodes = [source.value for source in given if source.value["kind"] == "Node" and not self._is_in_tree(source)]
        return [node_of(node) for node in nodes] or None

    def _is_in_tree(self, source: Source) -> bool:
        return bool(self._places.of(source.file).clusters) or self._past.is_in_git(source.file)

    def _judged(
        self, source: Source, where: Place, facts: Facts | None, before: Facts | None, *, is_new: bool
    ) -> Iterator[Finding]:
        value = defaulted(source.value)
        old = self._past.objects(source.file).get(title(value))
        review = Review(
            value,
            old,
            "CREATE" if old is None else "UPDATE",
            where.cluster,
            facts=facts,
            in_tree=self._is_in_tree(source),
            is_new=is_new,
            now=self.now,
            before=before,
        )
        found = where.engine.judge(review)
        if facts is not None:
            found += where.engine.judge_by_facts(review)
        for finding, path in found:
            yield replace(_placed(finding, path, source), clusters=where.clusters)

    def _gone(self, folder: str) -> Iterator[Finding]:
        """Modules of files that are deleted, and that no other file has taken over."""
        now = {title(source.value) for sources in self._sources.values() for source in sources}
        for file, item in self._past.gone(folder):
            if is_driver(identity_of(item)) and title(item) not in now:
                message = f"{title(item)} was deleted, which unloads its driver once this is applied"
                place = os.path.join(folder, os.path.relpath(file, os.path.realpath(folder)))
                fix = "put it back, or see to it that no node needs the driver any more"
                yield Finding(
                    "GIT001", message, fix, title(item), "metadata.name", Severity.WARNING, place, mode=Mode.WARN
                )


def _counted_nodes(count: int) -> Finding:
    """Return the note that says for which nodes the findings hold: whether there are more, nobody knows."""
    message = f"{NOT_CHECKED}: other nodes than the {counted(count, 'Node object')} given, which count as all nodes"
    fix = "if the cluster has more, give what kubectl get nodes -o yaml writes"
    return Finding("REF009", message, fix, "Node", severity=Severity.INFO, mode=Mode.AUDIT)


def _placed(finding: Finding, path: FieldPath, source: Source) -> Finding:
    return placed(finding, path, "<stdin>" if source.file == STDIN else source.file, source.position(path))


def _fleet_of(path: Path) -> Path | None:
    """The root of the fleet whose specs may lie at a path; a rendered tree is no place for them."""
    root = root_above(path)
    if root is None or Path(os.path.abspath(path)).is_relative_to(root / OUTPUT):
        return None
    return Path(os.path.relpath(root))
