"""The check gate: specs, trees and any other Kubernetes objects → what the rules say of them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import (
    Finding,
    Mode,
    Severity,
    sort_findings,
    told_once,
)
from kmodgate.policy.formats.object_files import SUFFIXES
from kmodgate.policy.ims.given_records import wrapped
from kmodgate.renderer import git
from kmodgate.renderer.check.argo_applications import stray_applications
from kmodgate.renderer.check.cluster_state.cluster_dump import Dumps
from kmodgate.renderer.check.cluster_state.git_history import Past
from kmodgate.renderer.check.cluster_state.rendered_clusters import Places
from kmodgate.renderer.check.given_objects import GivenObjects
from kmodgate.renderer.check.inputs.default_namespace import in_namespace
from kmodgate.renderer.check.inputs.disputed_scalars import suit_fields, without_disputes
from kmodgate.renderer.check.inputs.duplicate_objects import Duplicates
from kmodgate.renderer.check.inputs.foreign_files import Texts, any_object, has_rules, objects_of_interest
from kmodgate.renderer.check.inputs.object_inputs import (
    STDIN,
    files_below,
    files_outside_fleets,
    nothing_in,
    read_objects,
)
from kmodgate.renderer.check.inputs.specs_outside import is_lone_spec, specs_outside
from kmodgate.renderer.compile.cluster_policies import (
    Choice,
    HeldPolicy,
    Policies,
    exception_findings,
    merged,
    unused_exceptions,
)
from kmodgate.renderer.compile.compiler import CompiledFleet, compile_fleet
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.fleet.files import HANDOVER, MARKER, OUTPUT, OUTPUTS
from kmodgate.renderer.fleet.loading.read_specs import stray_modules
from kmodgate.renderer.fleet.loading.spec_files import is_spec
from kmodgate.renderer.fleet.root import root_above
from kmodgate.renderer.fleet.targets.referenced_files import specs_by_dockerfile
from kmodgate.renderer.judge.fleet_judge import FleetJudge
from kmodgate.renderer.judge.operators import operator_findings
from kmodgate.renderer.removals.base_fleet import base_fleet, removal_findings
from kmodgate.renderer.tree import index
from kmodgate.renderer.tree.compare import APPLIED_SUFFIXES
from kmodgate.renderer.tree.file_names import Layout
from kmodgate.renderer.tree.index import unowned
from kmodgate.renderer.tree.stray_specs import Trust, load_with_output


@dataclass(slots=True)
class Checked:
    """What was looked at, and everything that was found, sorted by place."""

    findings: list[Finding] = field(default_factory=list)
    objects: int = 0
    without_rules: int = 0
    """The objects of kinds that no rule looks at, which are not among `objects`."""
    passed_over: set[str] = field(default_factory=set)
    """The files of other tools."""
    without_git: list[str] = field(default_factory=list)
    """The fleets that lie in no repository, so that nothing is known of what they were."""
    useless: list[str] = field(default_factory=list)
    """The given files that hold neither YAML nor JSON: a login page, say."""
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
        namespace: str = "",
        ims_version: str = "",
    ) -> None:
        """`namespace` is that of namespaced objects outside fleets and trees that name none.

        `ims_version` is that of the Image Management Service whose objects are given outside of fleets.
        """
        self._namespace = namespace
        self.choice = choice
        self.dumps = dumps or Dumps()
        self._only = only
        self.now = now
        self._places = Places(choice, now, ims_version)
        self.ignore_other = ignore_other
        self.against = against
        self.result = Checked()
        self._fleets: dict[Path, dict[str, list[Finding]]] = {}
        self._dockerfiles: dict[Path, dict[str, list[str]]] = {}
        self._expected: dict[Path, dict[str, bytes]] = {}
        self._given = GivenObjects(self._places, Past(against, namespace), self.dumps, now)
        self._duplicates = Duplicates()
        self._texts: Texts = {}

    def check(self, paths: Iterable[str]) -> Checked:
        """Raises Unusable for a path that does not exist."""
        paths = list(paths)
        for path in paths:
            self._path(path)
        self.result.findings += self._given.findings()
        if self.choice.policy is not None:
            self.result.findings += exception_findings([self.choice.policy], self.now.date())
        for path in paths:
            if path != STDIN and os.path.isdir(path) and root_above(Path(path)) is None:
                self.result.findings += self._given.gone(path)
        self.result.policies = merged(self.result.policies)
        self.result.findings = without_disputes(self.result.findings)
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
        if os.path.realpath(path) == os.path.realpath(root):
            for folder in OUTPUTS:
                self._tree(root, folder)

    def _stray_modules(self, root: Path, path: str) -> None:
        """The warnings that Modules in a file among the specs go to no cluster; rules judge them all the same."""
        if self._given.has_modules(path):
            self.result.findings += [replace(item, file=path) for item in stray_modules(root, Path(path))]

    def _tree(self, root: Path, folder: str) -> None:
        """Judge the files of an output folder of a fleet as they stand, where they are not what the specs make."""
        output = Path(os.path.normpath(root / folder))
        expected = self._expected.get(root.absolute(), {})
        if folder == HANDOVER and not any(name.startswith(f"{HANDOVER}/") for name in expected):
            return  # a folder of that name may be anybody's
        foreign = {str(output / name) for name in unowned(output, APPLIED_SUFFIXES)}
        for name in files_below(str(output)) if output.is_dir() else ():
            wanted = expected.get(os.path.relpath(name, root))
            if wanted is None or index.read(name) != wanted:
                self._objects(name, ignore_other=True)
        self.result.findings += (_foreign(name, folder) for name in sorted(foreign))

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
        if git.top_of(os.path.realpath(root)) is None:
            self.result.without_git.append(str(root))
        findings: list[Finding] = []
        fleet = load_with_output(root, root / OUTPUT, findings, trust=Trust(self.against is not None))
        whole, found = fleet.with_faulty(), list[Finding]()
        self._dockerfiles[root.absolute()] = specs_by_dockerfile(whole.drivers)
        base = base_fleet(root, self.against)
        old = {} if base is None else base.objects
        policies = Policies(whole, self.choice, found)
        findings += exception_findings(fleet.policies, self.now.date())
        self.result.policies += policies.held(cluster.name for cluster in fleet.clusters if self._wants(cluster.name))
        compiled = compile_fleet(whole, found, policies)
        self._expected[root.absolute()] = _contents(compiled)
        judge = FleetJudge(policies, "check", self.now)
        found += judge.judge(compiled, old, self.dumps.by_cluster)
        found += operator_findings(base.compiled if base else None, compiled, self.dumps.by_cluster, policies)
        tree = [path for path in self._expected[root.absolute()] if path.endswith(APPLIED_SUFFIXES)]
        of_tree = [path.removeprefix(f"{OUTPUT}/") for path in tree if path.startswith(f"{OUTPUT}/")]
        found += stray_applications(fleet, of_tree, self.dumps.by_cluster)
        findings += fleet.faulty.independent(found)
        findings = [finding for item in findings for finding in self._of_wanted(item)]
        placed = [item for name, objects in compiled.placed.items() if self._wants(name) for _, item in objects]
        self._count(item.value for item in placed)
        yield from findings
        if self._only is None and self.choice.policy is None and fleet.is_whole and not fleet.faulty.drivers:
            yield from unused_exceptions(fleet.policies, judge.used_exceptions, self.now.date())
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
            wanted = any_object if where.clusters else _is_looked_at
            sources = objects_of_interest(name, self.result.findings, wanted, self._texts)
            if sources is None:
                self.result.passed_over.add(os.path.abspath(name))
                return
        else:
            others = None if where.clusters else wrapped
            sources = list(read_objects(name, self.result.findings, others=others, useless=self.result.useless))
            self.result.findings += () if sources else nothing_in(name)
        if not where.clusters:
            self.result.findings += specs_outside(sources)
            sources = [replace(source, value=in_namespace(source.value, self._namespace)) for source in sources]
        suit_fields(self.result.findings, sources)
        self._count(source.value for source in sources)
        self.result.findings += self._duplicates.of(name, sources, where.clusters)
        self._given.add(name, where, sources)

    def _count(self, values: Iterable[Mapping[str, Any]]) -> None:
        """Count objects, those of kinds without rules apart."""
        for value in values:
            if has_rules(value):
                self.result.objects += 1
            else:
                self.result.without_rules += 1


def _is_looked_at(value: dict[str, Any]) -> bool:
    return has_rules(value) or is_lone_spec(value)


def _contents(compiled: CompiledFleet) -> dict[str, bytes]:
    """Return what the specs make, by path below the root of the fleet."""
    layout = Layout()
    trees = [(f"{OUTPUT}/{cluster}", layout.files(placed)) for cluster, placed in compiled.placed.items()]
    trees += [(f"{HANDOVER}/{cluster}", layout.handover(files)) for cluster, files in compiled.handover.items()]
    return {f"{folder}/{path}": file.content for folder, files in trees for path, file in files.items()}


def _foreign(name: str, folder: str) -> Finding:
    """Return the warning about a file that no render has written."""
    then = "Argo CD would apply it" if folder == OUTPUT else "who applies the handover would apply it, too"
    message = f"no spec makes it and no render has written it; {then}"
    fix = "delete it, or let a driver attach it" if folder == OUTPUT else "delete it, or move it elsewhere"
    return Finding("GIT006", message, fix, severity=Severity.WARNING, file=name, mode=Mode.WARN)


def _fleet_of(path: Path) -> Path | None:
    """The root of the fleet whose specs may lie at a path; a folder that a render writes is no place for them."""
    root = root_above(path)
    if root is None or any(Path(os.path.abspath(path)).is_relative_to(root / folder) for folder in OUTPUTS):
        return None
    return Path(os.path.relpath(root))
