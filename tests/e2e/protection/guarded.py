"""Modules, users and refusals of the protected namespaces."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from tests.e2e.objects import module

Json: TypeAlias = dict[str, Any]
SPACES = [f"guarded-{number}" for number in range(1, 31)]
FREE = itertools.count()


def full_module(namespace: str) -> Json:
    """A Module that names everything that unloading and building it takes."""
    found = module("nic", namespace)
    found["spec"]["imageRepoSecret"] = {"name": "pull"}
    loader = found["spec"]["moduleLoader"]
    loader["serviceAccountName"] = "loader"
    loader["container"]["build"] = {"dockerfileConfigMap": {"name": "dockerfile"}, "secrets": [{"name": "netrc"}]}
    return found


def override(hours: float = 1.0, owner: str = "alice@example.com") -> str:
    end = datetime.now(UTC) + timedelta(hours=hours)
    return f"kmodgate.io/override={owner} until {end.isoformat(timespec='seconds')}"


def namespaces_rules() -> list[Json]:
    verbs = ["get", "list", "patch", "update", "delete"]
    resources = ["namespaces", "namespaces/finalize", "namespaces/status"]
    return [{"apiGroups": [""], "resources": resources, "verbs": verbs}]


def role_of(user: str, name: str, rules: list[Json]) -> list[Json]:
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }
    return [role, binding]


def refused(done: Any, *words: str) -> None:
    assert done.returncode != 0, done.stdout
    for word in ("admission webhook", *words):
        assert word in done.stderr
