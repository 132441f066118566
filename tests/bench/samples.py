"""The corpus of every bench: Modules and Pods as people have them, as an API server sends them to a webhook.

The files below `corpus/` are written after public ones; the Modules of `examples/` are those of their golden trees.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.kmm.kinds import MODULE_KINDS
from tests.webhook.manifests import dump, encoded, namespace, node, review

FOLDER = Path(__file__).parent / "corpus"
MODULES = sorted((FOLDER / "modules").glob("*.yaml"))
PODS = sorted((FOLDER / "pods").glob("*.yaml"))
GOLDEN = sorted((FOLDER.parents[1] / "cases").rglob("*module-*.yaml"))

MARK = "73519"
"""Digits in a body in whose place the load writes the number of the request."""

Object = dict[str, Any]


def header(path: Path, name: str) -> list[str]:
    """The lines of a kind at the start of a file: `source`, `kmm`, `shape`, `warns` and `refused`."""
    return re.findall(rf"^# {name}: (.+)$", path.read_text(), re.MULTILINE)


def objects(paths: Iterable[Path], *kinds: str) -> list[Object]:
    """The objects of some kinds in files of YAML."""
    documents = (document for path in paths for document in yaml.load_all(path.read_text(), yaml.CSafeLoader))
    return [document for document in documents if document["kind"] in kinds]


@cache
def rendered() -> tuple[Object, ...]:
    """The Modules that the examples render."""
    return tuple(objects(GOLDEN, *MODULE_KINDS))


def modules(*, accepted: bool = False) -> list[Object]:
    """All Modules as an API server stores them; with `accepted` without those that the profile `default` refuses."""
    paths = [path for path in MODULES if not accepted or not header(path, "refused")]
    return [stored(defaulted(item)) for item in (*objects(paths, *MODULE_KINDS), *rendered())]


def pods() -> list[Object]:
    """All Pods as an API server stores them, with what it adds to those that a controller makes."""
    return [stored(_completed(item)) for item in objects(PODS, "Pod")]


def seen_first(items: Iterable[Object]) -> list[bytes]:
    """Reviews of new objects, none of which the server has seen: each has other images and another annotation."""
    return [encoded(review(_marked(item), uid=_uid())) for item in items]


def seen_before(items: Iterable[Object]) -> list[bytes]:
    """Reviews of a dry run that changes nothing, as a server-side diff asks: only uid, version and times are new."""
    found = []
    for item in items:
        changed = json.loads(json.dumps(item))
        changed["metadata"]["resourceVersion"] = MARK
        found.append(encoded(review(changed, "UPDATE", old=changed, uid=_uid())))
    return found


def made_again(items: Iterable[Object]) -> list[bytes]:
    """Reviews of one pod more of each workload: its name, its uid and the name of its token's volume are new."""
    found = []
    for item in items:
        text = json.dumps(item).replace("kube-api-access-x7k2p", f"kube-api-access-{MARK}")
        changed = json.loads(text)
        metadata = changed["metadata"]
        if prefix := metadata.get("generateName"):
            metadata["name"] = f"{prefix}{MARK}"
        metadata["uid"] = _uid()
        found.append(encoded(review(changed, uid=_uid())))
    return found


def numbered(bodies: Sequence[bytes], count: int) -> list[bytes]:
    """So many bodies in turn, each with a number of its own."""
    return [bodies[number % len(bodies)].replace(MARK.encode(), b"%05d" % number) for number in range(count)]


def cluster(items: Iterable[Object]) -> str:
    """The dump of a cluster with 20 nodes that the Modules select, the namespaces of some objects, and 50 Modules."""
    everything = list(items)
    names = sorted({item["metadata"]["namespace"] for item in everything if "namespace" in item["metadata"]})
    known = [item for item in everything if item["kind"] == "Module"][:50]
    nodes = [node(number) for number in range(20)]
    for number, item in enumerate(item for item in everything if item["kind"] == "Module"):
        selected = nodes[number % len(nodes)]["metadata"]["labels"]
        selected |= {key: value for key, value in item["spec"]["selector"].items() if key not in selected}
    return dump([*known, *nodes, *map(namespace, names)])


# -- what the API server adds -------------------------------------------------------------------------


def _uid() -> str:
    return f"6a1f3c52-8a0b-4c57-9f0e-0000000{MARK}"


def stored(item: Object) -> Object:
    """The object with the metadata of an object that is stored, the fields' managers included."""
    item = json.loads(json.dumps(item))
    entry = {"manager": "kubectl-client-side-apply", "operation": "Update", "apiVersion": item["apiVersion"]}
    fields = {f"f:{key}": _fields(value) for key, value in item.items() if key in ("metadata", "spec")}
    for name in ("f:name", "f:namespace"):
        fields.get("f:metadata", {}).pop(name, None)
    item["metadata"] |= {
        "uid": "0f6f4f64-31c8-4a4c-9d0f-1f2b7b7c9a11",
        "creationTimestamp": "2026-07-29T09:30:00Z",
        "generation": 1,
        "managedFields": [entry | {"time": "2026-07-29T09:30:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields}],
    }
    return item


def _fields(value: object) -> Object:
    """Fields as `managedFields` names them: maps by key, items of a list by their name where they have one."""
    if isinstance(value, dict):
        return {f"f:{key}": _fields(child) for key, child in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
        named = ((json.dumps({"name": item["name"]}, separators=(",", ":")), item) for item in value)
        return {f"k:{key}": {".": {}, **_fields(item)} for key, item in named}
    return {}


_TOKEN = {
    "name": "kube-api-access-x7k2p",
    "projected": {
        "defaultMode": 420,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{
                "path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
            }]}},
        ],
    },
}  # fmt: skip
_MOUNT = {
    "name": "kube-api-access-x7k2p",
    "readOnly": True,
    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
}
_OF_CONTAINERS = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "imagePullPolicy": "IfNotPresent",
    "resources": {},
}
_OF_PODS: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "serviceAccountName": "default",
    "securityContext": {},
    "schedulerName": "default-scheduler",
    "enableServiceLinks": True,
    "preemptionPolicy": "PreemptLowerPriority",
    "priority": 0,
}
_EVICTIONS = [
    {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for name in ("not-ready", "unreachable")
]


def _completed(pod: Object) -> Object:
    """The Pod with its defaults and what the API server's own admission adds: the token's volume, two tolerations."""
    spec = _OF_PODS | pod["spec"]
    has_token = spec.get("automountServiceAccountToken", True)
    for key in ("containers", "initContainers"):
        if key in spec:
            spec[key] = [_OF_CONTAINERS | item for item in spec[key]]
            for item in spec[key] if has_token else ():
                item["volumeMounts"] = [*item.get("volumeMounts", ()), _MOUNT]
    if has_token:
        spec["volumes"] = [*spec.get("volumes", ()), _TOKEN]
    spec["tolerations"] = [*spec.get("tolerations", ()), *_EVICTIONS]
    return pod | {"spec": spec, "status": {"phase": "Pending", "qosClass": "BestEffort"}}


def _marked(item: Object) -> Object:
    item = json.loads(json.dumps(item))
    item["metadata"].setdefault("annotations", {})["example.com/revision"] = MARK
    for holder in _holders(item["spec"]):
        for key in ("containerImage", "image"):
            image = holder.get(key)
            if isinstance(image, str) and ":" in image and "@" not in image:
                holder[key] = f"{image}-{MARK}"
    return item


def _holders(value: object) -> Iterator[Object]:
    """All maps in a value."""
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _holders(child)
