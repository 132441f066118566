"""Templates of the kinds around Modules: what loads at boot, what KMM and a hub keep, what protects or takes away."""

from __future__ import annotations

from typing import Any

from tests.policy.work.growth import METADATA, Entries, Many, Template, an_object

_KMM = "kmm.sigs.x-k8s.io/v1beta1"
_UNIT = 'Environment="KERNEL_MODULE=nic"\nEnvironment="KERNEL_MODULE_IMAGE=quay.io/other/nic"\nEnvironment="E=v"'
_IGNITION: dict[str, Template] = {
    "ignition": {"version": "3.4.0"},
    "systemd": {"units": Many({"name": "u#.service", "contents": _UNIT})},
    "storage": {
        "files": Many({"path": "/etc/modprobe.d/f#.conf", "contents": {"source": "data:,blacklist%20nic"}}),
        "links": Many({"path": "/etc/l#", "target": "/opt/t#"}),
    },
}
_BOOT = {
    "kernelModuleImage": "quay.io/other/nic",
    "kernelModuleName": "nic",
    "machineConfigName": "nic",
    "machineConfigPoolName": "worker",
    "firmwareFilesPath": "/firmware",
    "workerImage": "quay.io/other/worker:1",
    "inTreeModulesToRemove": Many("tree#"),
}
_INNER = {
    "modules": Many({"name": "nic#", "namespace": "drivers", "config": {"containerImage": "quay.io/other/nic#"}}),
    "images": Many({"image": "quay.io/other/nic#", "generation": "1"}),
}

_OLM = {
    "Subscription": "v1alpha1",
    "ClusterServiceVersion": "v1alpha1",
    "InstallPlan": "v1alpha1",
    "OperatorGroup": "v1",
}
_OF_OLM = {
    "name": "kernel-module-management",
    "source": "s",
    "clusterServiceVersionNames": Many("kernel-module-management.v2.#"),
    "targetNamespaces": Many("n#"),
    "relatedImages": Many({"name": "r#", "image": "quay.io/other/r#"}),
    "install": {"spec": {"deployments": Many({"name": "kmm-operator-controller#"})}},
}

_LIMITS = {
    "type": "Pod",
    **{field: Entries("example.com/r#", "2") for field in ("max", "min", "maxLimitRequestRatio")},
}


def _inner(kind: str) -> Template:
    return an_object(_KMM, kind, spec=_INNER, status=_INNER)


def cluster_templates() -> dict[str, Template]:
    """Return the templates by the names of their kinds."""
    machine_config = an_object(
        "machineconfiguration.openshift.io/v1",
        "MachineConfig",
        spec={"config": _IGNITION, "kernelArguments": Many("module_blacklist=m#")},
    )
    machine_config["metadata"] = _labelled({"machineconfiguration.openshift.io/role": "worker"})
    pool = an_object("v1", "ConfigMap", data={"config": f"kind: MachineConfig\nspec: {{a: {_UNIT!r}}}\n"})
    pool["metadata"] = _labelled({"kmodgate.io/node-pool": "workers", "kmodgate.io/driver": "nic"})
    carried = an_object("v1", "Secret", data=Entries("k#", "djE="), stringData=Entries("s#", "v#"))
    rule = {"apiGroups": Many("g#"), "resources": Many("r#"), "resourceNames": Many("n#"), "verbs": Many("use")}
    return {
        "BootModuleConfig": an_object(_KMM, "BootModuleConfig", spec=_BOOT),
        "InitramfsModule": an_object("kmm.sigs.x-k8s.io/v1alpha1", "InitramfsModule", spec=_BOOT),
        "MachineConfig": machine_config,
        "ConfigMap of a NodePool": pool,
        "NodeModulesConfig": _inner("NodeModulesConfig"),
        "ModuleImagesConfig": _inner("ModuleImagesConfig"),
        "ModuleBuildSignConfig": _inner("ModuleBuildSignConfig"),
        **_of_hubs(carried),
        "CustomResourceDefinition": an_object(
            "apiextensions.k8s.io/v1", "CustomResourceDefinition", spec={"versions": Many({"name": "v#"})}
        ),
        "CustomResourceDefinition of KMM": _definition_of_kmm(),
        **{kind: an_object(f"operators.coreos.com/{version}", kind, spec=_OF_OLM) for kind, version in _OLM.items()},
        "LimitRange": an_object("v1", "LimitRange", spec={"limits": Many(_LIMITS)}),
        "ResourceQuota": an_object("v1", "ResourceQuota", spec={"hard": Entries("count/r#", "0")}),
        "Role": an_object("rbac.authorization.k8s.io/v1", "Role", rules=Many(rule)),
    }


def _definition_of_kmm() -> Template:
    """A definition in whose schema every list and map grows that a rule looks at."""
    field = {"type": "string", "pattern": "p#", "enum": Many("e#"), "default": "d#", "format": "f#"}
    mappings = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": Many("k#"),
        "items": {"type": "object", "properties": Entries("p#", field)},
    }
    fields = {"spec": _node({"images": mappings, "modules": mappings}), "metadata": _node({"name": field})}
    version = {
        "name": "v1beta1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _node(fields)},
        "additionalPrinterColumns": Many({"name": "c#"}),
    }
    names = {"kind": "NodeModulesConfig", "listKind": "NodeModulesConfigList", "categories": Many("c#")}
    found = an_object(
        "apiextensions.k8s.io/v1", "CustomResourceDefinition", spec={"names": names, "versions": [version]}
    )
    found["metadata"] = {**METADATA, "name": "nodemodulesconfigs.kmm.sigs.x-k8s.io"}
    return found


def _node(fields: dict[str, Template]) -> Template:
    """A schema of maps with such fields."""
    rule = {"rule": "1 == 1 // #", "message": "m#"}
    return {"type": "object", "properties": fields, "required": Many("r#"), "x-kubernetes-validations": Many(rule)}


def _of_hubs(carried: Template) -> dict[str, Template]:
    """Templates of the kinds by which a hub hands objects to its clusters."""
    group = "open-cluster-management.io/v1"
    templates = {"objectDefinition": {"spec": {"object-templates": Many({"objectDefinition": carried})}}}
    return {
        "ManagedCluster": an_object(f"cluster.{group}", "ManagedCluster", spec={"taints": Many({"key": "k#"})}),
        "ManifestWork": an_object(f"work.{group}", "ManifestWork", spec={"workload": {"manifests": Many(carried)}}),
        "Policy": an_object(f"policy.{group}", "Policy", spec={"policy-templates": Many(templates)}),
    }


def _labelled(labels: dict[str, Any]) -> Template:
    return {**METADATA, "labels": labels}
