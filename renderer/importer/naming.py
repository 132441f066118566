"""Names for kernel mappings, which Modules do not have: short, unique, and the same on every cluster."""

from __future__ import annotations

import re
from collections import Counter

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.fleet.specs import JsonMap

_DISTRIBUTION = lazy_regex(
    r"""(?<![a-z0-9])(el|fc|amzn|oe|azl|cbl|uek)\\?[._-]?(\d+)(?:(?:\\?[._])(\d+))?(?![0-9])""", re.VERBOSE
)
_FLAVOUR = lazy_regex(r"(?<![a-z])(generic|azure|aws|gcp|gke|oracle|lowlatency|default|rt|64k|realtime)(?![a-z])")
_VERSION = lazy_regex(r"(?<!\d)(\d++)\\?\.(\d+)")
_ARCHITECTURE = lazy_regex(r"(x86_64|aarch64|ppc64le|s390x)")

Key = tuple[str, str, int]
"""What is the same mapping on two clusters: its kind, its text, and the how many-th of these it is."""


def name_mappings(specs: list[JsonMap]) -> list[JsonMap]:
    """The specs of one driver on its clusters, with a name for each kernel mapping.

    A mapping that stands where another cluster has another text takes that one's name, so that an override can change
    it in place.
    """
    named: list[JsonMap] = []
    first: list[Key] = []
    names: dict[Key, str] = {}
    for spec in specs:
        mappings = spec.get("kernelMappings")
        if not isinstance(mappings, list):
            named.append(spec)
            continue
        keys = _keys(mappings)
        texts = _names(keys, first, names)
        first = first or keys
        named.append({**spec, "kernelMappings": [_with_name(*pair) for pair in zip(texts, mappings, strict=True)]})
    return named


def _with_name(name: str, mapping: Json) -> Json:
    return {"name": name, **mapping} if isinstance(mapping, dict) else mapping


def _keys(mappings: list[Json]) -> list[Key]:
    seen: Counter[tuple[str, str]] = Counter()
    result: list[Key] = []
    for mapping in mappings:
        kind = "literal" if isinstance(mapping, dict) and "literal" in mapping else "regexp"
        text = str(mapping.get(kind, "")) if isinstance(mapping, dict) else ""
        seen[kind, text] += 1
        result.append((kind, text, seen[kind, text]))
    return result


def _names(keys: list[Key], first: list[Key], names: dict[Key, str]) -> list[str]:
    """The names of one list; what is new in it goes to `names`."""
    result: list[str] = []
    in_place = len(keys) == len(first)
    for index, key in enumerate(keys):
        if key not in names:
            replaces = in_place and first[index] not in keys
            names[key] = names[first[index]] if replaces else _unique(key, set(names.values()))
        name = names[key]
        result.append(_unique(key, {*names.values(), *result}) if name in result else name)
    return result


def _unique(key: Key, taken: set[str]) -> str:
    """A name that is not taken: what tells the mapping from others of its distribution is added, or a number."""
    stem, text = _stem(key), key[1]
    more = [match[1] for pattern in (_FLAVOUR, _ARCHITECTURE) if (match := pattern.search(text))]
    names = [stem, *(f"{stem}-{word}" for word in more), *(f"{stem}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def _stem(key: Key) -> str:
    """`el9_4` for 5.14.0-427.el9_4.x86_64, `6.8-generic` for 6.8.0-40-generic, `any` for .*, else `kernel`."""
    kind, text, _ = key
    if kind == "literal":
        return text if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,62}", text) else "kernel"
    if re.fullmatch(r"\^?\(?\.[*+]\)?\$?", text):
        return "any"
    if match := _DISTRIBUTION.search(text):
        return "".join((match[1], match[2], f"_{match[3]}" if match[3] else ""))
    version, flavour = _VERSION.search(text), _FLAVOUR.search(text)
    parts = [f"{version[1]}.{version[2]}"] if version else []
    parts += [flavour[1]] if flavour else []
    if not parts and (match := _ARCHITECTURE.search(text)):
        parts.append(match[1])
    return "-".join(parts) or "kernel"
