"""Objects that a driver brings along → files beside its spec, one text for all clusters where the objects are alike."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from itertools import count

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.yaml_documents import parse
from kmodgate.renderer.deliveries.kmm.objects import SPEC_ANNOTATION
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.fleet.targets.referenced_files import not_an_object
from kmodgate.renderer.importer.objects.modules import ARGO_INSTANCE, LAST_APPLIED, TRACKING
from kmodgate.renderer.importer.objects.reading import Found
from kmodgate.renderer.manifests import argo
from kmodgate.renderer.manifests.emit_yaml import CannotEmit, emit
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY

OF_THE_CLUSTER = frozenset((
    "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers", "generateName", "generation",
    "managedFields", "ownerReferences", "resourceVersion", "selfLink", "uid",
))  # fmt: skip
"""Metadata that the API server and controllers write."""

_RBAC = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


class NewFiles:
    """Texts of new files by their path in the fleet; a name that another text has gets a number."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.reserved: set[str] = set()
        """Names that are not to be given: those of specs."""

    def add(self, name: str, text: str) -> str:
        """The path under which the text is."""
        stem, suffix = os.path.splitext(name)
        paths = (name if number == 1 else f"{stem}-{number}{suffix}" for number in count(1))
        free = (path for path in paths if path not in self.reserved)
        return next(path for path in free if self.texts.setdefault(path, text) == text)


def attach(files: NewFiles, spec_file: str, driver: str, objects: Iterable[Found], lost: list[Finding]) -> list[str]:
    """The files that hold these objects, relative to the spec; what cannot be attached goes to `lost`."""
    groups: dict[str, list[str]] = {}
    for found in sorted(objects, key=_order):
        value = clean(found)
        text = _text(value, found, lost)
        if text:
            groups.setdefault(_file_of(found, spec_file, driver), []).append(text)
    folder = os.path.dirname(spec_file) or "."
    paths = [files.add(name, "---\n".join(texts)) for name, texts in groups.items()]
    return [reference(path, folder) for path in sorted(paths)]


def _order(found: Found) -> tuple[int, str, str]:
    """Roles before the bindings that name them."""
    kind = found.identity.kind
    return (_RBAC.index(kind) if kind in _RBAC else -1), kind, found.identity.name


def reference(path: str, folder: str) -> str:
    """A path as a spec in the folder writes it."""
    relative = os.path.relpath(path, folder)
    return relative if relative.startswith("../") else f"./{relative}"


def clean(found: Found) -> JsonMap:
    """The object without what the cluster, Argo CD and render write."""
    own = argo.sync_annotations(found.identity.kind)
    kept: JsonMap = {}
    for key, value in metadata_of(found.value).items():
        if key == "labels" and isinstance(value, dict):
            value = {
                name: text
                for name, text in value.items()
                if (name, text) not in MANAGED_BY.items() and name != ARGO_INSTANCE
            }
        elif key == "annotations" and isinstance(value, dict):
            dropped = (*TRACKING, LAST_APPLIED, SPEC_ANNOTATION)
            value = {name: text for name, text in value.items() if name not in dropped and own.get(name) != text}
        if key not in OF_THE_CLUSTER and not (key in ("labels", "annotations") and not value):
            kept[key] = value
    dropped_fields = {"status"} | ({"secrets"} if found.identity.kind == "ServiceAccount" else set())
    return {
        key: kept if key == "metadata" else value for key, value in found.value.items() if key not in dropped_fields
    }


def _text(value: JsonMap, found: Found, lost: list[Finding]) -> str:
    """The YAML of an object that may be attached; nothing where it may not."""
    try:
        text = emit(value)
    except CannotEmit as error:
        lost.append(found.lost("IMP004", (), f"not imported: {error}", "apply it by other means"))
        return ""
    documents, problems = parse(text, found.source.file)
    problems += [problem for document in documents for problem in not_an_object(document)]
    if problems:
        message = f"not imported: {problems[0].field or 'the object'}: {problems[0].message}"
        lost.append(found.lost("IMP004", (), message, problems[0].fix))
        return ""
    return text


def _file_of(found: Found, spec_file: str, driver: str) -> str:
    """The file that a rendered object was made from, else one for each sort of object."""
    if is_path(found.origin) and found.origin != spec_file:
        return found.origin
    kind = "rbac" if found.identity.kind in _RBAC else found.identity.kind.lower()
    return os.path.join(os.path.dirname(spec_file), f"{driver}-{kind}.yaml")


def is_path(name: str) -> bool:
    """Whether this can be the path of a spec: below the root, in no dot folder, and outside of the usual output."""
    parts = name.split("/")
    sound = all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9 _.+-]*", part) for part in parts)
    return sound and name.endswith((".yaml", ".yml")) and parts[0] != "rendered" and name != "kmodgate.yaml"
