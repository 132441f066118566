"""The defaults of KMM's Module, applied as the API server applies them before anything else looks at an object.

Source: the CustomResourceDefinition modules.kmm.sigs.x-k8s.io, and k8s.io/apiextensions-apiserver
pkg/apiserver/schema/defaulting (algorithm.go, prunenulls.go) and pkg/apiserver/schema/objectmeta/coerce.go.
"""

import re
from collections.abc import Iterator
from dataclasses import field
from functools import cache
from typing import Any, TypeAlias

import jsonschema_rs

from kmodgate.policy.data_class import dataclass

Scalar: TypeAlias = str | bool

DEFAULTS: dict[str, Scalar] = {
    "imageRepoSecret.name": "",
    "moduleLoader.container.modprobe.dirName": "/opt",
    "moduleLoader.container{,.kernelMappings[]}.build.{dockerfileConfigMap,secrets[]}.name": "",
    "moduleLoader.container{,.kernelMappings[]}.sign.{keySecret,certSecret}.name": "",
    "{devicePlugin,dra}.{container,initContainer}.env[].valueFrom.{configMapKeyRef,secretKeyRef}.name": "",
    "{devicePlugin,dra}.{container,initContainer}.env[].valueFrom.fileKeyRef.optional": False,
    "{devicePlugin,dra}.volumes[].{cephfs,cinder,flexVolume,iscsi,rbd,scaleIO,storageos}.secretRef.name": "",
    "{devicePlugin,dra}.volumes[].csi.nodePublishSecretRef.name": "",
    "{devicePlugin,dra}.volumes[].configMap.name": "",
    "{devicePlugin,dra}.volumes[].projected.sources[].{configMap,secret}.name": "",
    "{devicePlugin,dra}.volumes[].azureDisk.fsType": "ext4",
    "{devicePlugin,dra}.volumes[].azureDisk.readOnly": False,
    "{devicePlugin,dra}.volumes[].iscsi.iscsiInterface": "default",
    "{devicePlugin,dra}.volumes[].rbd.keyring": "/etc/ceph/keyring",
    "{devicePlugin,dra}.volumes[].rbd.pool": "rbd",
    "{devicePlugin,dra}.volumes[].rbd.user": "admin",
    "{devicePlugin,dra}.volumes[].scaleIO.fsType": "xfs",
    "{devicePlugin,dra}.volumes[].scaleIO.storageMode": "ThinProvisioned",
}
"""Field of a Module's spec → its default. `{a,b}` stands for either, `[]` for every item of a list."""


def default_paths() -> dict[str, Scalar]:
    """DEFAULTS with every alternative written out, below `spec`: `spec.dra.volumes[].rbd.pool` → `rbd`."""
    return {f"spec.{path}": value for pattern, value in DEFAULTS.items() for path in alternatives(pattern)}


def defaulted(module: dict[str, object]) -> dict[str, object]:
    """The Module or ManagedClusterModule (plain JSON data) as the API server would store it: no nulls, all defaults.

    A field that is null counts as absent, a null label, annotation or value of a ConfigMap as the empty string. A null
    in a list stays for the schema to refuse, and so does whatever else has the wrong type. Below an opaque `parameters`
    nothing changes.
    (An unknown field that is null is dropped too, and so never reported.)

    The argument is not changed. An object that needs nothing, which is what a webhook is sent, is returned itself.
    """
    root = _ROOTS.get(str(module.get("kind")), _MODULE)
    return module if _is_normal(module, _normal_form(root)) else _normal_copy(module, root)


# -- DEFAULTS as a tree ---------------------------------------------------------------------------


@dataclass(eq=False, slots=True)
class _Node:
    """What to do with one value: with an object by field (defaults, children), with a list by item."""

    defaults: dict[str, Scalar] = field(default_factory=dict)
    children: dict[str, "_Node"] = field(default_factory=dict)
    items: "_Node | None" = None

    def at(self, path: str) -> "_Node":
        """The node at a path such as `volumes[].rbd`, made if missing."""
        node = self
        for step in path.split("."):
            node = node.children.setdefault(step.removesuffix("[]"), _Node())
            if step.endswith("[]"):
                node.items = node.items or _Node()
                node = node.items
        return node


