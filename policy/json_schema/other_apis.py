"""Fields under the names that they have in other APIs, such as `imagePullSecrets` of Kubernetes' pods."""

from __future__ import annotations

from collections.abc import Sequence

from kmodgate.policy.findings import FieldPath, format_path, value_at
from kmodgate.policy.json_schema.keywords import Keywords
from kmodgate.policy.json_schema.values import known_below
from kmodgate.policy.json_schema.violations import Repair
from kmodgate.policy.lazy import lazy_regex

_NAMES = {
    "containerImage": ("image",),
    "image": ("containerImage",),
    "imagePullSecret": ("imageRepoSecret",),
    "imagePullSecrets": ("imageRepoSecret",),
    "containerPath": ("mountPath",),
    "driverName": ("moduleName",),
    "kernel": ("regexp", "literal"),
    "kernelModuleImage": ("containerImage",),
    "kernelModuleName": ("moduleName",),
    "kernelVersion": ("literal",),
    "module": ("moduleName",),
    "moduleImage": ("containerImage",),
    "name": ("moduleName",),
    "nodeSelector": ("selector",),
    "oc": ("kubectl",),
    "path": ("mountPath",),
    "pullSecret": ("imageRepoSecret",),
}
"""Names of fields in other APIs, and here."""

_OPERATOR = lazy_regex(r"[\^$*(\[|\\\\]")


def name_here(key: str, value: object, absent: Sequence[str]) -> str:
    """Return the one of some fields that are not there yet that a foreign name means; empty where it may mean several.

    A name without the word that follows is one of them: `key` for `keySecret`. A `kernel` is an expression or a
    literal.
    """
    names = [name for name in _NAMES.get(key, ()) if name in absent]
    if key == "kernel" and len(names) > 1:
        return "regexp" if _OPERATOR.search(str(value)) else "literal"
    names = names or [name for name in absent if name.startswith(key) and name[len(key) :][:1].isupper()]
    return names[0] if len(names) == 1 else ""


def written_out(path: FieldPath, key: str, name: str) -> tuple[str, Repair] | None:
    """Return the fix for the text of a Dockerfile in the map at `path`, where the name of its ConfigMap belongs."""
    if key != "dockerfile":
        return None
    place = format_path((*path, name, "name"))
    fix = f"put the text under the key dockerfile of a ConfigMap, and write the name of that as {place}"
    return fix, Repair(((*path, key),), (((*path, name), {"name": key}),), is_whole=False)


def amount_below(path: FieldPath, key: str, value: object, known: Sequence[str]) -> tuple[str, Repair] | None:
    """Return the fix for the amount of a resource that stands beside `limits` and `requests` in the map at `path`."""
    if "limits" not in known or key not in RESOURCES or not isinstance(value, str | int):
        return None
    fix = f'write it below limits, or below requests: limits: {{{key}: "{value}"}}'
    return fix, Repair(((*path, key),), (((*path, "limits", key), str(value)),))


RESOURCES = ("cpu", "memory", "ephemeral-storage")
"""What every node has an amount of."""


def fields_below(keywords: Keywords, value: object, path: FieldPath, key: str) -> tuple[dict[str, object], bool]:
    """Return the fields in a level that the schema has not, which the map at `path` has, and whether there are others.

    They may have the names of another API there.
    """
    known = keywords.at(path).get("properties", {})
    absent = [name for name in known if keywords.is_unset(path, name, value)]

    def meant(name: str, item: object) -> str:
        here = name_here(name, item, absent)
        return here if here and keywords.allows(keywords.at((*path, here)), item) else ""

    return known_below(value_at(value, (*path, key)), known, meant)
