"""What a driver's spec refers to, read before compiling: Dockerfiles and attached objects."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding
from kmodgate.policy.formats.kubernetes_names import is_label_value, is_qualified_name
from kmodgate.policy.formats.yaml_documents import MAX_BYTES, Document, Json, parse
from kmodgate.policy.kmm.kinds import CLUSTER_MODULE, GROUPS
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.fleet.files import FleetFiles, Unreadable, resolve
from kmodgate.renderer.fleet.loading.spec_files import API_VERSION
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import CLUSTER_SCOPED, JsonMap, KernelDriver
from kmodgate.renderer.fleet.targets.targets import Variant

_API_VERSION = lazy_regex(r"(?:[a-z0-9.-]+/)?v[a-z0-9]+")
_KIND = lazy_regex(r"[A-Z][A-Za-z0-9]*")
_NAME = lazy_regex(r"[!-$&-.0-~]+")  # what RBAC allows, the widest of all kinds: printable ASCII but / and %
_LABEL = lazy_regex(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = lazy_regex(rf"(?=.{{1,253}}$){_LABEL.pattern}(?:\.{_LABEL.pattern})*")
_FROM = lazy_regex(r"\s*FROM\s", re.IGNORECASE)
_STRING_MAPS = {"ConfigMap": ("data", "binaryData"), "Secret": ("data", "stringData")}

MAX_DOCKERFILE = 1 << 20  # all the data that a ConfigMap may hold


@dataclass(frozen=True, slots=True)
class Sources:
    """`dockerfiles`: reference in the spec → text with LF line ends. `attached`: one document an object."""

    dockerfiles: dict[str, str]
    attached: tuple[Document, ...]


def read_sources(files: FleetFiles, variant: Variant, findings: list[Finding]) -> Sources:
    """Everything the variant refers to; what cannot be read goes to `findings`."""
    dockerfiles: dict[str, str] = {}
    for path, reference in _dockerfiles(variant.spec):
        text = _read(files, variant, path, reference, MAX_DOCKERFILE, findings)
        dockerfiles[reference] = text or ""  # what is wrong beside it is worth being told, too
        if text is not None:
            if not text.strip():
                findings.append(_at(variant, path, f"{reference} is empty", "write the Dockerfile, or name another"))
            if "\0" in text:
                findings.append(_at(variant, path, f"{reference} holds a NUL character", "name a text file"))
    attached: list[Document] = []
    attach = variant.spec.get("attach")
    seen: set[str] = set()
    for index, item in enumerate(attach if isinstance(attach, list) else []):
        if (name := os.path.normpath(str(item))) in seen:
            findings.append(_at(variant, ("attach", index), f"{item} is attached twice", "remove one of the two"))
            continue
        seen.add(name)
        attached += _attached(files, variant, ("attach", index), str(item), findings)
    return Sources(dockerfiles, tuple(attached))


def specs_by_dockerfile(drivers: Iterable[KernelDriver]) -> dict[str, list[str]]:
    """Return the files of the specs that name a Dockerfile, overrides included, by the Dockerfile."""
    result: dict[str, list[str]] = {}
    for driver in drivers:
        file = driver.document.file
        for spec in (driver.spec, *(override.patch for override in driver.overrides)):
            for _, reference in _dockerfiles(spec):
                with suppress(Unreadable):  # compiling reports it
                    result.setdefault(resolve(file, reference), []).append(file)
    return result


def _dockerfiles(spec: JsonMap) -> Iterator[tuple[FieldPath, str]]:
    build = spec.get("build")
    if isinstance(build, dict) and "dockerfile" in build:
        yield ("build", "dockerfile"), str(build["dockerfile"])
    mappings = spec.get("kernelMappings")
    for index, mapping in enumerate(mappings if isinstance(mappings, list) else []):
        build = mapping.get("build") if isinstance(mapping, dict) else None
        if isinstance(build, dict) and "dockerfile" in build:
            yield ("kernelMappings", index, "build", "dockerfile"), str(build["dockerfile"])


def _read(
    files: FleetFiles, variant: Variant, path: FieldPath, reference: str, limit: int, findings: list[Finding]
) -> str | None:
    try:
        return files.text(resolve(variant.driver.document.file, reference), limit=limit)
    except Unreadable as error:
        message, fix = f"{reference}: {error.message}", error.fix
        if "\n" in reference or _FROM.match(reference):
            message, fix = "is the text of a file, and not its name", "write the text to a file, and its path here"
        findings.append(_at(variant, path, message, fix))
        return None


def _attached(
    files: FleetFiles, variant: Variant, path: FieldPath, reference: str, findings: list[Finding]
) -> Iterator[Document]:
    text = _read(files, variant, path, reference, MAX_BYTES, findings)
    if text is None:
        return
    documents, problems = parse(text, resolve(variant.driver.document.file, reference))
    findings += problems
    if problems:
        return
    if not documents:
        findings.append(_at(variant, path, f"{reference} holds no object", "write one into it, or remove it here"))
    for document in documents:
        wrong = list(not_an_object(document))
        findings += wrong
        if not wrong:
            yield document


def not_an_object(document: Document) -> Iterator[Finding]:
    """Why a document cannot be rendered as it stands."""
    value = document.value
    if not isinstance(value, dict):
        yield finding_at(document, (), "SCH102", "the document is not a map", "write one Kubernetes object a document")
        return
    metadata = metadata_of(value)
    for path, text, form in (
        (("apiVersion",), value.get("apiVersion"), _API_VERSION),
        (("kind",), value.get("kind"), _KIND),
        (("metadata", "name"), metadata.get("name"), _name_of(str(value.get("kind")))),
        (("metadata", "namespace"), metadata.get("namespace", "default"), _LABEL),
    ):
        yield from _not_a_word(document, path, text, form)
    if str(value.get("kind")) in CLUSTER_SCOPED and "namespace" in metadata:
        message = f"a {value['kind']} has no namespace"
        yield finding_at(document, ("metadata", "namespace"), "SCH104", message, "remove it")
    group, kind = str(value.get("apiVersion")).split("/")[0], value.get("kind")
    if group == API_VERSION.split("/")[0]:
        message, fix = "a spec cannot be attached to a spec", "remove it from attach"
        yield finding_at(document, ("apiVersion",), "SCH104", message, fix)
    if kind in CLUSTER_MODULE and group == GROUPS[str(kind)]:
        message = "a Module that no check has seen and no rule protects from removal"
        yield finding_at(document, ("kind",), "SCH104", message, "write a KernelDriver instead")
    yield from _not_strings(document, value, metadata)


def _name_of(kind: str) -> re.Pattern[str]:
    if kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"):
        return _NAME
    return _LABEL if kind in ("Namespace", "Service") else _SUBDOMAIN


def _not_a_word(document: Document, path: FieldPath, text: Json, form: re.Pattern[str]) -> Iterator[Finding]:
    what = ".".join(str(step) for step in path)
    if text is None:
        fix = f"give it {what}; a List is written as one document an object"
        yield finding_at(document, path, "SCH103", f"an attached object needs {what}", fix)
    elif not isinstance(text, str) or not form.fullmatch(text):
        yield finding_at(document, path, "SCH104", f"{text!r} is not a valid {path[-1]}", f"correct the {path[-1]}")


def _not_strings(document: Document, value: JsonMap, metadata: Mapping[str, Json]) -> Iterator[Finding]:
    """Maps of strings that hold something else, which `kubectl apply` refuses only in the cluster."""
    places: list[tuple[FieldPath, Json]] = [
        (("metadata", key), metadata[key]) for key in ("labels", "annotations") if key in metadata
    ]
    places += [((key,), value[key]) for key in _STRING_MAPS.get(str(value.get("kind")), ()) if key in value]
    for path, found in places:
        if not isinstance(found, dict):
            yield finding_at(document, path, "SCH102", "is not a map", "write it as a map of strings")
            continue
        for key, text in found.items():
            if not isinstance(text, str):
                raw = document.raw((*path, key))
                fix = f'put it in quotes: "{raw}"' if isinstance(text, bool | int | float) else "make it a string"
                yield finding_at(document, (*path, key), "SCH102", "is not a string", fix)
            elif path[-1] == "labels" and not (is_qualified_name(key) and is_label_value(text)):
                fix = "use letters, digits, '-', '_' and '.', 63 characters at most"
                yield finding_at(document, (*path, key), "SCH107", f"{key}={text} is not a valid label", fix)


def _at(variant: Variant, path: FieldPath, message: str, fix: str) -> Finding:
    return finding_at(variant.driver.document, variant.place(path)[0], "REF003", message, fix)
