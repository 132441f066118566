"""An operator without the Operator Lifecycle Manager: a kustomize overlay over KMM's own folder, at a commit.

It cannot lie in the tree, whose folder Argo CD reads object by object: a Kustomization is no object of any API server.
It is a folder of the handover, which `kubectl apply -k` takes, and Argo CD as the path of an Application of its own.

Sources: Argo CD, docs/user-guide/{directory,kustomize}.md; kustomize, `patches` with targets and remote folders;
config/default, config/manager and config/manager-base of kubernetes-sigs/kernel-module-management, from tag to tag.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kmm.versions import Release
from kmodgate.renderer.compile.operator_install.operator import Operator
from kmodgate.renderer.fleet.fields.field_table import SYNC_OPTIONS
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.manifests import argo
from kmodgate.renderer.manifests.emit_yaml import emit

CONFIG_FILE = "manager-config.yaml"
CHECKSUM = "kmodgate.io/operator-config"
"""Annotation of the operator's pods with a hash of their configuration, so that another one restarts them."""

_CONFIRMED = ("CustomResourceDefinition", "Namespace")
"""Kinds that take Modules, or the operator that unloads them, along when they go."""

_API_VERSIONS = {
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    "Namespace": "v1",
    "Deployment": "apps/v1",
    "ConfigMap": "v1",
}


_CONFIGURED_SINCE = "2.4"
"""The line whose folder has no ConfigMap of the operator any more: earlier ones generate it, without a hash."""


def brings_config_map(release: Release) -> bool:
    """Return whether KMM's own folder has the operator's ConfigMap, beside which kustomize takes no second one."""
    return not release.has(_CONFIGURED_SINCE)


def kustomization(
    operator: Operator,
    reference: str,
    config: JsonMap | None,
    tolerations: list[Json],
    release: Release,
    *,
    is_spoke: bool,
) -> JsonMap:
    """The overlay; `config` is the operator's ConfigMap: a patch of KMM's own, or a resource that lies beside it."""
    is_patch = brings_config_map(release)
    resources: list[Json] = [reference, *([CONFIG_FILE] if config and not is_patch else [])]
    patches = [*_removals(), *_pods(operator, config, tolerations, is_spoke=is_spoke)]
    if config and is_patch:
        name = operator.config_map
        patches.append(_patch("ConfigMap", name, {"metadata": {"name": name}, "data": config["data"]}))
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "metadata": {"name": operator.package, "annotations": {"config.kubernetes.io/local-config": "true"}},
        "resources": resources,
        "patches": list[Json](patches),
    }


def _removals() -> Iterator[JsonMap]:
    for kind in _CONFIRMED:
        yield _patch(kind, "", {"metadata": {"name": "any", "annotations": {SYNC_OPTIONS: argo.ASK_BEFORE_REMOVAL}}})


def _pods(operator: Operator, config: JsonMap | None, tolerations: list[Json], *, is_spoke: bool) -> Iterator[JsonMap]:
    """Patches of the Deployments; tolerations are added to their own, which a merge would replace."""
    for name in operator.deployments:
        if config is not None:
            digest = hashlib.sha256(emit(config["data"]).encode()).hexdigest()[:16]
            template: JsonMap = {"metadata": {"annotations": {CHECKSUM: digest}}}
            yield _patch("Deployment", name, {"metadata": {"name": name}, "spec": {"template": template}})
        if tolerations:
            path = "/spec/template/spec/tolerations/-"
            steps: list[Json] = [{"op": "add", "path": path, "value": item} for item in tolerations]
            yield {"target": {"kind": "Deployment", "name": name}, "patch": emit(steps)}
    if is_spoke:
        env: list[Json] = [{"name": "KMM_MANAGED", "value": "1"}]
        spec: JsonMap = {"template": {"spec": {"containers": [{"name": "manager", "env": env}]}}}
        name = operator.deployments[0]
        yield _patch("Deployment", name, {"metadata": {"name": name}, "spec": spec})


def _patch(kind: str, name: str, value: JsonMap) -> JsonMap:
    target: JsonMap = {"kind": kind, **({"name": name} if name else {})}
    return {"target": target, "patch": emit({"apiVersion": _API_VERSIONS[kind], "kind": kind, **value})}
