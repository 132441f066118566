"""Objects with every list and map that their kinds have, each of which can be grown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from kmodgate import schemas
from tests.policy.work.cluster_templates import cluster_templates
from tests.policy.work.growth import METADATA, Entries, Many, Template, an_object

# -- the kinds of KMM, from their schemas ---------------------------------------------------------

_TEXTS = {
    "containerImage": "quay.io/acme/nic#:1-${KERNEL_XYZ}-${FOO}",
    "unsignedImage": "quay.io/acme/raw#:latest",
    "image": "quay.io/acme/plugin#",
    "moduleName": "nic",
    "modulesLoadingOrder": "nic#",
    "inTreeModulesToRemove": "tree#",
    "dirName": "/opt",
    "firmwarePath": "firmware/",
    "mountPath": "/var/run/secrets/m#",
    "path": "/etc/p#",
    "key": "k#",
    "parameters": "p#",
    "load": "-C#",
    "unload": "-C#",
    "driverName": "dra.example.com",
    "dockerfile": "d#",
    "kernelVersion": "6",
}
"""What a text is by the field that it stands in; those of others are their names with a number."""

FORMS: dict[str, dict[str, Template]] = {
    "expressions": {"regexp": r"^5\.14\.#-[0-9]+$", "filesToSign": "/opt/*f#*.ko"},
    "kernels": {
        "literal": "5.14.0-#.x86_64",
        "regexp": "",
        "filesToSign": "/opt/f#.ko",
        "volumeMounts.name": "m#",
        "keySecret.name": "same",
        "certSecret.name": "same",
        "mountPath": "/same",
    },
    "equal globs": {"regexp": ".*", "filesToSign": "/opt/?ic#[0-9]*.ko", "modulesLoadingOrder": "nic#"},
    "found names": {"regexp": r"5.14.#", "filesToSign": "/opt/nic#.ko"},
    "kernels of files": {
        "literal": "5.14.0-#.x86_64",
        "regexp": "",
        "filesToSign": "/opt/lib/modules/5.14.0-#.x86_64/nic#.ko",
        "modulesLoadingOrder": "nic#",
    },
    "globs of files": {
        "regexp": "5.14.#",
        "filesToSign": "/opt/lib/modules/*#*/n?c#*.ko",
        "modulesLoadingOrder": "nic#",
    },
    "files of every kernel": {
        "regexp": "5.14.#",
        "filesToSign": "/opt/lib/modules/${KERNEL_FULL_VERSION}/[n#]*.ko",
        "modulesLoadingOrder": "nic#",
    },
}
"""How mappings and files to sign are written, of which a rule looks at some only."""


def _from_schema(
    schema: Mapping[str, Any], root: Mapping[str, Any], name: str, texts: Mapping[str, Template], around: str = ""
) -> Template:
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    text = texts.get(f"{around}.{name}", texts.get(name))
    if text is not None and not schema.get("properties") and "items" not in schema:
        return text
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "array":
        return Many(_from_schema(schema["items"], root, name, texts, around))
    if kind == "object":
        return _map_from_schema(schema, root, name, texts)
    return {"boolean": True, "integer": 1, "number": 1}.get(kind, f"{name.lower()}#")


def _map_from_schema(
    schema: Mapping[str, Any], root: Mapping[str, Any], name: str, texts: Mapping[str, Template]
) -> Template:
    properties = schema.get("properties")
    if properties:
        return {key: _from_schema(item, root, key, texts, name) for key, item in properties.items()}
    more = schema.get("additionalProperties")
    value = _from_schema(more, root, name, texts) if isinstance(more, dict) else "v#"
    return Entries(f"example.com/{name.lower()}#", value if value != {} else "v#")


def _of_kmm(kind: str, form: str) -> Template:
    schema = json.loads(schemas.read(schemas.KINDS[kind]))
    texts = _TEXTS | FORMS[form]
    spec = _from_schema(schema["properties"]["spec"], schema, "spec", texts)
    version = schema["properties"]["apiVersion"]
    api_version = (version.get("enum") or [version.get("const") or _VERSIONS[kind]])[0]
    return an_object(api_version, kind, spec=spec)


_VERSIONS = {
    "Module": "kmm.sigs.x-k8s.io/v1beta1",
    "ManagedClusterModule": "hub.kmm.sigs.x-k8s.io/v1beta1",
    "PreflightValidation": "kmm.sigs.x-k8s.io/v1beta2",
}

# -- the kinds of Kubernetes ----------------------------------------------------------------------

_VOLUMES = Many({"name": "v#", "hostPath": {"path": "/etc/p#"}})

_CONTAINER: dict[str, Template] = {
    "name": "c#",
    "image": "quay.io/other/tool#",
    "command": Many("x#"),
    "args": Many("x#"),
    "env": Many({"name": "E#", "value": "v#"}),
    "envFrom": Many({"secretRef": {"name": "s#"}}),
    "ports": Many({"containerPort": 1}),
    "volumeMounts": Many({"name": "v#", "mountPath": "/dev/m#", "subPath": "s#"}),
    "volumeDevices": Many({"name": "v#", "devicePath": "/dev/m#"}),
    "resources": {"limits": Entries("r#", "2"), "requests": Entries("r#", "2"), "claims": Many({"name": "c#"})},
    "securityContext": {"privileged": True, "capabilities": {"add": Many("SYS_#"), "drop": Many("NET_#")}},
}

_POD_SPEC: dict[str, Template] = {
    "serviceAccountName": "tool",
    "hostPID": True,
    "hostNetwork": True,
    "nodeSelector": Entries("example.com/n#", "v#"),
    "tolerations": Many({"key": "k#", "operator": "Exists"}),
    "imagePullSecrets": Many({"name": "s#"}),
    "hostAliases": Many({"ip": "10.0.0.1", "hostnames": Many("h#")}),
    "schedulingGates": Many({"name": "g#"}),
    "topologySpreadConstraints": Many({"topologyKey": "k#"}),
    "resourceClaims": Many({"name": "c#"}),
    "volumes": _VOLUMES,
    "initContainers": Many({**_CONTAINER, "restartPolicy": "Always"}),
    "containers": Many(_CONTAINER),
    "ephemeralContainers": Many(_CONTAINER),
}

_WORKING = {**METADATA, "namespace": "ims", "labels": Entries("example.com/l#", "v#")}

_PODMETADATA = {key: METADATA[key] for key in ("labels", "annotations")}
_POD_TEMPLATE = {"metadata": _PODMETADATA, "spec": _POD_SPEC}


def _pod(**changes: Template) -> Template:
    return an_object("v1", "Pod", spec={**_POD_SPEC, **changes})


def _dkms(**changes: Template) -> Template:
    """A pod of DKMS work, by the policy's namespace for it."""
    return {**_pod(**changes), "metadata": {**METADATA, "namespace": "dkms"}}


