"""A configuration of the Configuration Framework Service (CFS) as JSON text, with the DKMS flag of its layers set.

The text stays as its author wrote it but for the flags: spaces, order, numbers, and fields that no release knows.

Source: Cray-HPE/config-framework-service, api/openapi.yaml (V2ConfigurationLayer, V3ConfigurationLayer).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.lazy import lazy_regex

Api = Literal["v2", "v3"]

FLAG_FIELDS: dict[str, tuple[str, str]] = {
    "v2": ("specialParameters", "imsRequireDkms"),
    "v3": ("special_parameters", "ims_require_dkms"),
}
"""Version of the API → the field of a layer with its special parameters, and the DKMS flag among them."""

URL_FIELDS = {"v2": "cloneUrl", "v3": "clone_url"}
"""Version of the API → a field that each of its layers has."""

_OTHER: dict[str, Api] = {"v2": "v3", "v3": "v2"}
_SPACE = lazy_regex(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class UnusableConfigurationError(ValueError):
    """A text that is no configuration of CFS; `fix` says what to do, `layer` names a layer that it is about."""

    def __init__(self, message: str, fix: str, layer: str = "") -> None:
        self.fix = fix
        self.layer = layer
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class _Member:
    """One member of an object in a text: its key, what is between it and the value, and where both begin and end."""

    key: str
    colon: str
    start: int
    value: int
    end: int


def with_flags(text: str, api: Api, layers: Mapping[str, bool]) -> str:
    """Return the text with the flag of some layers set, which it must have.

    :raises UnusableConfigurationError: the text is no JSON, or no configuration of this API, or a layer is not in it
    """
    found = _layers(text, api)
    for layer in layers:
        if not any(name == layer for name, _ in found):
            names = ", ".join(name for name, _ in found if name) or "none has a name"
            raise UnusableConfigurationError(f"has no layer {layer!r}", f"layers of the file: {names}", layer)
    for name, start in reversed(found):  # from the end on, so that the places before it hold
        if name in layers:
            text = _with_flag(text, start, api, name, is_needed=layers[name])
    return text


def fields_of_service(text: str) -> list[str]:
    """Return the fields of a configuration that CFS sets itself, and that an update must not have."""
    return [key for key in ("name", "lastUpdated", "last_updated") if key in json.loads(text)]


def _layers(text: str, api: Api) -> list[tuple[str, int]]:
    """Return name and place of every layer."""
    value = _parsed(text)
    if isinstance(value, list) or (isinstance(value, dict) and "configurations" in value):
        raise UnusableConfigurationError("holds several configurations", "put the one that is meant into a file")
    if not isinstance(value, dict) or not isinstance(value.get("layers"), list):
        fix = "export it with: cray cfs configurations describe NAME --format json"
        raise UnusableConfigurationError("is no configuration of CFS: it has no list layers", fix)
    for number, layer in enumerate(value["layers"]):
        _check_layer(layer, number, api)
    start = _space(text, 0)
    place = next(member for member in reversed(list(_members(text, start))) if member.key == "layers").value
    return [(_name(layer), at) for layer, at in zip(value["layers"], _items(text, place), strict=True)]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if text.lstrip().startswith("<"):
            fix = "the gateway has answered with a page, perhaps for want of a token; export the configuration again"
            raise UnusableConfigurationError("is a page of HTML, and no JSON", fix) from None
        raise UnusableConfigurationError(
            f"is no JSON: line {error.lineno}, column {error.colno}: {error.msg}", "correct it, or export it again"
        ) from None
    except RecursionError:
        raise UnusableConfigurationError("is nested too deep", "export the configuration again") from None


def _check_layer(layer: object, number: int, api: Api) -> None:
    if not isinstance(layer, dict):
        raise UnusableConfigurationError(f"layers[{number}] is no object", "correct it, or export it again")
    other = _OTHER[api]
    for field in (FLAG_FIELDS[other][0], URL_FIELDS[other]):
        if field in layer:
            message = f"layers[{number}] has {field}, a field of CFS {other}"
            raise UnusableConfigurationError(message, f"set api: {other}, or export the file with {api}")
    special = layer.get(FLAG_FIELDS[api][0])
    if special is not None and not isinstance(special, dict):
        raise UnusableConfigurationError(f"layers[{number}].{FLAG_FIELDS[api][0]} is no object", "correct it")


def _name(layer: Mapping[str, Any]) -> str:
    name = layer.get("name")
    return name if isinstance(name, str) else ""


def _with_flag(text: str, start: int, api: Api, name: str, *, is_needed: bool) -> str:
    """Return the text with the flag of the layer that begins at a place."""
    outer, inner = FLAG_FIELDS[api]
    flag = "true" if is_needed else "false"
    special = _member(text, start, outer)
    if special is None:
        return _inserted(text, start, outer, inner, flag)
    if not text.startswith("{", special.value):  # null
        return f'{text[: special.value]}{{"{inner}": {flag}}}{text[special.end :]}'
    if (old := _member(text, special.value, inner)) is not None:
        return f"{text[: old.value]}{flag}{text[old.end :]}"
    return _inserted(text, special.value, inner, "", flag)


def _inserted(text: str, start: int, key: str, inner: str, flag: str) -> str:
    """Return the text with one more member at the end of an object, laid out as the others; `inner` is a key in it."""
    members = list(_members(text, start))
    colon = members[0].colon if members else ": "
    value = f'{{"{inner}"{colon}{flag}}}' if inner else flag
    if not members:
        return f'{text[: start + 1]}"{key}"{colon}{value}{text[_space(text, start + 1) :]}'
    before = text[start + 1 : members[0].start]
    if inner and "\n" in before:
        closing = text[members[-1].end : _space(text, members[-1].end)]
        step = before.removeprefix(closing) if before.startswith(closing) else "  "
        value = f'{{{before}{step}"{inner}"{colon}{flag}{before}}}'
    alone = before or " " * colon.endswith(" ")
    gap = alone if len(members) == 1 else text[_space(text, members[-2].end) + 1 : members[-1].start]
    return f'{text[: members[-1].end]},{gap}"{key}"{colon}{value}{text[members[-1].end :]}'


def _member(text: str, start: int, key: str) -> _Member | None:
    """Return the member of an object that counts, which is the last one of its key."""
    return next((member for member in reversed(list(_members(text, start))) if member.key == key), None)


def _members(text: str, start: int) -> Iterator[_Member]:
    """Yield the members of an object that begins at a place of a text of JSON."""
    place = _space(text, start + 1)
    while text[place] != "}":
        key, end = _DECODER.raw_decode(text, place)
        value = _space(text, _space(text, end) + 1)
        _, after = _DECODER.raw_decode(text, value)
        yield _Member(key, text[end:value], place, value, after)
        place = _next(text, after)


def _items(text: str, start: int) -> Iterator[int]:
    """Yield where the items of a list begin."""
    place = _space(text, start + 1)
    while text[place] != "]":
        yield place
        place = _next(text, _DECODER.raw_decode(text, place)[1])


def _next(text: str, after: int) -> int:
    place = _space(text, after)
    return _space(text, place + 1) if text[place] == "," else place


def _space(text: str, start: int) -> int:
    """Return the place of the first character that is no space."""
    found = _SPACE.match(text, start)
    return found.end() if found else start
