"""Pods with a mount, a right or a volume, and what the rules about nodes say of them where the policy refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kmodgate.policy.config import Policy, read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Finding, Mode
from kmodgate.policy.review import Review

Json = dict[str, Any]

ENFORCED: Json = {"modes": {"PRV": "enforce"}}


def pod(*, name: str = "p", namespace: str = "apps", **spec: Any) -> Json:
    """A pod that asks for nothing, but for what `spec` adds."""
    metadata = {"name": name, "namespace": namespace}
    containers = [{"name": "a", "image": "registry.local/a:1"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}


def container(name: str = "a", **fields: Any) -> Json:
    return {"name": name, "image": f"registry.local/{name}:1", **fields}


def privileged(**fields: Any) -> Json:
    """A container with every capability."""
    return container(securityContext={"privileged": True}, **fields)


def capable(*names: str) -> Json:
    """A container with these capabilities."""
    return container(securityContext={"capabilities": {"add": list(names)}})


def mounting(path: str, *, security: Json | None = None, kind: str = "", **mount: Any) -> Json:
    """A pod with a container that mounts a path of its node."""
    source = {"path": path} | ({"type": kind} if kind else {})
    mounted = container(volumeMounts=[{"name": "v", "mountPath": "/host", **mount}])
    mounted |= {"securityContext": security} if security else {}
    return pod(containers=[mounted], volumes=[{"name": "v", "hostPath": source}])


def template(kind: str, pod_: Json, *, name: str = "w", **metadata: Any) -> Json:
    """A workload whose pods are like that one."""
    group, _, plain = kind.rpartition("/")
    inner = {"metadata": {"labels": {"app": "w"}}, "spec": pod_["spec"]}
    spec: Json = {"jobTemplate": {"spec": {"template": inner}}} if plain == "CronJob" else {"template": inner}
    return {
        "apiVersion": f"{group}/v1" if group else "v1",
        "kind": plain,
        "metadata": {"name": name, "namespace": "apps", **metadata},
        "spec": spec,
    }


def found(object: Json, policy: Json | None = None, **more: Any) -> list[Finding]:
    """The findings of the rules about nodes, where a policy refuses them."""
    review = Review(object, **{"user": "alice", **more})
    read: Policy = read_policy(ENFORCED if policy is None else policy)
    findings = Engine(read, "admit").evaluate(replace(review, parameters=read.parameters))
    return [item for item in findings if item.rule.startswith("PRV")]


def rules(object: Json, policy: Json | None = None, **more: Any) -> list[str]:
    """The ids of those rules, each once."""
    return sorted({item.rule for item in found(object, policy, **more)})


def modes(object: Json, policy: Json | None = None, **more: Any) -> set[Mode]:
    return {item.mode for item in found(object, policy, **more)}