def _workload(api_version: str, kind: str) -> Template:
    return an_object(
        api_version, kind, spec={"selector": {"matchLabels": Entries("l#", "v#")}, "template": _POD_TEMPLATE}
    )


_KMM_KINDS = {
    **{f"Module with {form}": ("Module", form) for form in FORMS},
    "ManagedClusterModule": ("ManagedClusterModule", "expressions"),
}


@cache
def templates() -> dict[str, Template]:
    """What the webhook judges, by a name: every kind, some of them in several forms."""
    binding = {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}}
    subjects = Many({"kind": "ServiceAccount", "name": "loader#", "namespace": "drivers"})
    return {
        **{name: _of_kmm(*what) for name, what in _KMM_KINDS.items()},
        **cluster_templates(),
        "PreflightValidation": an_object(
            "kmm.sigs.x-k8s.io/v1beta2", "PreflightValidation", spec={"kernelVersion": "6", "pushBuiltImage": True}
        ),
        "PreflightValidationOCP": an_object(
            "kmm.sigs.x-k8s.io/v1beta1",
            "PreflightValidationOCP",
            spec={"kernelVersion": "6", "dtkImage": "quay.io/other/dtk"},
        ),
        "Namespace": an_object("v1", "Namespace", spec={"finalizers": Many("kubernetes")}),
        "Secret": an_object("v1", "Secret", type="Opaque", data=Entries("k#", "djE="), stringData=Entries("s#", "v#")),
        "ConfigMap": an_object("v1", "ConfigMap", data=Entries("k#", "v#"), binaryData=Entries("b#", "djE=")),
        "ServiceAccount": an_object(
            "v1", "ServiceAccount", secrets=Many({"name": "s#"}), imagePullSecrets=Many({"name": "s#"})
        ),
        "RoleBinding": an_object("rbac.authorization.k8s.io/v1", "RoleBinding", subjects=subjects, **binding),
        "Pod": _pod(),
        "Pod in Kata": _pod(runtimeClassName="kata-qemu"),
        "Pod of DKMS work": _dkms(),
        "Pod of DKMS work in Kata": _dkms(runtimeClassName="kata-qemu"),
        "Deployment": _workload("apps/v1", "Deployment"),
        "DaemonSet": _workload("apps/v1", "DaemonSet"),
        "StatefulSet": _workload("apps/v1", "StatefulSet"),
        "ReplicaSet": _workload("apps/v1", "ReplicaSet"),
        "ReplicationController": _workload("v1", "ReplicationController"),
        "Job": _workload("batch/v1", "Job"),
        "CronJob": an_object("batch/v1", "CronJob", spec={"jobTemplate": {"spec": {"template": _POD_TEMPLATE}}}),
    }
