"""Fills in Kubernetes' own types where our schemas refer to them: `python -m tools.compose_schemas`.

A schema of ours says `{"$ref": "#/definitions/io.k8s.api.core.v1.Volume"}`. This tool writes that definition into the
same file, complete and without prose, so that a validator needs one file and no network. Everything else in the
file stays as it is written, in its order. With `--kubeconform DIR` it writes schemas of whole Kubernetes kinds.

Source: the strict schemas of the package kubernetes-validate, made from the OpenAPI document of Kubernetes.
"""

import argparse
import json
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import cast

from tools.kubernetes_types import (
    CORE,
    JSON,
    QUANTITY,
    QUANTITY_PATTERN,
    ComposeError,
    Definitions,
    Inliner,
    Schema,
    adjusted,
    as_object,
    kubernetes_definitions,
)

# Names of the definitions that --kubeconform writes: what is rendered, attached by a driver, or brings the webhook.
KUBECONFORM = (
    *(f"{CORE}.{kind}" for kind in ("Namespace", "ConfigMap", "Secret", "ServiceAccount", "Service", "ResourceQuota")),
    *(f"io.k8s.api.apps.v1.{kind}" for kind in ("DaemonSet", "Deployment")),
    "io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration",
    "io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration",
    "io.k8s.api.batch.v1.Job",
    "io.k8s.api.policy.v1.PodDisruptionBudget",
    *(f"io.k8s.api.rbac.v1.{kind}" for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")),
    "io.k8s.api.scheduling.v1.PriorityClass",
    "io.k8s.api.node.v1.RuntimeClass",
    "io.k8s.api.networking.v1.NetworkPolicy",
)

_SCHEMAS = Path(__file__).parent.parent / "schemas"
_DRAFT = "http://json-schema.org/draft-07/schema#"


# -- our own files --------------------------------------------------------------------------------


def composed(text: str, group: str, definitions: Definitions) -> str:
    """The text of one of our schemas of `group` with the Kubernetes types it refers to; unchanged if it has none.

    Raises ComposeError when the text is not a JSON object, repeats a key or refers to a type that does not exist.
    """
    schema = _parsed(text)
    stored = as_object(schema.get("definitions", {}))
    written = {name: value for name, value in stored.items() if not _is_kubernetes(name)}
    schema["definitions"] = written
    names = sorted(set(_references(schema)))
    if not names and written == stored:
        return text
    inliner = Inliner(adjusted(definitions, group), nulls=False)
    schema["definitions"] = {**written, **{name: inliner.definition(name) for name in names}}
    return _dumped(schema)


_MODULE = "kmm.sigs.x-k8s.io/module_v1beta1.json"
_HUB_MODULE = "hub.kmm.sigs.x-k8s.io/managedclustermodule_v1beta1.json"


def hub_module(module: Schema) -> Schema:
    """The schema of ManagedClusterModule: a Module's spec, the namespace it gets on the spokes, and which spokes."""
    properties = as_object(module["properties"])
    return {
        "$schema": _DRAFT,
        "title": "ManagedClusterModule",
        "description": "A Module that a hub makes on the clusters that it manages.",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"type": "string", "const": "hub.kmm.sigs.x-k8s.io/v1beta1"},
            "kind": {"type": "string", "const": "ManagedClusterModule"},
            "metadata": properties["metadata"],
            "spec": {
                "description": "The Module, and the clusters that get it.",
                "type": "object",
                "required": ["moduleSpec", "selector", "spokeNamespace"],
                "properties": {
                    "moduleSpec": properties["spec"],
                    "selector": {
                        "description": "Labels that a ManagedCluster must carry. An empty map is every cluster.",
                        "type": "object",
                        "additionalProperties": {"type": "string"},
                    },
                    "spokeNamespace": {
                        "description": "Namespace of the Module on every spoke; it must exist there.",
                        "type": "string",
                    },
                },
                "additionalProperties": False,
            },
            "status": {"description": "Written by the operator.", "type": "object"},
        },
        "additionalProperties": False,
        "definitions": module["definitions"],
    }


