"""Documents → specs, once their schema has passed: `Any` is what JSON is, and the schema has fixed its shape."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from kmodgate.policy import config_checks
from kmodgate.policy.config import read_policy
from kmodgate.policy.findings import NOT_CHECKED, FieldPath, Finding, Mode, Severity
from kmodgate.policy.formats.yaml_documents import MAX_BYTES, Document, parse
from kmodgate.policy.kmm.kinds import GROUPS, MODULE_KINDS
from kmodgate.renderer.fleet.files import REMOVALS, SPEC_SUFFIXES
from kmodgate.renderer.fleet.schema_check import finding_at, title
from kmodgate.renderer.fleet.specs import (
    ClusterSelector,
    DriverPolicy,
    ImageService,
    KernelDriver,
    Override,
    Removal,
    Requirement,
)
from kmodgate.renderer.local_files.reading import read_regular
from kmodgate.schemas.compiled import spec_schema

MANAGED_BY = "app.kubernetes.io/managed-by"
"""The label of every rendered object; its value is `kmodgate`."""

RESERVED_LABELS = (MANAGED_BY, "app.kubernetes.io/name", "app.kubernetes.io/instance")
"""Set on every Module, or read by Argo CD to track what it owns."""


def read_driver(document: Document, findings: list[Finding]) -> KernelDriver:
    """A driver; labels that are not its own and overrides that change nothing go to `findings`."""
    value: Any = document.value
    spec, overrides = _overridden(document, findings)
    for key in value["metadata"].get("labels", {}):
        if key in RESERVED_LABELS or key.startswith("argocd.argoproj.io/"):
            path: FieldPath = ("metadata", "labels", key)
            message = "would be the Module's, where it belongs to others"
            findings.append(
                finding_at(document, path, "SCH104", message, "remove it, or choose another key", at_key=True)
            )
    return KernelDriver(
        name=value["metadata"]["name"],
        labels=value["metadata"].get("labels", {}),
        clusters=_selector(spec["clusters"]),
        overrides=overrides,
        spec=spec,
        document=document,
    )


def read_image_service(document: Document, findings: list[Finding]) -> ImageService:
    """An ImageService; overrides that change nothing go to `findings`."""
    value: Any = document.value
    spec, overrides = _overridden(document, findings)
    return ImageService(value["metadata"]["name"], _selector(spec["clusters"]), overrides, spec, document)


def _overridden(document: Document, findings: list[Finding]) -> tuple[Any, tuple[Override, ...]]:
    """Return the spec of a document without its overrides, and these; a patch of an unknown field is a finding."""
    value: Any = document.value
    spec, overrides = value["spec"], []
    if "overrides" in spec:
        spec = dict(spec)
        overrides = spec.pop("overrides")
    for index, item in enumerate(overrides):
        for problem in spec_schema(value["kind"]).unknown_nulls(item["patch"], ("spec",)):
            path: FieldPath = ("spec", "overrides", index, "patch", *problem.path)
            fix = in_patch(problem.fix, index)
            findings.append(finding_at(document, path, problem.rule, problem.message, fix, at_key=True))
    return spec, tuple(Override(_selector(item["clusters"]), item["patch"]) for item in overrides)


def in_patch(fix: str, index: int) -> str:
    """Return a fix that names fields of the spec with the places where the patch of an override has them."""
    return re.sub(r"\bspec\.(?=[a-z])", f"spec.overrides[{index}].patch.", fix)


def read_driver_policy(document: Document) -> DriverPolicy:
    """Return the DriverPolicy of a document without problems."""
    value: Any = document.value
    spec = value["spec"]
    return DriverPolicy(value["metadata"]["name"], _selector(spec["clusters"]), read_policy(spec), document)


def policy_problems(document: Document) -> list[tuple[Finding, FieldPath]]:
    """Return what is wrong with a DriverPolicy that its schema has passed, and the field or item to leave out.

    These are rules and days that are none.
    """
    value: Any = document.value
    return [
        (
            finding_at(document, item.path, "SCH104", item.message, item.fix),
            item.path[:3] if item.path[1] == "exceptions" else item.path,
        )
        for item in config_checks.problems(value["spec"])
    ]


def not_judged_by(document: Document) -> Finding:
    """Return the note that the clusters of a policy are judged by the default profile."""
    message = f"{NOT_CHECKED}: what {title(document)} says, since it cannot be read; another policy judges its clusters"
    finding = finding_at(document, (), "SCH104", message, "correct the errors of the policy")
    return replace(finding, severity=Severity.INFO, mode=Mode.AUDIT)


def misplaced(document: Document) -> Finding:
    """Return the finding of a kind in the wrong file: whoever reviews a removal must know where to look."""
    if document.file == REMOVALS:
        message, fix = f"{REMOVALS} holds the kind Removals only", "move the other spec to a file of its own"
    else:
        message, fix = f"Removals are read from {REMOVALS} in the root of the fleet only", f"move them to {REMOVALS}"
    return finding_at(document, ("kind",), "SCH104", message, fix)


def read_removals(document: Document, findings: list[Finding], before: list[Removal]) -> list[Removal]:
    """Return the entries of a document of removals.yaml; a second entry for the same Module goes to `findings`.

    `before` are the entries of the documents before it.
    """
    value: Any = document.value
    first = {entry.key: entry for entry in before}
    for index, item in enumerate(value["spec"]["removals"]):
        where = item["cluster"], item.get("kind", "Module"), item.get("namespace", ""), item["name"]
        entry = Removal(*where, item.get("place", ""), item["digest"], item.get("reason", ""), document, index)
        other = first.setdefault(entry.key, entry)
        if other is not entry:
            line = other.document.position(other.path)[0]
            message = f"{entry.object} on {entry.cluster} has an entry already, on line {line}"
            findings.append(finding_at(document, entry.path, "SCH105", message, "remove one of the two"))
    return [entry for entry in first.values() if entry.document is document]


def stray_modules(root: Path, path: Path) -> Iterator[Finding]:
    """Report the Modules of a file where a fleet's specs are looked for; the file is named as seen from the root."""
    name = Path(os.path.relpath(path, root)).as_posix()
    if name.endswith(SPEC_SUFFIXES) and not any(part.startswith(".") for part in name.split("/")):
        for document in parse(read_regular(path, MAX_BYTES).decode("utf-8", "replace"), name)[0]:
            yield from modules_in(document)


def modules_in(document: Document) -> Iterator[Finding]:
    """Report a Module of KMM, which stands there without any effect; not one that kmodgate has rendered."""
    value = document.value
    if not isinstance(value, dict) or value.get("kind") not in MODULE_KINDS:
        return
    metadata = value.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    is_rendered = isinstance(labels, dict) and labels.get(MANAGED_BY) == "kmodgate"
    if str(value.get("apiVersion")).partition("/")[0] == GROUPS[str(value["kind"])] and not is_rendered:
        message = f"a {value['kind']} is not a spec, and goes to no cluster from here"
        fix = f"import it, and delete the file: kmodgate import {shlex.quote(document.file)}"
        yield replace(
            finding_at(document, ("kind",), "SCH008", message, fix), severity=Severity.WARNING, mode=Mode.WARN
        )


def _selector(value: Any) -> ClusterSelector:
    return ClusterSelector(
        names=tuple(value["names"]) if "names" in value else None,
        labels=tuple(value.get("matchLabels", {}).items()),
        requirements=tuple(
            Requirement(item["key"], item["operator"], tuple(item.get("values", ())))
            for item in value.get("matchExpressions", ())
        ),
    )
