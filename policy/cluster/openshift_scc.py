"""OpenShift's SecurityContextConstraints: which ServiceAccounts may run privileged pods.

Source: OpenShift, Authentication and authorization, Managing security context constraints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from kmodgate.policy.cluster.facts import UNKNOWN, Facts, Listing, Object, Unknown, as_map, metadata_of

PRIVILEGED = "privileged"
"""The SCC that every OpenShift has, and that lets a pod do everything."""

CONSTRAINTS = "SecurityContextConstraints"
KINDS = (CONSTRAINTS, "ClusterRoleBinding", "RoleBinding", "ClusterRole", "Role")
"""What must be known in full before an account can be said to have no such right."""

_SUPER = "cluster-admin"
_GROUP = "security.openshift.io"
_RESOURCE = "securitycontextconstraints"
_ROLE_OF_SCC = "system:openshift:scc:"
_NAMESPACE_MARKS = ("security.openshift.io/", "openshift.io/sa.scc.")

_Role = tuple[str, str]
"""Kind and name of a role."""


def is_openshift(facts: Facts, namespace: Object) -> bool:
    """Whether a cluster is known to be OpenShift: by its SCCs, or by what it or kmodgate writes on a namespace.

    `namespace` is the metadata of one, as far as it is known.
    """
    if facts.listing(CONSTRAINTS).objects:
        return True
    for place in ("labels", "annotations"):
        for mark in as_map(namespace.get(place)):
            if str(mark).startswith(_NAMESPACE_MARKS):
                return True
    return False


def may_run_privileged(facts: Facts, namespace: str, account: str) -> bool | Unknown:
    """Whether the pods of a ServiceAccount may use an SCC for privileged containers; UNKNOWN where that is not told."""
    me = {
        f"system:serviceaccount:{namespace}:{account}",
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
        "system:authenticated",
    }
    constraints = facts.listing(CONSTRAINTS)
    open_ones = [item for item in constraints.objects if item.get("allowPrivilegedContainer") is True]
    if any(me.intersection(_texts(item, "users") + _texts(item, "groups")) for item in open_ones):
        return True
    names = {PRIVILEGED, *(str(metadata_of(item).get("name", "")) for item in open_ones)}
    for listing in (facts.listing("RoleBinding", namespace), facts.listing("ClusterRoleBinding")):
        bound = _roles(listing, namespace)
        if any(_grants(facts, namespace, role, names) for who in me for role in bound.get(who, ())):
            return True
    return False if all(facts.listing(kind, _place(kind, namespace)).is_complete for kind in KINDS) else UNKNOWN


def _place(kind: str, namespace: str) -> str:
    return namespace if kind in ("RoleBinding", "Role") else ""


@lru_cache(8)
def _roles(bindings: Listing, namespace: str) -> Mapping[str, Sequence[_Role]]:
    """The roles that are bound, by the names of users and groups; of many bindings, for many accounts in a row."""
    found: dict[str, list[_Role]] = {}
    for binding in bindings.objects:
        role = as_map(binding.get("roleRef"))
        for who in _subjects(binding, namespace):
            found.setdefault(who, []).append((str(role.get("kind", "")), str(role.get("name", ""))))
    return found


def _subjects(binding: Object, namespace: str) -> Iterator[str]:
    subjects = binding.get("subjects")
    for subject in map(as_map, subjects if isinstance(subjects, list) else ()):
        name = str(subject.get("name", ""))
        if subject.get("kind") == "ServiceAccount":
            yield f"system:serviceaccount:{subject.get('namespace', namespace)}:{name}"
        else:
            yield name


def _grants(facts: Facts, namespace: str, role: _Role, names: set[str]) -> bool:
    """Whether a role is known to let its holders use one of the SCCs."""
    kind, name = role
    if kind == "ClusterRole" and name in {_SUPER, *(f"{_ROLE_OF_SCC}{scc}" for scc in names)}:
        return True
    rules = as_map(facts.find(kind, _place(kind, namespace), name)).get("rules")
    return any(
        _allows(rule, "apiGroups", _GROUP) and _allows(rule, "resources", _RESOURCE) and _allows(rule, "verbs", "use")
        and (not _texts(rule, "resourceNames") or names.intersection(_texts(rule, "resourceNames")))
        for rule in map(as_map, rules if isinstance(rules, list) else ())
    )  # fmt: skip


def _allows(rule: Object, key: str, wanted: str) -> bool:
    return not {"*", wanted}.isdisjoint(_texts(rule, key))


def _texts(item: Object, key: str) -> list[str]:
    value = item.get(key)
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
