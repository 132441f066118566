"""The clusters that a check is about, and dumps of them, as `kubectl get -o yaml` or `-o json` writes them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import NOT_CHECKED, Finding, Mode, Severity
from kmodgate.renderer.check.inputs.object_inputs import (
    STDIN,
    WRITES_A_LIST,
    files_below,
    files_outside_fleets,
    read_objects,
)
from kmodgate.renderer.errors import Unusable, refuse_enforced
from kmodgate.renderer.fleet.clusters.cluster_selectors import check_names, suggest
from kmodgate.renderer.fleet.files import MARKER, OUTPUT, OUTPUTS
from kmodgate.renderer.fleet.fleet import names_of
from kmodgate.renderer.fleet.loading.load import load_fleet
from kmodgate.renderer.fleet.loading.spec_files import is_spec
from kmodgate.renderer.fleet.root import root_above


@dataclass(frozen=True, slots=True)
class Scope:
    """The clusters of the fleets around some paths (`known`), and those whose objects the paths lead to (`judged`).

    `is_whole` is false where a Cluster spec cannot be used, so that its name is not known.
    """

    known: frozenset[str] = frozenset()
    judged: frozenset[str] = frozenset()
    is_whole: bool = True

    def only(self, names: Sequence[str]) -> Scope:
        """Return the scope without other clusters than those named, if some are. Raises Unusable for one of none."""
        if names and not self.known:
            raise Unusable(f"--cluster {names[0]}: no path leads to a fleet", "give the folder of the fleet")
        check_names(self.known, list(names))
        return Scope(self.known, self.judged & set(names), self.is_whole) if names else self


def scope_of(paths: Iterable[str]) -> Scope:
    """Return the clusters of the fleets, specs and rendered trees at some paths."""
    known: set[str] = set()
    judged: set[str] = set()
    is_whole = True
    for path, root in _roots(paths):
        fleet = load_fleet(root, root / OUTPUT, [], may_be_empty=True)
        names = names_of(fleet)
        known.update(names)
        judged.update(_leads_to(path, root, names))
        is_whole = is_whole and fleet.is_whole
    return Scope(frozenset(known), frozenset(judged), is_whole)


def _roots(paths: Iterable[str]) -> Iterator[tuple[Path, Path]]:
    """Yield each fleet at a path, around it or below it, with the path that leads there."""
    for path in paths:
        if path == STDIN or not os.path.exists(path):
            continue
        if root := root_above(Path(path)):
            yield Path(path), root
        elif os.path.isdir(path):
            markers = (Path(name) for name in files_outside_fleets(path) if os.path.basename(name) == MARKER)
            yield from ((marker.parent, marker.parent) for marker in markers)


def _leads_to(path: Path, root: Path, names: Sequence[str]) -> Iterable[str]:
    """Return the clusters whose objects a path in a fleet leads to."""
    below = Path(os.path.abspath(path)).relative_to(os.path.abspath(root)).parts
    if below and below[0] in OUTPUTS:
        return [name for name in names if name in below[1:2]] if below[1:] else names
    return names if path.is_dir() or is_spec(path) else ()


@dataclass(frozen=True, slots=True)
class Dumps:
    """What `--facts` tells, by the name of the cluster; `plain` is that of objects for no known cluster."""

    by_cluster: Mapping[str, Dump] = field(default_factory=dict)
    plain: Dump | None = None
    unknown: frozenset[str] = frozenset()
    """The clusters that are checked without facts, although some are given."""

    def of(self, clusters: Sequence[str]) -> Dump | None:
        """Return the dump of the cluster that an object is for, if there is one."""
        return self.by_cluster.get(clusters[0]) if clusters else self.plain

    def notes(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Yield the findings, and one note for each cluster without facts in place of all that it leaves unchecked."""
        for finding in findings:
            if not (finding.is_unchecked and finding.clusters and self.unknown.issuperset(finding.clusters)):
                yield finding
        for name in sorted(self.unknown):
            message, fix = f"{NOT_CHECKED}: cluster {name}, of which no facts are given", f"--facts {name}=PATH"
            yield Finding(
                "REF008", message, fix, f"Cluster {name}", "metadata.name", Severity.INFO, mode=Mode.AUDIT,
                clusters=(name,),
            )  # fmt: skip


def read_dumps(arguments: Sequence[str], scope: Scope) -> Dumps:
    """Read what `--facts` names: `PATH` for the only cluster, `CLUSTER=PATH` for one of several.

    Raises Unusable for a path that is not there, or that does not say which cluster it is of; Refused for files that
    are no objects.
    """
    if not arguments:
        return Dumps()
    plain: list[str] = []
    paths: dict[str, list[str]] = {}
    for argument in arguments:
        name, separator, path = argument.partition("=")
        if separator and (name in scope.known or (not scope.is_whole and not os.path.exists(argument))):
            paths.setdefault(name, []).append(path)
        else:
            plain.append(_checked(argument, name if separator else "", scope))
    if plain and len(scope.judged) > 1:
        raise Unusable(
            f"--facts {plain[0]}: {len(scope.judged)} clusters are checked", "say which cluster: --facts CLUSTER=PATH"
        )
    for name in scope.judged if plain else ():
        paths[name] = [*plain, *paths.get(name, ())]
    dumps = {name: read_dump(*found) for name, found in paths.items()}
    return Dumps(dumps, read_dump(*plain) if plain else None, frozenset(scope.judged - dumps.keys()))


def _checked(path: str, name: str, scope: Scope) -> str:
    if name and scope.known and not os.path.exists(path):
        message = f"--facts {path}: there is no cluster {name} in the fleet, and no such file or folder"
        raise Unusable(message, suggest(name, sorted(scope.known)))
    return path


def read_dump(*paths: str) -> Dump:
    """The dump in files or below folders, whatever the files are called.

    Raises Refused for files that are none, and Unusable for a place that is not there.
    """
    findings: list[Finding] = []
    dump = Dump()
    for path in paths:
        if path == STDIN:
            raise Unusable("--facts - is stdin, and facts are a file or a folder", "write the dump to a file first")
        if not os.path.exists(path):
            raise Unusable(f"--facts {path}: there is no such file or folder", "correct the path")
        for name in files_below(path):
            lists: list[str] = []
            before = len(dump.objects)
            dump.add(read_objects(name, findings, lists), lists)
            if name == path and not lists and len(dump.objects) == before and not findings:
                raise Unusable(f"--facts {path}: holds no object", WRITES_A_LIST)
    refuse_enforced(findings, outcome="nothing was checked")
    return dump
