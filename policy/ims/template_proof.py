"""Job templates, filled in for every state of a job, loaded as IMS loads them and held against Kubernetes' schemas.

Sources: create_kubernetes_resources in src/server/v3/resources/jobs.py of Cray-HPE/ims, which loads one document with
PyYAML's safe loader and reads its metadata.name; create_from_yaml of the Kubernetes client for Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from itertools import islice
from typing import NamedTuple, cast

import yaml

from kmodgate.policy.findings import FieldPath, Mode, format_path
from kmodgate.policy.formats.yaml_documents import OBJECTS, Document, parse
from kmodgate.policy.ims.template_text import STATES, State, dummy_values, filled
from kmodgate.policy.ims.templates import KINDS, Resource
from kmodgate.policy.json_schema.schema import MAX_VIOLATIONS, Schema

SchemaOf = Callable[[Mapping[str, object]], Schema | None]
"""An object → the compiled schema of its kind; None where there is none."""

LONGEST = 256 << 10
"""Characters of a template that is still filled in; the longest known has some 14,000."""

_API_VERSIONS = {"Job": "batch/v1"}
_HPES_OWN = (("labelSelector", "namespaces"), ("spec", "affinity"))
"""How the paths of fields end that no kind has and HPE's own templates hold: 3.20.0 to 3.33.0, and 3.19.0."""

Value = dict[str, object]


class Flaw(NamedTuple):
    """Something that is wrong with a filled-in template; `line` counts from 1 in its text.

    A hint is about a field that Kubernetes drops in silence and that IMS works without.
    """

    line: int
    message: str
    fix: str
    is_hint: bool = False


class Filled:
    """A template for one kind of object, filled in and loaded for every state.

    `values` are the objects by state, without the states in which nothing can be loaded.
    """

    def __init__(self, resource: Resource, text: str) -> None:
        self.resource = resource
        self.values: dict[State, Value] = {}
        self._documents: list[Document] = []
        self._is_unusable = False
        self._flaws: dict[Flaw, list[State]] = {}
        loaded: dict[str, Value | Flaw | None] = {}
        for state in STATES if len(text) <= LONGEST else ():
            result = filled(text, dummy_values(state))
            if result not in loaded:
                loaded[result] = self._load(result, is_first=not loaded)
            found = loaded[result]
            if isinstance(found, Flaw):
                self._flaws.setdefault(found, []).append(state)
            elif found is not None:
                self.values[state] = found
        if len(text) > LONGEST:
            message = f"the template is longer than {LONGEST >> 10} KiB and is not checked"
            self._flaws[Flaw(1, message, "shorten it", is_hint=True)] = STATES

    def line(self, path: FieldPath) -> int:
        """Return the line of a field, or that of the closest one around it that is there."""
        return self._documents[0].position(path)[0] if self._documents else 1

    def flaws(self, schema_of: SchemaOf) -> list[Flaw]:
        """Return everything that is wrong with the objects, with the states where that is not so in all of them."""
        found = {flaw: list(states) for flaw, states in self._flaws.items()}
        judged: list[tuple[Value, list[Flaw]]] = []
        for state, value in self.values.items():
            flaws = next((flaws for other, flaws in judged if other is value), None)
            if flaws is None:
                flaws = list(self._of_object(value, schema_of))
                judged.append((value, flaws))
            for flaw in flaws:
                found.setdefault(flaw, []).append(state)
        return sorted(flaw._replace(message=flaw.message + where(states)) for flaw, states in found.items())

    def _load(self, text: str, *, is_first: bool) -> Value | Flaw | None:
        """Return the object, or the flaw that stands in its way; nothing where no state can be loaded.

        What makes a text dangerous to load, and how many documents it has, is the same in every state.
        """
        if is_first:
            for flaw in self._looked_at(text):
                self._flaws[flaw] = STATES
                self._is_unusable = True
        if self._is_unusable:
            return None
        try:
            return as_json(yaml.load(text, Loader=yaml.CSafeLoader))
        except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as error:
            mark = getattr(error, "problem_mark", None)
            reason = getattr(error, "problem", None) or error
            return Flaw(mark.line + 1 if mark else 1, f"IMS cannot load it: {reason}", "correct the value")

    def _looked_at(self, text: str) -> Iterator[Flaw]:
        self._documents, problems = parse(text, "", OBJECTS)
        stopping = [item for item in problems if item.mode is Mode.ENFORCE]
        for item in stopping:
            is_alias = item.rule == "SCH004"
            message = "anchors, aliases and tags are not checked" if is_alias else f"no YAML: {item.message}"
            yield Flaw(item.line or 1, message, item.fix, is_alias)
        if not stopping and len(self._documents) != 1:
            message = f"IMS reads one document, and here are {len(self._documents)}"
            yield Flaw(1, message, "keep the one of its kind")

    def _of_object(self, value: Value, schema_of: SchemaOf) -> Iterator[Flaw]:
        kind = KINDS[self.resource]
        wanted = _API_VERSIONS.get(kind, "v1")
        if value.get("kind") != kind or value.get("apiVersion") != wanted:
            yield Flaw(self.line(("kind",)), f"IMS makes a {kind} of this template, of {wanted}", f"write kind: {kind}")
            return
        metadata = value.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        if not isinstance(name, str) or not name:
            yield Flaw(self.line(("metadata", "name")), "IMS needs metadata.name, a string", "write it as IMS's own")
        schema = schema_of(value)
        if schema is None or schema.is_valid(value):
            return
        for item in islice(schema.violations(value), MAX_VIOLATIONS):
            is_own = any(item.path[-len(end) :] == end for end in _HPES_OWN)
            hint = item.rule == "SCH101" and is_own
            message = f"{format_path(item.path)}: {item.message}"
            yield Flaw(self.line(item.path), message, item.fix, hint)


def where(states: Iterable[State]) -> str:
    """Return in which jobs something is so, as the end of a sentence; empty where in all."""
    found = set(states)
    for text, holds in _GROUPS.items():
        if found == {state for state in STATES if holds(state)}:
            return text
    return "" if len(found) == len(STATES) else " (in some jobs)"


_GROUPS: Mapping[str, Callable[[State], bool]] = {
    " (in jobs with DKMS)": lambda state: state.dkms,
    " (in jobs without DKMS)": lambda state: not state.dkms,
    " (in remote jobs)": lambda state: state.remote,
    " (in jobs that are not remote)": lambda state: not state.remote,
    " (in jobs for aarch64)": lambda state: state.arch == "aarch64",
    " (in jobs for x86_64)": lambda state: state.arch == "x86_64",
    " (in jobs that run in a VM)": lambda state: bool(state.runtime_class),
    " (in jobs outside a VM)": lambda state: not state.runtime_class,
}


def as_json(value: object) -> Value:
    """Return a loaded document as IMS sends it: without nulls, with days as text. Raises ValueError for no map."""
    if not isinstance(value, dict):
        raise ValueError("a map is expected")
    return cast(Value, _plain(value))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {_key(key): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError(f"JSON cannot hold a {type(value).__name__}")


def _key(key: object) -> str:
    if isinstance(key, str | bool | int | float):
        return str(key)
    raise ValueError(f"{key!r} is no name of a field")
