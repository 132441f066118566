"""Values on one line, as other tools take them, where a map belongs: `devs:/dev/acme`, `key=value:NoSchedule`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kmodgate.policy.lazy import lazy_regex

_Fields = dict[str, object]

_MOUNT = lazy_regex(r"([a-z0-9][a-z0-9-]*):(/[^:]*)(?::(ro|rw))?")
_TAINT = lazy_regex(r"([A-Za-z0-9][\w./-]*)(?:=([\w.-]*))?(?::(NoSchedule|PreferNoSchedule|NoExecute))?")
_KERNEL = lazy_regex(r"\^?\d+\\?\.\S*")
_OPERATOR = lazy_regex(r"[\^$*(\[|\\]")
_MODULE = lazy_regex(r"[A-Za-z0-9_-]+")
_ALL = ("*", "all", "any", ".*")
_VARIABLE = lazy_regex(r"([A-Za-z_]\w*): (.*)")


def short_form(properties: Mapping[str, object], text: str) -> _Fields:
    """Return the fields that a text means in a map with some properties; nothing where it is no short form of it."""
    name, *rest = text.split(None, 1) or [""]
    if name in properties and rest:
        return {name: rest[0]}  # no colon behind the name
    return next((read(text) for fields, read in _FORMS if properties.keys() >= fields), {})


def _mount(text: str) -> _Fields:
    match = _MOUNT.fullmatch(text)
    if match is None:
        return {}
    return {"name": match[1], "mountPath": match[2], **({"readOnly": True} if match[3] == "ro" else {})}


def _volume(text: str) -> _Fields:
    match = _MOUNT.fullmatch(text)
    return {"name": match[1], "hostPath": {"path": match[2]}} if match and not match[3] else {}


def _toleration(text: str) -> _Fields:
    """A taint as `kubectl taint` takes it; without a value any value is tolerated."""
    match = _TAINT.fullmatch(text)
    if match is None:
        return {}
    value = {"operator": "Exists"} if match[2] is None else {"operator": "Equal", "value": match[2]}
    return {"key": match[1], **value, **({"effect": match[3]} if match[3] else {})}


def _mapping(text: str) -> _Fields:
    return {"regexp" if _OPERATOR.search(text) else "literal": text} if _KERNEL.fullmatch(text) else {}


def _modprobe(text: str) -> _Fields:
    """The name of a module, with or without parameters behind it."""
    name, *parameters = text.split() or [""]
    if not _MODULE.fullmatch(name) or not all("=" in item for item in parameters):
        return {}
    return {"moduleName": name, **({"parameters": parameters} if parameters else {})}


def _clusters(text: str) -> _Fields:
    return {"matchLabels": {}} if text.lower() in _ALL else {}


def _variable(text: str) -> _Fields:
    match = _VARIABLE.fullmatch(text)
    return {"name": match[1], "value": match[2]} if match else {}


_FORMS: tuple[tuple[set[str], Callable[[str], _Fields]], ...] = (
    ({"name", "mountPath"}, _mount),
    ({"name", "hostPath"}, _volume),
    ({"key", "operator", "effect"}, _toleration),
    ({"regexp", "literal"}, _mapping),
    ({"moduleName", "modulesLoadingOrder"}, _modprobe),
    ({"name", "value"}, _variable),
    ({"names", "matchLabels"}, _clusters),
)
"""Fields that a map may have → what reads a text as such a map."""


def with_empty_image(required: object, value: object) -> object:
    """Return a kernel mapping with an empty image where the schema asks for one, and any other value as it is."""
    needs = isinstance(required, list | tuple) and "containerImage" in required
    if needs and isinstance(value, dict) and value and value.keys() <= {"regexp", "literal"}:
        return {**value, "containerImage": ""}
    return value
