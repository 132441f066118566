"""The files that hold specs, and the documents in them; other files only mention one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.config import PLATFORMS
from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.yaml_documents import MAX_BYTES, Document, Json, parse
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.fleet.files import MARKER, REMOVALS, SPEC_KINDS, FleetFiles, Unreadable
from kmodgate.renderer.fleet.loading.read_specs import modules_in
from kmodgate.renderer.local_files.reading import read_regular

API_VERSION = "kmodgate.io/v1alpha1"

_MENTION = lazy_regex(r"""kmod-?gates?\b|KernelDriver|ImageService|DriverPolicy|kind["']?\s*:\s*["']?Cluster\b""")
_MODULE = lazy_regex(r"\bkmm\.sigs\.x-k8s\.io/")
_GROUP = API_VERSION.partition("/")[0]
_SPEC = lazy_regex(
    r"""apiVersion["']?\s*:\s*(?:[&!]\S+\s+|[>|][-+0-9]*\s+)*["']?kmodgate\.io|kind["']?\s*:\s*["']?(?:KernelDriver|ImageService|DriverPolicy)\b"""
)
_ONLY_COMMENTS = lazy_regex(r"(?:\s|#.*|---)*")


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
    return any(is_ours(item.value) for item in documents) or (bool(problems) and _SPEC.search(text) is not None)


def spec_documents(files: FleetFiles, name: str, findings: list[Finding]) -> Iterator[Document]:
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
    if not meant and not any(is_ours(document.value) for document in documents):
        for document in documents:  # it only mentions us
            findings += modules_in(document)
        return
    findings += problems
    if not documents and not problems:
        findings.append(
            Finding("SCH006", "the file holds no document", "write a spec into it, or delete it", file=name)
        )
    yield from documents


def is_ours(value: Json) -> bool:
    """Whether a document is a spec, or was meant as one: a slip in its first lines must not make it vanish."""
    if not isinstance(value, dict):
        return False
    version, kind = value.get("apiVersion"), value.get("kind")
    has_version = isinstance(version, str) and bool(version)
    if kind in ("KernelDriver", "ImageService", "DriverPolicy") or (
        kind in ("Cluster", "Removals") and not has_version
    ):
        return True
    if kind == "Cluster" and as_map(value.get("spec")).get("platform") in PLATFORMS:
        return True  # others have kinds of this name, and no such field
    group = str(version).partition("/")[0].lower()
    return group == _GROUP or (kind in SPEC_KINDS and bool(difflib.get_close_matches(group, [_GROUP], cutoff=0.8)))


def _not_a_spec(text: str, name: str, findings: list[Finding]) -> None:
    empty = _ONLY_COMMENTS.fullmatch(text) is not None
    if name == MARKER and not empty:
        fix = "empty it: it only marks the root of the fleet"
        findings.append(Finding("SCH101", f"{MARKER} has no settings", fix, file=name))
    elif name != MARKER and empty:
        findings.append(Finding("SCH006", "the file is empty", "write something into it, or delete it", file=name))
