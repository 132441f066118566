"""Values written in the shape of another API or of another reader → the shape that a schema asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from kmodgate.policy.formats.yaml_scalars import as_kubectl, quoted, resolve
from kmodgate.policy.json_schema.keywords import Keywords, Node
from kmodgate.policy.json_schema.short_forms import short_form, with_empty_image
from kmodgate.policy.lazy import lazy_regex

NOTHING = object()
"""No value fits."""

_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "y"), True),
    **dict.fromkeys(("false", "no", "off", "n"), False),
}
_PLAIN = lazy_regex(r"[A-Za-z0-9_./$][A-Za-z0-9_./@$=+-]*")
_PAIR = lazy_regex(r"([^=\s]+)=(.*)", re.DOTALL)
_NAME = lazy_regex(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NAMES_WITH_COMMAS = lazy_regex(r"[\w-]+(?:\s*,\s*[\w-]+)+")
_QUOTES = lazy_regex(r"[\"'`]|\$\(")
_NAME_AND_VALUE = {"name", "value"}
_LONGEST = 400


def converted(keywords: Keywords, node: Node, value: object) -> object:
    """Return what the author of a value meant, in the shape that a node of a schema asks for; NOTHING where unsure.

    What is returned is valid against the node, and says all that the value says.
    """
    types = node.get("type", "")
    for kind in types if isinstance(types, list) else [types]:
        for candidate in _CANDIDATES.get(kind, _none)(keywords, node, value):
            if keywords.allows(node, candidate):
                return candidate
    return NOTHING


def _none(_keywords: Keywords, _node: Node, _value: object) -> list[object]:
    return []


def _text(_keywords: Keywords, _node: Node, value: object) -> list[object]:
    """`{name: x}`, which is how Kubernetes refers to an object, or the one item of a list."""
    item = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(item, dict) and set(item) == {"name"}:
        return [item["name"]]
    return [item] if item is not value else []


def as_parameter(value: object) -> object:
    """`{debug: 1}` or `{name: debug, value: 1}` as the parameter `debug=1` of a kernel module; NOTHING for others."""
    pairs = value if isinstance(value, dict) else {}
    if set(pairs) == _NAME_AND_VALUE:
        pairs = {pairs["name"]: pairs["value"]}
    only = [
        f"{key}={item}" for key, item in pairs.items() if isinstance(item, str | int) and not isinstance(item, bool)
    ]
    return only[0] if len(pairs) == len(only) == 1 else NOTHING


def _boolean(_keywords: Keywords, _node: Node, value: object) -> list[object]:
    found = _BOOLEANS.get(value.lower()) if isinstance(value, str) else None
    return [] if found is None else [found]


def _number(_keywords: Keywords, _node: Node, value: object) -> list[object]:
    number = as_kubectl(value) if isinstance(value, str) else value
    return [int(number)] if isinstance(number, float) and number.is_integer() else [number]


def _list(keywords: Keywords, node: Node, value: object) -> list[object]:
    """One item without its dash; words as items; a map of names where each item has a name; `{a: b}` for `a=b`."""
    items = keywords.resolved(node.get("items"))
    properties = items.get("properties", {})
    single = value if keywords.allows(items, value) else converted(keywords, items, value)
    found: list[object] = [_words(value)] if isinstance(value, str) and items.get("type") == "string" else []
    words = value.split() if isinstance(value, str) and properties.keys() >= _NAME_AND_VALUE else []
    if words[1:] and all(_PAIR.fullmatch(word) for word in words):
        found.append([converted(keywords, items, word) for word in words])
    found += [] if single is NOTHING else [[single]]
    if isinstance(value, dict):
        short = [short_form(properties, f"{key}:{item}") for key, item in value.items()]
        found += [short] if all(short) else []
        pairs = [(key, item if isinstance(item, dict) else {"value": item}) for key, item in value.items()]
        found.append([{"name": key, **item} for key, item in pairs])
        if value and all(isinstance(item, str | int) and not isinstance(item, bool) for item in value.values()):
            found.append([f"{key}={item}" for key, item in value.items()])
    return found


def _words(text: str) -> list[str]:
    """The words of a text that was meant as several items, or the text as one: where it has quotes nobody can tell."""
    words = text.split(",") if _NAMES_WITH_COMMAS.fullmatch(text) else [] if _QUOTES.search(text) else text.split()
    return [word.strip() for word in words] if len(words) > 1 else [text]


def _map(keywords: Keywords, node: Node, value: object) -> list[object]:
    entries = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    only = value[0] if isinstance(value, list) and len(value) == 1 else value
    properties, required = node.get("properties", {}), node.get("required")
    filled = with_empty_image(required, only)
    found: list[object] = [_of_pairs(entries), _merged(entries), *([filled] if filled is not only else ())]
    if isinstance(only, str) and (short := short_form(properties, only.strip())):
        found.insert(0, with_empty_image(required, short))
    if isinstance(value, str) and (cut := value.partition(":"))[0] in properties:
        found.append({cut[0]: cut[2]})  # no space after the colon
    if isinstance(value, str) and properties.keys() >= _NAME_AND_VALUE and (pair := _PAIR.fullmatch(value)):
        found.append({"name": pair[1], "value": pair[2]})
    named = [
        {name: item}
        for name, child in (properties.items() if only != [] else ())  # an empty list is none of the fields
        if (item := _fitting(keywords, keywords.resolved(child), only)) is not NOTHING
        and keywords.allows(node, {name: item})
        and not (name == "name" and isinstance(item, str) and not _NAME.fullmatch(item))
    ]
    exact = [item for item in named if only in item.values()] or named
    found += [only] if isinstance(only, dict) and only is not value else []
    return [item for item in (*found, *(exact if len(exact) == 1 else ())) if item]


def _fitting(keywords: Keywords, node: Node, value: object) -> object:
    if keywords.allows(node, value):
        return value
    return converted(keywords, node, value) if node.get("type") == "array" else NOTHING


def _of_pairs(items: list[Any]) -> dict[str, object]:
    """`[{name: a, value: b}]` or `[a=b]` as `{a: b}`; empty for any other list, or for a name that stands twice."""
    found: dict[str, object] = {}
    for item in items:
        if isinstance(item, dict) and set(item) == _NAME_AND_VALUE and isinstance(item["name"], str):
            key, value = item["name"], item["value"]
        elif isinstance(item, str) and (pair := _PAIR.fullmatch(item)):
            key, value = pair[1], pair[2]
        else:
            return {}
        if key in found:
            return {}
        found[key] = value
    return found


def _merged(items: list[Any]) -> dict[str, object]:
    """`[{a: b}, {c: d}]` as `{a: b, c: d}`; empty for any other list."""
    pairs = [pair for item in items if isinstance(item, dict) and len(item) == 1 for pair in item.items()]
    return dict(pairs) if len(items) == len(pairs) == len(dict(pairs)) > 1 else {}


def of_requirements(items: list[Any]) -> dict[str, object]:
    """`matchExpressions` as labels; empty where one of them is more than one label that must have one value."""
    found: dict[str, object] = {}
    for item in items:
        values = item.get("values") if isinstance(item, dict) and item.get("operator") == "In" else None
        if not (isinstance(values, list) and len(values) == 1 and isinstance(item.get("key"), str)):
            return {}
        found[item["key"]] = values[0]
    return found


def known_below(
    value: object, known: Mapping[str, object], meant: Callable[[str, object], str]
) -> tuple[dict[str, object], bool]:
    """Return the fields of a map and of maps in it that the schema knows, and whether there are others.

    `meant` returns the field that one of another name means, or nothing.
    """
    found: dict[str, object] = {}
    has_rest = False
    for key, item in value.items() if isinstance(value, dict) else ():
        if key in known:
            found[key] = item
        elif name := meant(key, item):
            found[name] = item
        else:
            inner, rest = known_below(item, known, meant)
            found |= inner
            has_rest |= rest or not inner
    return found, has_rest


_CANDIDATES = {
    "string": _text,
    "boolean": _boolean,
    "integer": _number,
    "number": _number,
    "array": _list,
    "object": _map,
}


def flow(value: object) -> str:
    """A value as YAML on one line, to be pasted into a spec; a long one is cut."""
    text = _flow(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(str(key))}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and resolve(value) == value:
            return value
        return f"'{value}'" if "\\" in value and "'" not in value and value.isprintable() else quoted(value)
    return json.dumps(value)
