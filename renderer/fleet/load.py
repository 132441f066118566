"""The files of a fleet → specs: found, read, parsed and checked against their schemas, all errors in one run."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from kmodgate.policy.findings import Finding, Mode
from kmodgate.policy.formats.yaml_documents import MAX_BYTES, Document, Json, parse
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.file_reading import read_regular
from kmodgate.renderer.fleet.files import MARKER, REMOVALS, SPEC_KINDS, FleetFiles, Unreadable, references
from kmodgate.renderer.fleet.read_specs import (
    misplaced,
    modules_in,
    not_judged_by,
    policy_problems,
    read_cluster,
    read_driver,
    read_driver_policy,
    read_removals,
)
from kmodgate.renderer.fleet.schema_check import check, finding_at, settle, title, without, without_faults
from kmodgate.renderer.fleet.specs import Cluster, DriverPolicy, FaultySpecs, KernelDriver, Kmm, Removal

API_VERSION = "kmodgate.io/v1alpha1"

_MENTION = re.compile(r"""kmod-?gates?\b|KernelDriver|DriverPolicy|kind["']?\s*:\s*["']?Cluster\b""")
_MODULE = re.compile(r"\bkmm\.sigs\.x-k8s\.io/")
_GROUP = API_VERSION.partition("/")[0]
_SPEC = re.compile(
    r"""apiVersion["']?\s*:\s*(?:[&!]\S+\s+|[>|][-+0-9]*\s+)*["']?kmodgate\.io|kind["']?\s*:\s*["']?(?:KernelDriver|DriverPolicy)\b"""
)
_NO_CLUSTERS = ("KernelDriver ", "DriverPolicy ", "Removals")  # an error in one of them loses no cluster
_ONLY_COMMENTS = re.compile(r"(?:\s|#.*|---)*")


@dataclass(slots=True)
class Fleet:
    """All specs of one repository; `files` reads what they refer to.

    `is_whole` is false when some cluster may be missing, because its spec or file could not be used: a selector that
    matches nothing may then be right.
    """

    files: FleetFiles
    is_whole: bool = True
    drivers: list[KernelDriver] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)
    policies: list[DriverPolicy] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    """The Modules that may leave the tree, each once."""
    faulty: FaultySpecs = field(default_factory=FaultySpecs)

    def with_faulty(self) -> Fleet:
        """Return the fleet with the specs that have schema errors, to be judged and not to be written."""
        drivers, clusters = [*self.drivers, *self.faulty.drivers], [*self.clusters, *self.faulty.clusters]
        return replace(self, drivers=drivers, clusters=clusters, policies=[*self.policies, *self.faulty.policies])

    def leave_out(self, spec: KernelDriver | Cluster | DriverPolicy) -> None:
        """Take a spec away."""
        for holder in (self, self.faulty):
            holder.drivers = [item for item in holder.drivers if item is not spec]
            holder.clusters = [item for item in holder.clusters if item is not spec]
            holder.policies = [item for item in holder.policies if item is not spec]


def names_of(fleet: Fleet) -> list[str]:
    """The names of the clusters."""
    return [cluster.name for cluster in fleet.clusters]


def root_above(path: Path) -> Path | None:
    """The closest folder, from a path upwards, that holds a `kmodgate.yaml`."""
    here = Path(os.path.abspath(path))
    return next((folder for folder in (here, *here.parents) if (folder / MARKER).is_file()), None)


def find_root(start: Path) -> Path:
    """The closest folder, from `start` upwards, that holds a `kmodgate.yaml`. Raises Unusable."""
    if not start.exists():
        raise Unusable(
            f"{start}: there is no such folder", "give the folder of a fleet, or run: kmodgate init fleet NAME"
        )
    root = root_above(start)
    if root is not None:
        return root
    raise Unusable(
        f"{start}: no fleet here, and none above: no folder has a {MARKER}",
        f"create an empty {MARKER} at the root of the fleet, or run: kmodgate init fleet NAME",
    )


def as_typed(root: Path) -> Path:
    """The root as a person would type it from where they are, if it is below; else as it is."""
    relative = os.path.relpath(root)
    return root if relative.startswith("..") and len(relative) > len(str(root)) else Path(relative)


def prefix(folder: Path) -> str:
    """What is put before a path in a folder, so that it can be opened from where the person is."""
    return "" if str(folder) == "." else f"{folder.as_posix()}/"


