"""What Modules and nodes need of a namespace to unload and to build, and the RoleBindings that are for it."""

from __future__ import annotations

from kmodgate.policy.cluster.facts import NodeEntry, as_map, metadata_of
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.part import Map
from kmodgate.policy.views.references import references

Named = tuple[str, str]
"""Kind and name of an object of the namespace."""

_ACCOUNT = "ServiceAccount"

_DEFAULT = "default"
"""The ServiceAccount of a pod that names none."""


def needs(module: ModuleView) -> set[Named]:
    """What a Module names, and the ServiceAccount of what it runs without naming one."""
    found = {(item.kind, item.name) for item in references(module)}
    runs = [*module.plugins, *filter(None, (module.loader,))]
    return found | {(_ACCOUNT, _DEFAULT) for part in runs if not part.text("serviceAccountName")}


def needs_to_unload(entry: NodeEntry) -> set[Named]:
    """What a node holds for the pod that unloads a driver."""
    found = {(_ACCOUNT, entry.service_account or _DEFAULT)}
    return found | {("Secret", entry.image_repo_secret)} if entry.image_repo_secret else found


def is_account_of(binding: Map, item: Named) -> bool:
    """Whether something is a ServiceAccount that a RoleBinding of the same namespace is for, itself or by a group.

    Source: Kubernetes, Authenticating (users and groups of ServiceAccounts).
    """
    kind, name = item
    here = metadata_of(binding).get("namespace")
    groups = (f"system:serviceaccounts:{here}", "system:serviceaccounts", "system:authenticated")
    names = {"User": (f"system:serviceaccount:{here}:{name}",), "Group": groups, _ACCOUNT: (name,)}
    subjects = binding.get("subjects")
    return kind == _ACCOUNT and any(
        subject.get("name") in names.get(str(subject.get("kind")), ())
        and (subject.get("kind") != _ACCOUNT or subject.get("namespace", here) == here)
        for subject in map(as_map, subjects if isinstance(subjects, list) else ())
    )


PROTECTING_LABEL = "kmm.node.k8s.io/contains-modules"
"""What KMM puts, with an empty value, on a namespace that holds Modules; its own webhook looks at nothing else."""


ROLE_BINDING = "rbac.authorization.k8s.io/RoleBinding"

RESOURCES = {
    "Secret": ("", "secrets"),
    "ServiceAccount": ("", "serviceaccounts"),
    "ConfigMap": ("", "configmaps"),
    ROLE_BINDING: ("rbac.authorization.k8s.io", "rolebindings"),
}
"""The kinds that Modules and nodes need to unload and to build, with the group and name of their resource."""

DEPENDENTS = tuple(RESOURCES)
