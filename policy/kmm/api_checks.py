"""What the API server checks of a Module beside its structural schema, before any webhook is asked.

Sources: k8s.io/apimachinery pkg/api/validation/objectmeta.go and generic.go, k8s.io/apiextensions-apiserver
pkg/apiserver/schema/listtype/validation.go, and the CEL rule of the CustomResourceDefinition
modules.kmm.sigs.x-k8s.io. Left out is what no person writes: owner references, finalizers, managed fields, the
generation.
"""

from collections.abc import Iterator, Mapping

from kmodgate.policy.findings import FieldPath, Problem
from kmodgate.policy.formats.kubernetes_names import (
    as_name,
    is_dns1123_label,
    is_dns1123_subdomain,
    is_label_value,
    is_qualified_name,
)

MAX_ANNOTATIONS = 256 * 1024
"""Limit on the keys and values of all annotations of one object together, in bytes of UTF-8."""

_SUBDOMAIN = "lower case letters, digits, '-' and '.', a letter or digit at both ends, 253 characters at most"
_LABEL = "lower case letters, digits and '-', a letter or digit at both ends, 63 characters at most"
_LABEL_VALUE = "letters, digits, '-', '_' and '.', a letter or digit at both ends, 63 characters at most"
_KEY = f"a name of {_LABEL_VALUE}; before it, if wanted, a DNS domain and '/'"


def structure_findings(module: Mapping[str, object]) -> Iterator[Problem]:
    """Everything that the API server refuses in a Module that its schema allows.

    Works on what passes the schema after `policy.kmm.defaults.defaulted`; parts of another shape are skipped, because
    the schema reports them.
    """
    metadata, spec = _map(module.get("metadata")), _map(module.get("spec"))
    yield from _name_problems(metadata)
    yield from _namespace_problems(metadata)
    if labels := _strings(metadata.get("labels")):
        yield from _label_problems(labels)
    if annotations := _strings(metadata.get("annotations")):
        yield from _annotation_problems(annotations)
    if "dra" in spec or "devicePlugin" in spec:
        yield from _spec_problems(spec)


def _name_problems(metadata: Mapping[str, object]) -> Iterator[Problem]:
    name, prefix = metadata.get("name") or "", metadata.get("generateName") or ""
    path: FieldPath = ("metadata", "name")
    if not name and not prefix:
        yield Problem(path, "the object has no name", "give it a name, or a generateName that the API server completes")
    if isinstance(name, str) and name and not is_dns1123_subdomain(name):
        yield Problem(path, f"{_shown(name)} is not a valid name", _as_name(name, _SUBDOMAIN))
    if isinstance(prefix, str) and prefix and not _is_prefix(prefix, used=not name):
        path = ("metadata", "generateName")
        yield Problem(path, f"{_shown(prefix)} is not the start of a valid name", f"use {_SUBDOMAIN}")


def _as_name(text: str, what: str) -> str:
    found = as_name(text)
    return f"write {found}" if found and (what is _SUBDOMAIN or is_dns1123_label(found)) else f"use {what}"


def _is_prefix(prefix: str, *, used: bool) -> bool:
    # The API server forgives a last dash; when the prefix is used, it also checks what it makes of it, which is its
    # first 58 characters and five random ones (k8s.io/apiserver pkg/storage/names/generate.go).
    forgiven = f"{prefix[:-2]}a" if len(prefix) > 1 and prefix.endswith("-") else prefix
    return is_dns1123_subdomain(forgiven) and (not used or is_dns1123_subdomain(f"{prefix[:58]}bcdfg"))


def _namespace_problems(metadata: Mapping[str, object]) -> Iterator[Problem]:
    namespace = metadata.get("namespace", "")
    path: FieldPath = ("metadata", "namespace")
    if namespace == "":
        yield Problem(path, "a Module lives in a namespace, and none is given", "add the namespace")
    elif isinstance(namespace, str) and not is_dns1123_label(namespace):
        yield Problem(path, f"{_shown(namespace)} is not a valid name of a namespace", _as_name(namespace, _LABEL))


def _label_problems(labels: Mapping[str, str]) -> Iterator[Problem]:
    for key, value in labels.items():
        path: FieldPath = ("metadata", "labels", key)
        if not is_qualified_name(key):
            yield Problem(path, f"{_shown(key)} is not a valid label key", f"use {_KEY}")
        if not is_label_value(value):
            yield Problem(path, f"{_shown(value)} is not a valid label value", f"use nothing, or {_LABEL_VALUE}")


def _annotation_problems(annotations: Mapping[str, str]) -> Iterator[Problem]:
    for key in annotations:
        # Unlike that of a label, the domain of an annotation may have capitals.
        if not is_qualified_name(key.lower()):
            path: FieldPath = ("metadata", "annotations", key)
            yield Problem(path, f"{_shown(key)} is not a valid annotation key", f"use {_KEY}")
    characters = sum(map(len, annotations)) + sum(map(len, annotations.values()))
    if 4 * characters <= MAX_ANNOTATIONS:  # of UTF-8, none takes more bytes
        return
    size = sum(_bytes(key) + _bytes(value) for key, value in annotations.items())
    if size > MAX_ANNOTATIONS:
        message = f"the annotations have {size} bytes together; the limit is {MAX_ANNOTATIONS}"
        yield Problem(("metadata", "annotations"), message, "move large values into a ConfigMap")


def _spec_problems(spec: Mapping[str, object]) -> Iterator[Problem]:
    if spec.get("dra") is not None and spec.get("devicePlugin") is not None:
        message = "dra and devicePlugin exclude each other"
        yield Problem(("spec",), message, "keep one of them; for both, make a second Module without moduleLoader")
    for plugin in ("devicePlugin", "dra"):
        for container, value in _map(spec.get(plugin)).items():
            claims = _map(_map(value).get("resources")).get("claims")
            if isinstance(claims, list):
                yield from _claim_problems(claims, ("spec", plugin, container, "resources", "claims"))


def _claim_problems(claims: list[object], path: FieldPath) -> Iterator[Problem]:
    """The names of resource claims are the keys of a list that the definition declares to be a map."""
    seen: set[object] = set()
    for index, claim in enumerate(claims):
        name = _map(claim).get("name")
        if isinstance(name, str) and name in seen:
            yield Problem((*path, index, "name"), f"the claim {_shown(name)} is listed twice", "remove one of the two")
        seen.add(name if isinstance(name, str) else None)


def _map(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _strings(value: object) -> dict[str, str]:
    return {key: text for key, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}...")