def lagging(root: Path, definitions: Definitions) -> Iterator[tuple[Path, str]]:
    """The schema files below `root` whose text differs from the composed one, with that text, in order of path."""
    module, hub = root / _MODULE, root / _HUB_MODULE
    if module.is_file():
        wanted = _dumped(
            hub_module(_parsed(composed(module.read_text(encoding="utf-8"), module.parent.name, definitions)))
        )
        if not hub.is_file() or hub.read_text(encoding="utf-8") != wanted:
            yield hub, wanted
    for file in sorted(set(root.rglob("*.json")) - {hub}):
        text = file.read_text(encoding="utf-8")
        try:
            wanted = composed(text, file.parent.name, definitions)
        except ComposeError as error:
            raise ComposeError(f"{file}: {error}") from error
        if wanted != text:
            yield file, wanted


def _references(value: JSON) -> Iterator[str]:
    match value:
        case dict():
            target = value.get("$ref")
            if isinstance(target, str) and _is_kubernetes(name := target.removeprefix("#/definitions/")):
                yield name
            for child in value.values():
                yield from _references(child)
        case list():
            for child in value:
                yield from _references(child)


def _is_kubernetes(name: str) -> bool:
    return name.startswith("io.k8s.")


def _parsed(text: str) -> Schema:
    try:
        return as_object(json.loads(text, object_pairs_hook=_without_repeats))
    except json.JSONDecodeError as error:
        raise ComposeError(f"not JSON: {error}") from None


def _without_repeats(pairs: Sequence[tuple[str, JSON]]) -> Schema:
    # Python keeps the last of two equal keys: writing the file back would silently lose the first.
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ComposeError(f"repeated key: {next(key for key in keys if keys.count(key) > 1)!r}")
    return result


def _dumped(schema: Schema) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


# -- whole kinds, for kubeconform -----------------------------------------------------------------


def kubeconform_schemas(definitions: Definitions) -> dict[str, str]:
    """Relative path → schema text for the kinds of KUBECONFORM.

    The paths suit kubeconform's `{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json`. Its group is what stands
    before the slash in `apiVersion`, which is `v1` for the core kinds.
    Nothing is adjusted but quantities, which get the format that the API server checks on reading.
    """
    quantity: Schema = {"type": ["string", "number", "null"], "pattern": QUANTITY_PATTERN}
    inliner = Inliner({**definitions, QUANTITY: quantity}, nulls=True)
    return {
        _kubeconform_path(definitions[name]): _dumped({"$schema": _DRAFT, **inliner.definition(name)})
        for name in KUBECONFORM
    }


def _kubeconform_path(definition: Schema) -> str:
    (identity,) = cast(list[dict[str, str]], definition["x-kubernetes-group-version-kind"])
    group, version, kind = identity["group"], identity["version"], identity["kind"]
    return f"{group or version}/{kind.lower()}_{version}.json"


def write_kubeconform(directory: Path, definitions: Definitions) -> Collection[Path]:
    """Writes `kubeconform_schemas` below `directory`, which is made when missing. Returns the files."""
    files = {directory / path: text for path, text in kubeconform_schemas(definitions).items()}
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return files.keys()


# -- command line ---------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the tool. 0: done or clean, 1: `--check` found files that lag, 2: a schema that cannot be composed."""
    parser = argparse.ArgumentParser(prog="python -m tools.compose_schemas", description=__doc__.partition("\n")[0])
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="write nothing; exit 1 and name the files that lag")
    action.add_argument("--kubeconform", metavar="DIR", type=Path, help="write schemas of Kubernetes kinds to DIR")
    options = parser.parse_args(arguments)
    try:
        return _run(check=options.check, kubeconform=options.kubeconform)
    except ComposeError as error:
        print(error, file=sys.stderr)
        return 2


def _run(*, check: bool, kubeconform: Path | None) -> int:
    definitions = kubernetes_definitions()
    if kubeconform is not None:
        print(f"{len(write_kubeconform(kubeconform, definitions))} schemas in {kubeconform}")
        return 0
    changes = list(lagging(_SCHEMAS, definitions))
    for file, text in changes:
        if not check:
            file.write_text(text, encoding="utf-8")
        print(f"{file.relative_to(_SCHEMAS.parent)}: {'lags, run make schemas' if check else 'written'}")
    return 1 if check and changes else 0


if __name__ == "__main__":
    sys.exit(main())
