"""Objects of KMM's kinds as people and KMM write them: a definition that does not take them is of no use.

They hold what all releases of KMM have of a kind, in values of the usual length and shape.
Source: api and api-hub of kernel-module-management.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_DIGEST = "a" * 64
_IMAGES = (
    "quay.io/acme/nic-driver:1.2.0-5.14.0-427.13.1.el9_4.x86_64",
    f"registry.internal.example.com:5000/team/drivers/nic-driver@sha256:{_DIGEST}",
)
_KERNELS = ("5.14.0-427.13.1.el9_4.x86_64", "6.8.0-1012-aws", "5.14.0-284.48.1.el9_2.aarch64+64k")
_REGEXPS = (r"^5\.14\.0-.+\.el9.*\.x86_64$", "^.+$", r"^6\.8\.0-[0-9]+-(aws|azure|generic)$")

_ARGS: Json = {"load": ["-v", "nic_driver"], "unload": ["-r", "-v", "nic_driver"]}

_MODPROBE: Json = {
    "moduleName": "nic_driver",
    "dirName": "/opt",
    "firmwarePath": "/firmware",
    "parameters": ["debug=1", "queues=16,16"],
    "modulesLoadingOrder": ["nic_driver", "nic_core"],
    "args": _ARGS,
    "rawArgs": _ARGS,
}

_BUILD: Json = {
    "dockerfileConfigMap": {"name": "nic-driver-dockerfile-1a2b3c4d5e"},
    "buildArgs": [{"name": "KMODVER", "value": "1.2.0"}, {"name": "SITE", "value": ""}],
    "secrets": [{"name": "netrc"}],
}

_SIGN: Json = {
    "keySecret": {"name": "signing-key"},
    "certSecret": {"name": "signing-key-pub"},
    "filesToSign": [f"/opt/lib/modules/{_KERNELS[0]}/nic-driver.ko", "/opt/lib/modules/${KERNEL_FULL_VERSION}/a.ko"],
}

_MAPPINGS: list[Json] = [
    *(
        {"literal": kernel.replace(".0-", f".{patch}-"), "containerImage": _IMAGES[0], "build": _BUILD, "sign": _SIGN}
        for kernel in _KERNELS
        for patch in range(3)
    ),
    *({"regexp": regexp, "containerImage": _IMAGES[1]} for regexp in _REGEXPS),
]

_SELECTOR: Json = {
    "node-role.kubernetes.io/worker": "",
    "feature.node.kubernetes.io/pci-15b3.present": "true",
    "kubernetes.io/arch": "amd64",
}

_MODULE: Json = {
    "selector": _SELECTOR,
    "imageRepoSecret": {"name": "pull-secret"},
    "moduleLoader": {
        "serviceAccountName": "nic-driver-module-loader",
        "container": {
            "modprobe": _MODPROBE,
            "containerImage": _IMAGES[1],
            "imagePullPolicy": "IfNotPresent",
            "version": "1.2.0",
            "kernelMappings": _MAPPINGS,
        },
    },
    "devicePlugin": {
        "serviceAccountName": "nic-driver-device-plugin",
        "container": {"image": _IMAGES[0], "env": [{"name": "LEVEL", "value": "debug"}]},
    },
}

_NUMBERS: Json = {"nodesMatchingSelectorNumber": 250, "desiredNumber": 250, "availableNumber": 12}


def _loaded(index: int) -> Json:
    config: Json = {
        "kernelVersion": _KERNELS[index % 3],
        "containerImage": _IMAGES[index % 2],
        "insecurePull": False,
        "imagePullPolicy": "IfNotPresent",
        "inTreeModulesToRemove": ["ice", "irdma"],
        "modprobe": _MODPROBE,
    }
    named = {"name": f"nic-driver-{index}", "namespace": "kmm-drivers", "serviceAccountName": "nic-driver-loader"}
    return {**named, "imageRepoSecret": {"name": "pull-secret"}, "config": config}


_LOADED = [_loaded(index) for index in range(4)]
_MADE: list[Json] = [
    {"image": image, "kernelVersion": kernel, "action": action, "dirName": "/opt", "build": _BUILD, "sign": _SIGN}
    for image, kernel, action in zip(_IMAGES, _KERNELS, ("BuildImage", "SignImage"), strict=False)
]

USUAL: dict[str, Json] = {
    "Module": {"spec": _MODULE, "status": {"moduleLoader": _NUMBERS, "devicePlugin": _NUMBERS}},
    "ManagedClusterModule": {
        "spec": {"selector": _SELECTOR, "spokeNamespace": "kmm-drivers", "moduleSpec": _MODULE},
        "status": {"numberDesired": 250, "numberApplied": 250, "numberDegraded": 12},
    },
    "NodeModulesConfig": {"spec": {"modules": _LOADED}, "status": {"modules": _LOADED}},
    "ModuleImagesConfig": {
        "spec": {"images": _MADE},
        "status": {"imagesStates": [{"image": image, "status": "Exists"} for image in _IMAGES]},
    },
    "ModuleBuildSignConfig": {
        "spec": {"images": _MADE},
        "status": {
            "images": [
                {"image": image, "action": action, "status": status}
                for image in _IMAGES
                for action in ("BuildImage", "SignImage")
                for status in ("Success", "Failure")
            ]
        },
    },
}
"""Kind → spec and status of an object."""
