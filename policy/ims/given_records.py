"""What `cray … --format json` prints, and bare values of ims-config, as objects that rules can look at.

The lists are those of Cray-HPE/ims (api/openapi.yaml: RecipeRecord, RemoteBuildNodeRecord) and of
Cray-HPE/config-framework-service (api/openapi.yaml: V2Configuration, V3ConfigurationData); the values are what
`kubectl get configmap ims-config -o jsonpath={.data}` prints. A list becomes one object, whose fields are its records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kmodgate.policy.findings import Problem
from kmodgate.policy.formats.object_files import Wrapped
from kmodgate.policy.ims.settings import CONFIG_MAP, KNOWN_KEYS
from kmodgate.policy.lazy import lazy_regex

RECIPES = "ims/RecipeList"
"""The kind of a list of recipes to rules; the records are in the field `recipes`."""

REMOTE_NODES = "ims/RemoteBuildNodeList"
"""The records are in the field `nodes`."""

CONFIGURATIONS = "cfs/ConfigurationList"
"""The kind of a list of CFS configurations to rules; the records are in the field `configurations`."""

_CONTENTS = {
    RECIPES: ("recipes", "recipe"),
    REMOTE_NODES: ("nodes", "remote build node"),
    CONFIGURATIONS: ("configurations", "configuration"),
}
"""Of each kind the field with the records, and what one of them is."""

SERVICES = "services"
"""The namespace of the service and its ConfigMaps."""

_VARIABLE = lazy_regex("[A-Za-z_][A-Za-z0-9_]*")

_OTHER_LISTS = (
    ({"job_type"}, "jobs of IMS: `kmodgate ims preflight` takes them"),
    ({"public_key"}, "public keys of IMS"),
    ({"session", "target"}, "sessions of CFS"),
    ({"desired_config"}, "components of CFS"),
    ({"desiredConfig"}, "components of CFS"),
    ({"boot_sets"}, "session templates of BOS"),
    ({"link", "created", "id"}, "images of IMS"),
)
"""Fields by which the records of other lists are known, and what these are."""

_WANTED = "give what `cray ims recipes list --format json` or `cray cfs configurations list --format json` prints"


def content(value: Mapping[str, Any]) -> str:
    """Return in words what an object is, or the list that it was made of."""
    if kind_of(value) in _CONTENTS:
        field, one = _CONTENTS[kind_of(value)]
        count = len(value[field])
        return f"a list of {count} {one}{'' if count == 1 else 's'}" if count else "an empty list"
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{value.get('kind')} {name or 'without a name'}"


def is_record(value: Mapping[str, Any]) -> bool:
    """Whether an object was made of a list that `cray` prints."""
    return kind_of(value) in _CONTENTS


def kind_of(value: Mapping[str, Any]) -> str:
    """The group and kind of an object, which tell lists that `cray` prints from others."""
    return f"{str(value.get('apiVersion')).partition('/')[0]}/{value.get('kind')}"


def wrapped(value: Any) -> Wrapped | Problem | None:
    """Return the object that is made of a value, or what is wrong with it; None for a value that is nobody's."""
    if isinstance(value, list):
        return _list(value) if value else Wrapped(_object(RECIPES, recipes=[]), ("recipes",))
    if not isinstance(value, dict):
        return None
    if isinstance(items := value.get("configurations"), list):
        return Wrapped(_object(CONFIGURATIONS, configurations=items), ())
    if isinstance(value.get("results"), list):
        return Problem(("results",), "holds its records under `results`", "give the list alone: jq .results")
    return _record(value) or _config(value)


def _list(items: list[Any]) -> Wrapped | Problem | None:
    records = [item for item in items if isinstance(item, dict)]
    for kind, field, is_one in _LISTS:
        if any(is_one(item) for item in records):
            return Wrapped(_object(kind, **{field: items}), (field,))
    return next((problem for item in records[:1] if (problem := _other_list(item))), None)


def _record(value: Mapping[str, Any]) -> Wrapped | Problem | None:
    for kind, field, is_one in _LISTS:
        if is_one(value):
            return Wrapped(_object(kind, **{field: [value]}), (field, 0))
    if isinstance(value.get("title"), str) and isinstance(value.get("status"), int):
        message = f"is the answer of a service that refused: {value['status']} {value['title']}"
        return Problem((), message, "look at the command that wrote it")
    return _other_list(value)


def _other_list(record: Mapping[str, Any]) -> Problem | None:
    for fields, name in _OTHER_LISTS:
        if fields <= record.keys() and "kind" not in record:
            return Problem((), f"holds {name}", _WANTED)
    return None


def _is_recipe(record: Mapping[str, Any]) -> bool:
    return "recipe_type" in record and "kind" not in record


def _is_configuration(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("layers"), list) and "kind" not in record


def _is_remote_node(record: Mapping[str, Any]) -> bool:
    return "xname" in record and not record.keys() - _OF_REMOTE_NODES


_OF_REMOTE_NODES = {"xname", "sshStatus", "podmanStatus", "nodeArch", "numCurrentJobs", "ableToRunJobs"}

_LISTS = (
    (RECIPES, "recipes", _is_recipe),
    (CONFIGURATIONS, "configurations", _is_configuration),
    (REMOTE_NODES, "nodes", _is_remote_node),
)


def _config(value: Mapping[str, Any]) -> Wrapped | None:
    """Return ims-config of its bare values, or of what stands under `data` alone."""
    inner = value.get("data")
    below: tuple[str, ...] = () if isinstance(inner, dict) and value.keys() <= {"data", "metadata"} else ("data",)
    data: Any = value if below else inner
    names = all(isinstance(key, str) and _VARIABLE.fullmatch(key) for key in data)
    if not (names and any(key in KNOWN_KEYS for key in data)):
        return None
    metadata = {"name": CONFIG_MAP, "namespace": SERVICES}
    return Wrapped({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}, below)


def _object(kind: str, **fields: Any) -> dict[str, Any]:
    group, _, name = kind.partition("/")
    return {"apiVersion": f"{group}/v3", "kind": name, **fields}
