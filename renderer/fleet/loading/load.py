"""The files of a fleet → specs: found, read, parsed and checked against their schemas, all errors in one run."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from kmodgate.policy.findings import FieldPath, Finding, Mode
from kmodgate.policy.formats.yaml_documents import Document
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.fleet.clusters.read_clusters import read_cluster
from kmodgate.renderer.fleet.faulty_specs import FaultySpecs
from kmodgate.renderer.fleet.files import REMOVALS, SPEC_KINDS, FleetFiles, references
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.loading.read_specs import (
    misplaced,
    modules_in,
    not_judged_by,
    policy_problems,
    read_driver,
    read_driver_policy,
    read_image_service,
    read_removals,
)
from kmodgate.renderer.fleet.loading.spec_files import is_ours, spec_documents
from kmodgate.renderer.fleet.schema_check import (
    check,
    finding_at,
    settle,
    title,
    without,
    without_doubled,
    without_faults,
)
from kmodgate.renderer.fleet.specs import Cluster, Kmm

Progress = Callable[[str, int, int], None]
"""Takes what is counted, how many are done, and how many there are."""

_NO_CLUSTERS = ("KernelDriver ", "ImageService ", "DriverPolicy ", "Removals")
"""An error in one of them loses no cluster."""


def load_fleet(
    root: Path,
    output: Path,
    findings: list[Finding],
    progress: Progress = lambda *_: None,
    *,
    strays: Iterable[Finding] = (),
    may_be_empty: bool = False,
    tracked_only: bool | None = False,
) -> Fleet:
    """Load every spec below the root, outside the output folder; what cannot be used goes to `findings`.

    `strays` are the specs that lie in the output folder: what they define may be missing in the fleet. Of the files
    that specs name none is read that git ignores, or with `tracked_only` does not know; None is for a copy of a commit.

    Raises Unusable for a fleet without any spec, unless it may be empty.
    """
    found: list[Finding] = []
    fleet = Fleet(FleetFiles(root))
    documents = _documents(fleet, output, found, progress)
    found += strays
    if tracked_only is not None:
        named = {name for document in documents for name in references(document.file, document.value)}
        fleet.files.guard(named, tracked_only=tracked_only)
    for document in documents:
        add_document(fleet, document, found)
    found += _duplicate_names(fleet)
    fleet.link_spokes()
    errors = [finding for finding in found if finding.mode is Mode.ENFORCE]
    if not (may_be_empty or errors or fleet.drivers or fleet.clusters):
        fix = "add a driver and a cluster: kmodgate init driver NAME, kmodgate init cluster NAME"
        raise Unusable(f"{root}: the fleet holds no spec", found[0].fix if found else fix)
    fleet.is_whole = all(finding.object.startswith(_NO_CLUSTERS) for finding in errors)
    findings += found
    return fleet


def _documents(fleet: Fleet, output: Path, findings: list[Finding], progress: Progress) -> list[Document]:
    """Return the documents of all files that hold specs."""
    names = list(fleet.files.spec_names(output, findings))
    documents: list[Document] = []
    for number, name in enumerate(names, 1):
        documents += spec_documents(fleet.files, name, findings)
        progress("files read", number, len(names))
    return documents


def add_document(fleet: Fleet, document: Document, findings: list[Finding]) -> None:
    """Adds the spec that a document holds; what is wrong with it goes to `findings`."""
    value = document.value
    if not isinstance(value, dict):
        findings.append(
            finding_at(document, (), "SCH102", "the document is not a map", "start it with apiVersion and kind")
        )
        return
    if (
        document.file != REMOVALS
        and not is_ours(value)
        and (value.get("apiVersion") is not None or value.get("kind") not in SPEC_KINDS)
    ):
        findings += modules_in(document)
        return  # another object in the same file; kubectl's, not ours
    kind = value.get("kind")
    if kind not in SPEC_KINDS:
        message = f"{kind!r} is not a kind of spec" if kind else "missing"
        close = [name for name in SPEC_KINDS if name.lower() == str(kind).lower()]
        close = close or difflib.get_close_matches(str(kind), SPEC_KINDS, n=1, cutoff=0.8)
        fix = f"write {close[0]}" if close else f"one of: {', '.join(SPEC_KINDS)}"
        findings.append(finding_at(document, ("kind",), "SCH104", message, fix))
        return
    if (kind == "Removals") is not (document.file == REMOVALS):
        findings.append(misplaced(document))
        return
    document = without_doubled(document, str(kind), findings)
    problems = check(document, str(kind))
    disputed = settle(document, problems, findings)
    problems = [item for item in problems if (item.line, item.column) not in disputed]
    findings += problems
    if problems or disputed:
        _read_faulty(fleet, document, str(kind), disputed, findings)
    else:
        _read_sound(fleet, document, str(kind), findings)


def _read_sound(fleet: Fleet, document: Document, kind: str, findings: list[Finding]) -> None:
    """Add a spec that its schema has passed."""
    if kind == "Removals":
        fleet.removals += read_removals(document, findings, fleet.removals)
    elif kind == "DriverPolicy":
        _read_policy(fleet, fleet, document, findings)
    else:
        _read(fleet, fleet, document, kind, findings)


def _read(fleet: Fleet, specs: Fleet | FaultySpecs, document: Document, kind: str, findings: list[Finding]) -> None:
    if kind == "KernelDriver":
        specs.drivers.append(read_driver(document, findings))
    elif kind == "Cluster":
        specs.clusters.append(read_cluster(fleet.files, document, findings))
    elif kind == "ImageService":
        specs.services.append(read_image_service(document, findings))
    elif kind == "DriverPolicy":
        _read_policy(fleet, specs, document, findings)


def _read_faulty(
    fleet: Fleet, document: Document, kind: str, disputed: set[tuple[int, int]], findings: list[Finding]
) -> None:
    part = without_faults(document, kind)
    if part is not None and not any(map(_is_of_selection, part.faults)):
        fleet.faulty.add_faults(document, part.faults, disputed, part.moved)
        found: list[Finding] = []
        _read(fleet, fleet.faulty, part.document, kind, found)
        if kind == "Cluster" and any(path[:2] == ("spec", "kmm") for path in part.faults):
            fleet.faulty.clusters[-1] = replace(fleet.faulty.clusters[-1], kmm=Kmm("", "upstream"))  # some KMM is there
        if kind == "Cluster" and any(map(_is_of_nodes, part.faults)):
            fleet.faulty.clusters[-1] = replace(fleet.faulty.clusters[-1], nodes=())  # what is left would mislead
        findings += fleet.faulty.independent(found)
    elif kind == "DriverPolicy":
        findings.append(not_judged_by(document))


def _is_of_selection(path: FieldPath) -> bool:
    """Whether a fault leaves open which clusters a spec is for, or which of them one of its overrides changes."""
    is_override = path[:2] == ("spec", "overrides")
    return path[:2] == ("spec", "clusters") or (is_override and (len(path) < 4 or path[3] != "patch" or not path[4:]))


def _is_of_nodes(path: FieldPath) -> bool:
    """Whether a fault leaves open which nodes there are, which labels they have, or what runs on them."""
    return path[:2] == ("spec", "nodeGroups") and (not path[3:] or path[3] in ("labels", "kernels", "taints"))


def _read_policy(fleet: Fleet, specs: Fleet | FaultySpecs, document: Document, findings: list[Finding]) -> None:
    """Add a policy; one that names rules or days that are none judges without them."""
    if problems := policy_problems(document):
        findings += (finding for finding, _ in problems)
        part = without(document, {path for _, path in problems})
        fleet.faulty.add_faults(document, part.faults, (), part.moved)
        specs, document = fleet.faulty, part.document
    specs.policies.append(read_driver_policy(document))


def _duplicate_names(fleet: Fleet) -> Iterator[Finding]:
    """Report specs of one kind and name; copies leave the fleet, so that nothing is told of them a second time."""
    whole = fleet.with_faulty()
    for specs in (whole.drivers, whole.clusters, whole.services, whole.policies):
        first: dict[str, Document] = {}
        for spec in specs:
            other = first.setdefault(spec.name, spec.document)
            if other is not spec.document:
                where = f"{other.file}:{other.position(('metadata', 'name'))[0]}"
                if other.value == spec.document.value:
                    message, fix = f"{title(spec.document)} is also in {where}, word for word", "remove one of the two"
                else:
                    message = f"{title(spec.document)} is also defined in {where}"
                    fix = "rename or remove one of the two"
                if other.value == spec.document.value or isinstance(spec, Cluster):
                    fleet.leave_out(spec)
                yield finding_at(spec.document, ("metadata", "name"), "REF004", message, fix)
