"""Modules of every shape that the schema of KMM's Module allows, for property tests."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

from kmodgate import schemas
from kmodgate.policy.review import ClusterTraits
from kmodgate.schemas.compiled import any_schema

TRAITS = ClusterTraits(schema_of=any_schema)
"""A cluster of which nothing is known; reviews look at the schema of each object."""

SCHEMA = json.loads(schemas.read(schemas.KINDS["Module"]))

WORDS = ("a", "b", "acme_nic", "^5\\.14\\..+\\.el9_4\\.x86_64$", "5.14.0-427.el9.x86_64", "quay.io/a/b:1-${KERNEL_FULL_VERSION}",
         "/opt/lib/a.ko", "yes", "1.10", "0644", "=x", "- x", "é\n", "a: b", "#")  # fmt: skip

texts = st.sampled_from(WORDS) | st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=4)
numbers = st.integers(-3, 1 << 40)


NAMED = {
    "serviceAccountName": st.sampled_from(["", "nic", "nic-dra", "nic-device-plugin", "loader", "default"]),
    "imagePullPolicy": st.sampled_from(["", "Always", "Never", "IfNotPresent"]),
    "version": st.sampled_from(["", "1.10", "v2"]),
    "limits": st.dictionaries(st.sampled_from(["cpu", "memory"]), st.sampled_from(["1", "1Gi", 2])),
    "requests": st.dictionaries(st.sampled_from(["cpu", "memory"]), st.sampled_from(["1", "1Gi", 2])),
}
"""Fields of which a driver takes fewer values than the API server does."""


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What a schema allows, as far as it says so with types; optional fields come and go."""
    if "$ref" in schema:
        return st.deferred(lambda: values(SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type", "string")
    kinds = kind if isinstance(kind, list) else [kind]
    return st.one_of([_of_type(name, schema) for name in kinds if name != "null"])


def _of_type(kind: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if kind == "boolean":
        return st.booleans()
    if kind in ("integer", "number"):
        return numbers
    if kind == "array":
        return st.lists(values(schema.get("items", {})), min_size=schema.get("minItems", 0), max_size=3)
    if kind == "object":
        return _map(schema)
    return st.sampled_from(["a", "b"]) if "pattern" in schema else texts


def _map(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    properties = schema.get("properties", {})
    if not properties:
        more = schema.get("additionalProperties")
        return st.dictionaries(texts, values(more if isinstance(more, dict) else {}), max_size=2)
    known = {key: NAMED[key] if key in NAMED else values(item) for key, item in properties.items()}
    required = {key: known[key] for key in schema.get("required", ())}
    names = [key for key in properties if key not in required]
    chosen = st.lists(st.sampled_from(names), max_size=4, unique=True) if names else st.just([])
    return chosen.flatmap(lambda keys: st.fixed_dictionaries({**required, **{key: known[key] for key in keys}}))


@st.composite
def modules(draw: st.DrawFn) -> dict[str, Any]:
    """A Module; most of them are such that KMM would take them."""
    spec = draw(values(SCHEMA["properties"]["spec"]))
    if "moduleLoader" not in spec and draw(st.integers(0, 9)):
        spec["moduleLoader"] = draw(values(SCHEMA["definitions"]["moduleLoader"]))
    if "dra" in spec and draw(st.integers(0, 9)):
        spec.pop("devicePlugin", None)
        spec["dra"].setdefault("driverName", "a")
    _mend(spec.get("moduleLoader", {}).get("container", {}), draw)
    labels = draw(
        st.dictionaries(st.sampled_from(["team", "example.com/tier"]), st.sampled_from(["", "a"]), max_size=2)
    )
    metadata = {"name": "nic", "namespace": "kmm", **({"labels": labels} if labels else {})}
    return {"apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": "Module", "metadata": metadata, "spec": spec}


def _mend(container: dict[str, Any], draw: st.DrawFn) -> None:
    """What the schema does not say, and KMM's webhook does."""
    modprobe = container.get("modprobe", {})
    if "rawArgs" in modprobe and {"load", "unload"} <= modprobe["rawArgs"].keys():
        modprobe.pop("moduleName", None)
    elif modprobe is not None and container:
        modprobe.pop("rawArgs", None)
        modprobe["moduleName"] = "acme_nic"
    for level in (container, *container.get("kernelMappings", ())):
        if "inTreeModulesToRemove" in level:
            level.pop("inTreeModuleToRemove", None)
        for sign in [level["sign"]] if "sign" in level else []:
            sign["filesToSign"] = sign.get("filesToSign") or ["/opt/a.ko"]
    for mapping in container.get("kernelMappings", ()):
        kept = draw(st.sampled_from(["literal", "regexp"]))
        mapping[kept] = mapping.get(kept) or draw(texts.filter(bool))
        mapping.pop("regexp" if kept == "literal" else "literal", None)


@st.composite
def changed(draw: st.DrawFn, module: dict[str, Any]) -> dict[str, Any]:
    """The Module as another cluster has it: some fields changed, taken away, put in another order or doubled."""
    module = copy.deepcopy(module)
    for _ in range(draw(st.integers(0, 3))):
        node: Any = module["spec"]
        while isinstance(node, dict | list) and node:
            steps = list(node) if isinstance(node, dict) else list(range(len(node)))
            step = draw(st.sampled_from(steps))
            if draw(st.integers(0, 2)) and isinstance(node[step], dict | list) and node[step]:
                node = node[step]
                continue
            _change(node, step, draw)
            break
    return module


def _change(node: Any, step: Any, draw: st.DrawFn) -> None:
    if isinstance(node, list):
        how = draw(st.sampled_from(["drop", "turn", "double", "keep"]))
        if how == "drop" and len(node) > 1:
            del node[step]
        elif how == "turn":
            node.reverse()
        elif how == "double":
            node.insert(0, copy.deepcopy(node[step]))
    elif isinstance(node[step], str):
        node[step] = draw(NAMED.get(step, texts) if isinstance(node, dict) else texts)
    elif isinstance(node[step], bool):
        node[step] = not node[step]
    elif step not in ("selector", "container", "modprobe", "kernelMappings") and draw(st.booleans()):
        del node[step]