def load_fleet(
    root: Path,
    output: Path,
    findings: list[Finding],
    progress: Callable[[str, int, int], None] = lambda *_: None,
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
    names = list(fleet.files.spec_names(output, found))
    found += strays
    documents: list[Document] = []
    for number, name in enumerate(names, 1):
        documents += _documents(fleet.files, name, found)
        progress("files read", number, len(names))
    if tracked_only is not None:
        named = {name for document in documents for name in references(document.file, document.value)}
        fleet.files.guard(named, tracked_only=tracked_only)
    for document in documents:
        add_document(fleet, document, found)
    found += _duplicate_names(fleet)
    errors = [finding for finding in found if finding.mode is Mode.ENFORCE]
    if not (may_be_empty or errors or fleet.drivers or fleet.clusters):
        fix = (
            found[0].fix
            if found
            else "add a driver and a cluster: kmodgate init driver NAME, kmodgate init cluster NAME"
        )
        raise Unusable(f"{root}: the fleet holds no spec", fix)
    fleet.is_whole = all(finding.object.startswith(_NO_CLUSTERS) for finding in errors)
    findings += found
    return fleet


def is_spec(path: Path) -> bool:
    """Whether a file holds a spec, or was meant to."""
    try:
        data = read_regular(path, MAX_BYTES)
    except OSError:  # whoever reads it says why
        return False
    if len(data) > MAX_BYTES:
        return False
    text = data.decode("utf-8", "replace")
    if path.name == MARKER or (path.name == REMOVALS and (path.parent / MARKER).is_file()):
        return True
    if _MENTION.search(text) is None:
        return False
    documents, problems = parse(text, str(path))  # a rendered policy quotes a spec, and is none
    return any(_is_ours(item.value) for item in documents) or (bool(problems) and _SPEC.search(text) is not None)


def _documents(files: FleetFiles, name: str, findings: list[Finding]) -> Iterator[Document]:
    try:
        text = files.text(name, limit=MAX_BYTES)
    except Unreadable as error:
        findings.append(Finding("SCH001", error.message, error.fix, file=name))
        return
    if _MENTION.search(text) is None and _MODULE.search(text) is None and name != REMOVALS:
        _not_a_spec(text, name, findings)
        return
    documents, problems = parse(text, name)
    meant = name == REMOVALS or _SPEC.search(text) is not None
    if not meant and not any(_is_ours(document.value) for document in documents):
        for document in documents:  # it only mentions us
            findings += modules_in(document)
        return
    findings += problems
    if not documents and not problems:
        findings.append(
            Finding("SCH006", "the file holds no document", "write a spec into it, or delete it", file=name)
        )
    yield from documents


def _is_ours(value: Json) -> bool:
    """Whether a document is a spec, or was meant as one: a slip in its first lines must not make it vanish."""
    if not isinstance(value, dict):
        return False
    version, kind = value.get("apiVersion"), value.get("kind")
    if kind in ("KernelDriver", "DriverPolicy") or (kind in ("Cluster", "Removals") and version is None):
        return True
    group = str(version).partition("/")[0]
    return group == _GROUP or (kind in SPEC_KINDS and bool(difflib.get_close_matches(group, [_GROUP], cutoff=0.8)))


def _not_a_spec(text: str, name: str, findings: list[Finding]) -> None:
    empty = _ONLY_COMMENTS.fullmatch(text) is not None
    if name == MARKER and not empty:
        fix = "empty it: it only marks the root of the fleet"
        findings.append(Finding("SCH101", f"{MARKER} has no settings", fix, file=name))
    elif name != MARKER and empty:
        findings.append(Finding("SCH006", "the file is empty", "write something into it, or delete it", file=name))


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
        and not _is_ours(value)
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
    elif kind == "DriverPolicy":
        _read_policy(fleet, specs, document, findings)


def _read_faulty(
    fleet: Fleet, document: Document, kind: str, disputed: set[tuple[int, int]], findings: list[Finding]
) -> None:
    part = without_faults(document, kind)
    if part is not None:
        fleet.faulty.add_faults(document, part.faults, disputed, part.moved)
        found: list[Finding] = []
        _read(fleet, fleet.faulty, part.document, kind, found)
        if kind == "Cluster" and any(path[:2] == ("spec", "kmm") for path in part.faults):
            fleet.faulty.clusters[-1] = replace(fleet.faulty.clusters[-1], kmm=Kmm("", "upstream"))  # some KMM is there
        findings += fleet.faulty.independent(found)
    elif kind == "DriverPolicy":
        findings.append(not_judged_by(document))


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
    for specs in (whole.drivers, whole.clusters, whole.policies):
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
