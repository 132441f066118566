"""The files of a fleet → specs: found, read, parsed and checked against their schemas, all errors in one run."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import schemas
from policy.config import read_policy
from policy.documents import MAX_BYTES, Document, Json, parse
from policy.engine import GROUPS, RULES, load_rules
from policy.findings import FieldPath, Finding, format_path
from policy.schema import Schema, Violation
from renderer import inventory
from renderer.errors import Unusable
from renderer.files import MARKER, SPEC_SUFFIXES, FleetFiles, Unreadable, resolve
from renderer.ownership import unowned
from renderer.specs import (
    Cluster,
    ClusterSelector,
    DriverPolicy,
    KernelDriver,
    KernelVersion,
    Kmm,
    NodeGroup,
    Override,
    Requirement,
    Taint,
)

API_VERSION = "kmodgate.io/v1alpha1"

_NODES = {"sno": 1, "compact": 3}
_BOTH_ROLES = {"node-role.kubernetes.io/control-plane": "", "node-role.kubernetes.io/worker": ""}

_RESERVED_LABELS = ("app.kubernetes.io/managed-by", "app.kubernetes.io/name", "app.kubernetes.io/instance")
"""Set on every Module, or read by Argo CD to track what it owns."""

_MAX_VIOLATIONS = 100  # of one document: whoever sees so many has one mistake, not a hundred

_MENTION = re.compile(r"""kmod-?gates?\b|KernelDriver|DriverPolicy|kind["']?\s*:\s*["']?Cluster\b""")
_GROUP = API_VERSION.partition("/")[0]
_SPEC = re.compile(
    r"""apiVersion["']?\s*:\s*(?:[&!]\S+\s+|[>|][-+0-9]*\s+)*["']?kmodgate\.io|kind["']?\s*:\s*["']?(?:KernelDriver|DriverPolicy)\b"""
)
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


def find_root(start: Path) -> Path:
    """The closest folder, from `start` upwards, that holds a `kmodgate.yaml`. Raises Unusable."""
    if not start.exists():
        raise Unusable(
            f"{start}: there is no such folder", "give the folder of a fleet, or run: kmodgate init fleet NAME"
        )
    here = start.absolute()
    for folder in (here, *here.parents):
        if (folder / MARKER).is_file():
            return folder
    raise Unusable(
        f"{start}: no fleet here, and none above: no folder has a {MARKER}",
        f"create an empty {MARKER} at the root of the fleet, or run: kmodgate init fleet NAME",
    )


def load_fleet(
    root: Path, output: Path, findings: list[Finding], progress: Callable[[str, int, int], None] = lambda *_: None
) -> Fleet:
    """Every spec below the root, outside the output folder; what cannot be used goes to `findings`.

    Raises Unusable for a fleet without any spec.
    """
    found: list[Finding] = []
    fleet = Fleet(FleetFiles(root))
    names = list(fleet.files.spec_names(output, found))
    found += _specs_in_output(fleet.files, output)
    for number, name in enumerate(names, 1):
        for document in _documents(fleet.files, name, found):
            _add(fleet, document, found)
        progress("files read", number, len(names))
    found += _duplicate_names(fleet)
    if not found and not fleet.drivers and not fleet.clusters:
        fix = "add a driver and a cluster: kmodgate init driver NAME, kmodgate init cluster NAME"
        raise Unusable(f"{root}: the fleet holds no spec", fix)
    fleet.is_whole = all(finding.object.startswith("KernelDriver ") for finding in found)
    findings += found
    return fleet


def is_spec(path: Path) -> bool:
    """Whether a file holds a spec, or was meant to."""
    if path.stat().st_size > MAX_BYTES:
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.name == MARKER or _SPEC.search(text):
        return True
    return _MENTION.search(text) is not None and any(_is_ours(item.value) for item in parse(text, str(path))[0])


def _specs_in_output(files: FleetFiles, output: Path) -> Iterator[Finding]:
    """Specs that somebody keeps in the output folder, where they would silently count for nothing."""
    if not output.resolve().is_relative_to(files.root.resolve()):
        return
    for name in unowned(output, SPEC_SUFFIXES):
        path = output / name
        if path.is_file() and not path.is_symlink() and is_spec(path):
            fix = "move it out of there, or give render another --output"
            message = "a spec in the output folder, where none is looked for"
            yield Finding("GIT003", message, fix, file=os.path.abspath(path))


def _documents(files: FleetFiles, name: str, findings: list[Finding]) -> Iterator[Document]:
    try:
        text = files.text(name, limit=MAX_BYTES)
    except Unreadable as error:
        findings.append(Finding("SCH001", error.message, error.fix, file=name))
        return
    if _MENTION.search(text) is None:
        yield from _not_a_spec(text, name, findings)
        return
    documents, problems = parse(text, name)
    meant = _SPEC.search(text) is not None
    if not meant and not any(_is_ours(document.value) for document in documents):
        return  # it only mentions us
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
    if kind in ("KernelDriver", "DriverPolicy") or (kind == "Cluster" and version is None):
        return True
    group = str(version).partition("/")[0]
    return group == _GROUP or (kind in _READERS and bool(difflib.get_close_matches(group, [_GROUP], cutoff=0.8)))


def _not_a_spec(text: str, name: str, findings: list[Finding]) -> Iterator[Document]:
    empty = _ONLY_COMMENTS.fullmatch(text) is not None
    if name == MARKER:
        if not empty:
            findings.append(
                Finding(
                    "SCH101", f"{MARKER} has no settings", "empty it: it only marks the root of the fleet", file=name
                )
            )
    elif empty:
        findings.append(Finding("SCH006", "the file is empty", "write something into it, or delete it", file=name))
    yield from ()


def _add(fleet: Fleet, document: Document, findings: list[Finding]) -> None:
    value = document.value
    if not isinstance(value, dict):
        findings.append(
            finding_at(document, (), "SCH102", "the document is not a map", "start it with apiVersion and kind")
        )
        return
    if not _is_ours(value) and (value.get("apiVersion") is not None or value.get("kind") not in _READERS):
        return  # another object in the same file; kubectl's, not ours
    kind = value.get("kind")
    if kind not in _READERS:
        known = ", ".join(_READERS)
        findings.append(
            finding_at(
                document,
                ("kind",),
                "SCH104",
                f"{kind!r} is not a kind of spec" if kind else "missing",
                f"one of: {known}",
            )
        )
        return
    disputed = {(item.line, item.column) for item in findings if item.file == document.file and item.rule == "SCH005"}
    problems = [item for item in check(document, str(kind)) if (item.line, item.column) not in disputed]
    findings += problems
    if not problems and not disputed:
        _READERS[str(kind)](fleet, document, findings)


@cache
def spec_schema(kind: str) -> Schema:
    """The compiled schema of a spec kind."""
    return Schema(schemas.read(schemas.KINDS[kind]))


def object_schema(value: Mapping[str, Any]) -> Schema | None:
    """The compiled schema of an object's kind, if there is one for it."""
    return _object_schema(str(value.get("apiVersion")), str(value.get("kind")))


@cache
def _object_schema(api_version: str, kind: str) -> Schema | None:
    name = schemas.name_of(api_version, kind)
    known = GROUPS.get(kind) == api_version.partition("/")[0] and schemas.path(name).is_file()
    return Schema(schemas.read(name)) if known else None


def check(document: Document, kind: str) -> list[Finding]:
    """What the schema of the kind says of the document."""
    schema = spec_schema(kind)
    if schema.is_valid(document.value):
        return []
    violations = schema.violations(document.value, document.raw)
    return [_violation(document, violation) for violation in islice(violations, _MAX_VIOLATIONS)]


def _violation(document: Document, violation: Violation) -> Finding:
    return finding_at(
        document, violation.path, violation.rule, violation.message, violation.fix, at_key=violation.at_key
    )


def finding_at(
    document: Document, path: FieldPath, rule: str, message: str, fix: str, *, at_key: bool = False
) -> Finding:
    """A finding at a node of a spec, or at its key."""
    line, column = document.key_position(path) if at_key else document.position(path)
    return Finding(
        rule,
        message,
        fix,
        object=title(document),
        field=format_path(path),
        file=document.file,
        line=line,
        column=column,
    )


def title(document: Document) -> str:
    """Kind and name of a spec, as far as it has them."""
    value = document.value
    if not isinstance(value, dict):
        return ""
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return " ".join(part for part in (value.get("kind"), name) if isinstance(part, str))


def _duplicate_names(fleet: Fleet) -> Iterator[Finding]:
    for specs in (fleet.drivers, fleet.clusters, fleet.policies):
        first: dict[str, Document] = {}
        for spec in specs:
            other = first.setdefault(spec.name, spec.document)
            if other is not spec.document:
                line = other.position(("metadata", "name"))[0]
                yield finding_at(
                    spec.document,
                    ("metadata", "name"),
                    "REF004",
                    f"{title(spec.document)} is also defined in {other.file}:{line}",
                    "rename or remove one of the two",
                )


# The readers below run after the schema has passed: `Any` is what JSON is, and the schema has fixed its shape.


def _read_driver(fleet: Fleet, document: Document, findings: list[Finding]) -> None:
    value: Any = document.value
    spec = dict(value["spec"])
    overrides = spec.pop("overrides", [])
    for key in value["metadata"].get("labels", {}):
        if key in _RESERVED_LABELS or key.startswith("argocd.argoproj.io/"):
            path: FieldPath = ("metadata", "labels", key)
            message = "would be the Module's, where it belongs to others"
            findings.append(
                finding_at(document, path, "SCH104", message, "remove it, or choose another key", at_key=True)
            )
    for index, item in enumerate(overrides):
        for problem in spec_schema("KernelDriver").unknown_nulls(item["patch"], ("spec",)):
            path = ("spec", "overrides", index, "patch", *problem.path)
            findings.append(finding_at(document, path, problem.rule, problem.message, problem.fix, at_key=True))
    fleet.drivers.append(
        KernelDriver(
            name=value["metadata"]["name"],
            labels=value["metadata"].get("labels", {}),
            clusters=_selector(spec["clusters"]),
            overrides=tuple(Override(_selector(item["clusters"]), item["patch"]) for item in overrides),
            spec=spec,
            document=document,
        )
    )


def _read_cluster(fleet: Fleet, document: Document, findings: list[Finding]) -> None:
    value: Any = document.value
    spec = value["spec"]
    kmm = spec.get("kmm")
    fleet.clusters.append(
        Cluster(
            name=value["metadata"]["name"],
            labels=value["metadata"].get("labels", {}),
            platform=spec["platform"],
            topology=spec.get("topology", "ha"),
            kubernetes=spec.get("kubernetes", {}).get("version", ""),
            kmm=None if kmm is None else Kmm(kmm.get("version", ""), kmm.get("flavour", "upstream")),
            nodes=_of_topology(spec, _nodes(fleet.files, document, spec, findings), document, findings),
            next_kernels=tuple(KernelVersion(kernel) for kernel in spec.get("nextKernels", [])),
            document=document,
        )
    )


def _read_policy(fleet: Fleet, document: Document, findings: list[Finding]) -> None:
    if (policy := policy_of(document, findings)) is not None:
        fleet.policies.append(policy)


def policy_of(document: Document, findings: list[Finding]) -> DriverPolicy | None:
    """The DriverPolicy of a document that its schema has passed, or None if it names rules or days that are none."""
    value: Any = document.value
    spec = value["spec"]
    load_rules()
    problems = list(_unknown_rules(document, spec))
    findings += problems
    if problems:
        return None
    return DriverPolicy(value["metadata"]["name"], _selector(spec["clusters"]), read_policy(spec), document)


def _unknown_rules(document: Document, spec: Any) -> Iterator[Finding]:
    named: list[tuple[FieldPath, str]] = [(("spec", "modes", key), key) for key in spec.get("modes", {})]
    for gate, modes in spec.get("gates", {}).items():
        named += [(("spec", "gates", gate, key), key) for key in modes]
    for index, item in enumerate(spec.get("exceptions", ())):
        named.append((("spec", "exceptions", index, "rule"), item["rule"]))
        try:
            date.fromisoformat(item["expires"])
        except ValueError:
            path: FieldPath = ("spec", "exceptions", index, "expires")
            yield finding_at(document, path, "SCH104", f"{item['expires']} is not a day", "correct the date")
    known = {"*", *RULES, *(id[:3] for id in RULES)}
    for path, name in named:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            fix = f"did you mean {close[0]}?" if close else "kmodgate rules lists them"
            yield finding_at(document, path, "SCH104", f"there is no rule {name}", fix)


_READERS = {"KernelDriver": _read_driver, "Cluster": _read_cluster, "DriverPolicy": _read_policy}


def _selector(value: Any) -> ClusterSelector:
    return ClusterSelector(
        names=tuple(value["names"]) if "names" in value else None,
        labels=tuple(value.get("matchLabels", {}).items()),
        requirements=tuple(
            Requirement(item["key"], item["operator"], tuple(item.get("values", ())))
            for item in value.get("matchExpressions", ())
        ),
    )


def _nodes(files: FleetFiles, document: Document, spec: Any, findings: list[Finding]) -> tuple[NodeGroup, ...]:
    if "inventory" not in spec:
        return tuple(_node_group(group) for group in spec.get("nodeGroups", ()))
    try:
        return inventory.read_nodes(files.bytes(resolve(document.file, spec["inventory"]), limit=inventory.MAX_BYTES))
    except Unreadable as error:
        findings.append(
            finding_at(document, ("spec", "inventory"), "REF003", f"{spec['inventory']} {error.message}", error.fix)
        )
        return ()


def _of_topology(
    spec: Any, nodes: tuple[NodeGroup, ...], document: Document, findings: list[Finding]
) -> tuple[NodeGroup, ...]:
    """The nodes with what the topology says of them: on all but `ha` every node is worker and control plane."""
    topology = spec.get("topology", "ha")
    if topology == "ha":
        return nodes
    if not nodes and "inventory" not in spec:
        nodes = (NodeGroup("nodes", _NODES[topology], {}, (), (), "", False),)
    count = sum(group.count for group in nodes)
    if topology == "sno" and count > 1:
        place = "inventory" if "inventory" in spec else "nodeGroups"
        fix = "make it one node, or give the topology: compact or ha"
        findings.append(
            finding_at(
                document, ("spec", place), "SCH104", f"topology sno is a single node, and these are {count}", fix
            )
        )
    return tuple(replace(group, labels={**_BOTH_ROLES, **group.labels}) for group in nodes)


def _node_group(group: Any) -> NodeGroup:
    return NodeGroup(
        name=group["name"],
        count=group.get("count", 1),
        labels=group.get("labels", {}),
        taints=tuple(Taint(taint["key"], taint.get("value", ""), taint["effect"]) for taint in group.get("taints", ())),
        kernels=tuple(KernelVersion(kernel) for kernel in group.get("kernels", ())),
        architecture=group.get("architecture", ""),
        secure_boot=group.get("secureBoot", False),
    )
