"""What Modules, nodes and the DaemonSets of drivers need of a namespace: to load, to unload and to build."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from kmodgate.policy.cluster.facts import NodeEntry, Object, as_map
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.references import Role, references

Named = tuple[str, str]
"""Kind and name of an object of the namespace."""

_ACCOUNT = "ServiceAccount"

_DEFAULT = "default"
"""The ServiceAccount of a pod that names none."""


def needs(module: ModuleView) -> set[Named]:
    """What a Module names, what its plugins wait for, and the ServiceAccount of what it runs without naming one.

    Of a hub's what the hub builds and signs with: the accounts are for the spokes.
    """
    found = {(item.kind, item.name) for item in references(module)}
    if module.is_hub:
        return {item for item in found if item[0] != _ACCOUNT}
    runs = [*module.plugins, *filter(None, (module.loader,))]
    found |= {item for item, _ in _named_by(_plugin_pod(module))}
    return found | {(_ACCOUNT, _DEFAULT) for part in runs if not part.text("serviceAccountName")}


def needs_to_unload(entry: NodeEntry) -> set[Named]:
    """What a node holds for the pod that unloads a driver."""
    found = {(_ACCOUNT, entry.service_account or _DEFAULT)}
    return found | {("Secret", entry.image_repo_secret)} if entry.image_repo_secret else found


def needs_of_pods(daemon_set: Object) -> set[Named]:
    """What the pods of a DaemonSet are not started without."""
    pod = _pod(daemon_set)
    account = str(pod.get("serviceAccountName") or pod.get("serviceAccount") or _DEFAULT)
    return {(_ACCOUNT, account)} | {item for item, _ in _named_by(pod)}


PROTECTING_LABEL = "kmm.node.k8s.io/contains-modules"
"""What KMM puts, with an empty value, on a namespace that holds Modules; its own webhook looks at nothing else."""


ROLE_BINDING = "rbac.authorization.k8s.io/RoleBinding"
ROLE = "rbac.authorization.k8s.io/Role"
QUOTA = "ResourceQuota"
LIMITS = "LimitRange"

ACCESS = (ROLE_BINDING, ROLE)
"""The kinds by which an account of a namespace may use a SecurityContextConstraint."""

RESOURCES = {
    "Secret": ("", "secrets"),
    "ServiceAccount": ("", "serviceaccounts"),
    "ConfigMap": ("", "configmaps"),
    ROLE_BINDING: ("rbac.authorization.k8s.io", "rolebindings"),
    ROLE: ("rbac.authorization.k8s.io", "roles"),
}
"""The kinds that Modules and nodes need to unload and to build, with the group and name of their resource."""

DEPENDENTS = tuple(RESOURCES)

NAMED = tuple(kind for kind in DEPENDENTS if kind not in ACCESS)
"""Those that a Module names."""

GUARDED = (*DEPENDENTS, QUOTA, LIMITS)
"""The kinds of a namespace of which some changes are refused while Modules need it."""

_KEYS: dict[Role, tuple[str, ...]] = {
    "pull secret": (".dockerconfigjson", ".dockercfg"),
    "Dockerfile": ("dockerfile",),
    "signing key": ("key",),
    "certificate": ("cert",),
}
"""What KMM reads of an object by what it is for; of a build secret all keys are files of the build."""


def reads(module: ModuleView, item: Named, keys: Collection[str], left: Collection[str]) -> bool:
    """Whether a Module names an object for one of some keys, or for any key where none is `left`."""
    if not module.is_hub and _reads(_plugin_pod(module), item, keys, left):
        return True
    roles = {found.role for found in references(module) if (found.kind, found.name) == item}
    return any(any(key in keys for key in _KEYS[role]) if role in _KEYS else not left for role in roles)


def reads_to_unload(entry: NodeEntry, item: Named, keys: Collection[str]) -> bool:
    """Whether the pod that unloads a driver is pulled with one of some keys of an object."""
    return item == ("Secret", entry.image_repo_secret) and any(key in keys for key in _KEYS["pull secret"])


def reads_in_pods(daemon_set: Object, item: Named, keys: Collection[str], left: Collection[str]) -> bool:
    """Whether the pods of a DaemonSet need one of some keys of an object, or any key where none is `left`."""
    return _reads(_pod(daemon_set), item, keys, left)


def _reads(pod: Object, item: Named, keys: Collection[str], left: Collection[str]) -> bool:
    named = (wanted for other, wanted in _named_by(pod) if other == item)
    return any(any(key in keys for key in wanted) if wanted else not left for wanted in named)


def _pod(daemon_set: Object) -> Mapping[str, Any]:
    return as_map(as_map(as_map(daemon_set.get("spec")).get("template")).get("spec"))


def _plugin_pod(module: ModuleView) -> Object:
    """The containers and volumes of a Module's plugins, as a pod has them; nothing once the Module is deleted."""
    if "deletionTimestamp" in module.metadata.value:
        return {}
    return {
        "containers": [container.value for container in module.containers],
        "volumes": [volume.value for volume in module.volumes],
    }


def _named_by(pod: Object) -> Iterator[tuple[Named, Collection[str]]]:
    """The Secrets and ConfigMaps that a pod waits for, each with the keys that it names; without any all of them.

    Source: Kubernetes, Secrets and ConfigMaps (optional ones keep no pod from starting).
    """
    for secret in _maps(pod, "imagePullSecrets"):
        yield ("Secret", str(secret.get("name", ""))), _KEYS["pull secret"]
    for volume in _maps(pod, "volumes"):
        for source in (volume, *_maps(as_map(volume.get("projected")), "sources")):
            yield from _source(source, "configMap", "secret")
    for container in (*_maps(pod, "initContainers"), *_maps(pod, "containers")):
        for source in _maps(container, "envFrom"):
            yield from _source(source, "configMapRef", "secretRef")
        for variable in _maps(container, "env"):
            yield from _source(as_map(variable.get("valueFrom")), "configMapKeyRef", "secretKeyRef")


def _source(source: Object, config_map: str, secret: str) -> Iterator[tuple[Named, Collection[str]]]:
    for key, kind in ((config_map, "ConfigMap"), (secret, "Secret")):
        named = as_map(source.get(key))
        if named and named.get("optional") is not True:
            keys = [str(item["key"]) for item in (named, *_maps(named, "items")) if "key" in item]
            yield (kind, str(named.get("name") or named.get("secretName") or "")), keys


def _maps(value: Object, key: str) -> list[Mapping[str, Any]]:
    found = value.get(key)
    return [as_map(item) for item in found] if isinstance(found, list) else []
