"""The types of Kubernetes as JSON Schemas, each written out in full.

Source: the strict schemas of the package kubernetes-validate, made from the OpenAPI document of Kubernetes.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias, cast

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
Schema: TypeAlias = dict[str, JSON]
Definitions: TypeAlias = Mapping[str, Schema]

KUBERNETES = "v1.36.0"
CORE = "io.k8s.api.core.v1"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
CLAIM_TEMPLATE = f"{CORE}.PersistentVolumeClaimTemplate"

KUBERNETES_GROUPS = ("batch", "core")
"""The folders of schemas of Kubernetes' own kinds."""

QUANTITY_PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)


class ComposeError(Exception):
    """A schema that cannot be composed; the message says which and why."""


def kubernetes_definitions() -> Definitions:
    """Every type of Kubernetes by its full name, closed against unknown fields, `null` allowed for optional ones.

    Raises ComposeError when the package kubernetes-validate is missing or has no schemas of this Kubernetes version.
    """
    package = importlib.util.find_spec("kubernetes_validate")
    if package is None or not package.submodule_search_locations:
        raise ComposeError("the package kubernetes-validate is not installed; it is one of the dev dependencies")
    folder = Path(package.submodule_search_locations[0], "kubernetes-json-schema", f"{KUBERNETES}-local-strict")
    try:
        document = json.loads((folder / "_definitions.json").read_bytes())
    except FileNotFoundError:
        raise ComposeError(f"the installed kubernetes-validate has no schemas of Kubernetes {KUBERNETES}") from None
    return cast(Definitions, document["$defs"])


def adjusted(definitions: Definitions, group: str) -> Definitions:
    """The definitions as the API server applies them to objects of `group`: our own, Kubernetes', a custom resource's.

    Of Kubernetes' own only the format of quantities is added, which the API server checks on reading.
    Two types differ between Kubernetes' own schema and the definition that a custom resource makes of them:

    - A quantity is any string or number there. In a custom resource it is an integer or a string of a fixed format.
    - The claim template of an ephemeral volume has full metadata there. In a custom resource nothing is declared
      below `metadata`, and what is undeclared is refused or dropped.

    Our own kinds (`kmodgate.io`) are no custom resources and may become a Pod's volume: they keep the metadata.
    """
    if group in KUBERNETES_GROUPS:
        words = "is no quantity; write one as 500m or 8Gi"
        quantity: Schema = {"type": ["string", "number"], "pattern": QUANTITY_PATTERN, "errorMessage": words}
        return {**definitions, QUANTITY: quantity}
    changes: dict[str, Schema] = {
        QUANTITY: {"anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": QUANTITY_PATTERN}
    }
    if group != "kmodgate.io":
        template = definitions[CLAIM_TEMPLATE]
        closed: Schema = {"type": "object", "additionalProperties": False}
        properties: Schema = {**as_object(template["properties"]), "metadata": closed}
        changes[CLAIM_TEMPLATE] = {**template, "properties": properties}
    return {**definitions, **changes}


class Inliner:
    """Writes definitions out in full, each name once worked out.

    `nulls` keeps `null` as a value of optional fields; without it the caller has to drop nulls before validation.
    """

    def __init__(self, definitions: Definitions, *, nulls: bool) -> None:
        self._definitions = definitions
        self._nulls = nulls
        self._done: dict[str, Schema] = {}

    def definition(self, name: str, trail: tuple[str, ...] = ()) -> Schema:
        """The definition `name` without references and prose. ComposeError if it is unknown or contains itself."""
        if name in trail:
            raise ComposeError(f"{name} contains itself and cannot be written out: {' > '.join((*trail, name))}")
        if name not in self._definitions:
            raise ComposeError(f"Kubernetes {KUBERNETES} has no type {name}")
        if name not in self._done:
            self._done[name] = self._schema(self._definitions[name], (*trail, name))
        return self._done[name]

    def _schema(self, schema: Schema, trail: tuple[str, ...]) -> Schema:
        if "$ref" in schema:
            return self.definition(str(schema["$ref"]).rpartition("/")[2], trail)
        kept = {key: value for key, value in schema.items() if key != "description" and not key.startswith("x-")}
        return {key: self._keyword(key, value, trail) for key, value in kept.items()}

    def _keyword(self, key: str, value: JSON, trail: tuple[str, ...]) -> JSON:
        # By keyword, and not by a walk over all that looks like a schema: PriorityClass has a field `description`.
        match key, value:
            case "properties", dict():
                return {name: self._schema(as_object(schema), trail) for name, schema in value.items()}
            case (("items" | "additionalProperties"), dict()):
                return self._schema(value, trail)
            case (("oneOf" | "anyOf" | "allOf"), list()):
                return [self._schema(as_object(schema), trail) for schema in value]
            case "type", list() if not self._nulls:
                return _without_null(value)
        return value


def _without_null(types: list[JSON]) -> JSON:
    kept = [name for name in types if name != "null"]
    return kept[0] if len(kept) == 1 else kept


def as_object(value: JSON) -> Schema:
    if not isinstance(value, dict):
        raise ComposeError(f"expected a JSON object: {json.dumps(value)[:80]}")
    return value