_ANY = _Node()  # no defaults here or below
_OPAQUE = _Node()  # not looked into: nulls mean something there, or nobody reads it
_STRINGS = _Node()  # Go reads it into a map of strings, in which a null is the empty string


def alternatives(pattern: str) -> Iterator[str]:
    """A path with each choice of its `{a,b}`."""
    match = re.search(r"\{([^{}]*)\}", pattern)
    if match is None:
        yield pattern
        return
    for choice in match[1].split(","):
        yield from alternatives(pattern[: match.start()] + choice + pattern[match.end() :])


def _tree(spec: str) -> _Node:
    root = _Node()
    root.at("metadata").children |= {"labels": _STRINGS, "annotations": _STRINGS}
    root.at("metadata.managedFields[]").children["fieldsV1"] = _OPAQUE
    root.at(f"{spec}.dra.deviceClasses[].config[].opaque").children["parameters"] = _OPAQUE
    for path, value in default_paths().items():
        parent, _, name = path.removeprefix("spec.").rpartition(".")
        root.at(f"{spec}.{parent}").defaults[name] = value
    return root


_MODULE = _tree("spec")
_HUB_MODULE = _tree("spec.moduleSpec")
_CONFIG_MAP = _Node(children={**_MODULE.children, "data": _STRINGS})
_ROOTS = {"ManagedClusterModule": _HUB_MODULE, "ConfigMap": _CONFIG_MAP}


# -- the tree as a JSON Schema, because a validator sees in a quarter of the time that nothing is to be done ----

_ANYTHING_BUT_NULL = {"$ref": "#/definitions/any"}


@cache  # compiled when the first object of its kind comes
def _normal_form(root: _Node) -> jsonschema_rs.Draft7Validator:
    """What has all defaults and no null."""
    anything = {
        "type": ["object", "array", "string", "number", "boolean"],
        "additionalProperties": _ANYTHING_BUT_NULL,
        "items": _ANYTHING_BUT_NULL,
    }
    return jsonschema_rs.Draft7Validator({**_form(root), "definitions": {"any": anything}})


def _form(node: _Node) -> dict[str, Any]:
    if node is _OPAQUE:
        return {}
    form = {
        "type": ["object", "array", "string", "number", "boolean"],
        "additionalProperties": _ANYTHING_BUT_NULL,
        "items": _form(node.items) if node.items else _ANYTHING_BUT_NULL,
    }
    if node.defaults:  # a keyword that asks for nothing takes its time, too
        form["required"] = list(node.defaults)
    if node.children:
        form["properties"] = {key: _form(child) for key, child in node.children.items()}
    return form


def _is_normal(module: dict[str, object], form: jsonschema_rs.Draft7Validator) -> bool:
    try:
        return form.is_valid(module)
    except (ValueError, TypeError, OverflowError):  # nested too deep, or with what JSON cannot hold
        return False


# -- the walk: a loop and no recursion, because how deep an object is nested is for its author to choose --------


_Container: TypeAlias = dict[str, object] | list[object]
_Pending: TypeAlias = list[tuple[_Container, _Container, _Node]]


def _normal_copy(module: dict[str, object], root: _Node) -> dict[str, object]:
    result: dict[str, object] = {}
    pending: _Pending = [(module, result, root)]
    for source, copy, node in pending:
        if isinstance(source, dict) and isinstance(copy, dict):
            for key, value in source.items():
                if value is not None:
                    copy[key] = _begun(value, node.children.get(key, _ANY), pending)
                elif node is _STRINGS:
                    copy[key] = ""
            for key, default in node.defaults.items():
                copy.setdefault(key, default)
        elif isinstance(source, list) and isinstance(copy, list):
            copy.extend(_begun(item, node.items or _ANY, pending) for item in source)
    return result


def _begun(value: object, node: _Node, pending: _Pending) -> object:
    """The value itself, or an empty copy of a container that `pending` will see filled."""
    if node is _OPAQUE or not isinstance(value, dict | list):
        return value
    copy: _Container = {} if isinstance(value, dict) else []
    pending.append((value, copy, node))
    return copy
