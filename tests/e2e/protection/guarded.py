"""Modules, users and refusals of the protected namespaces."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from tests.e2e.api_server.client import Answer
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.objects import module
from tests.e2e.waiting import eventually
from tests.objects.changed_definitions import Change, changed

Json: TypeAlias = dict[str, Any]
SPACES = [f"guarded-{number}" for number in range(1, 61)]
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


KMM = "system:serviceaccount:kmm:kmm-controller"
"""Who KMM is by the policy of these tests."""

USUAL = "system:serviceaccount:kmm-operator-system:kmm-operator-controller"
"""Who KMM usually is, and is not by that policy: whoever may create the namespace has such an account."""

POLICY = f"""\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {{name: e2e}}
spec:
  parameters:
    controllers: [{KMM}]
"""


def named(kind: str, name: str, namespace: str, api: str = "v1", **metadata: Any) -> Json:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace, **metadata}}


def kmm_rules() -> list[Json]:
    """What KMM's controllers may do with its kinds."""
    verbs = ["get", "list", "create", "patch", "update", "delete"]
    groups = ["kmm.sigs.x-k8s.io", "hub.kmm.sigs.x-k8s.io"]
    return [{"apiGroups": groups, "resources": ["*"], "verbs": verbs}]


def tried(plane: ControlPlane, definition: str, change: Change) -> Answer:
    """What is answered to a change of a definition as a dry run; controllers write its status in the meantime."""
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition}"

    def answered() -> Answer | None:
        answer = plane.call("PUT", f"{path}?dryRun=All", changed(plane.call("GET", path).body, change))
        return None if answer.status == 409 else answer

    return eventually(answered, f"a change of {definition} meets no other")
