"""`evaluate()` in a process at work, as a webhook calls it: every object different, expressions compiled before."""

from __future__ import annotations

import gc
import json
import statistics
import time
from typing import Any

from kmodgate.policy.config import Policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.review import Review
from tests.bench.measure import Result
from tests.modules import TRAITS

_ROUNDS = 5


def evaluate(count: int) -> Result:
    """Seconds for 1,000 objects: their defaults, their schema and all rules."""
    engine = Engine(Policy())
    objects = [module(number) for number in range(count)]
    times = []
    gc.disable()
    for _ in range(_ROUNDS + 1):
        begin = time.perf_counter()
        for item in objects:
            engine.evaluate(Review(defaulted(item), cluster=TRAITS))
        times.append((time.perf_counter() - begin) * 1000 / count)
    gc.enable()
    return Result(statistics.median(times[1:]), min(times[1:]), None)


def module(number: int) -> dict[str, Any]:
    """A sound Module of about 4 KB with four mappings, a build, signing and a device plugin."""
    arguments = [{"name": f"ARGUMENT_{index}", "value": "v" * 30} for index in range(4)]
    build = {"dockerfileConfigMap": {"name": "df"}, "selector": {"a": "b"}, "buildArgs": arguments}
    files = [f"/opt/lib/modules/${{KERNEL_FULL_VERSION}}/driver_{number}.ko"]
    container: dict[str, Any] = {
        "modprobe": {"moduleName": f"driver_{number}", "dirName": "/opt"},
        "containerImage": f"registry.example.com/drivers/{number}:1.0-${{KERNEL_FULL_VERSION}}",
        "sign": {"keySecret": {"name": "key"}, "certSecret": {"name": "cert"}, "filesToSign": files},
        "kernelMappings": [
            {"regexp": f"^5\\.{minor}\\..+$", "containerImage": "", "build": build} for minor in range(14, 18)
        ],
    }
    environment = [{"name": f"VARIABLE_{index}", "value": "v" * 60} for index in range(10)]
    plugin = {
        "container": {
            "image": "registry.example.com/plugins/a:1.0",
            "env": environment,
            "volumeMounts": [{"name": "v", "mountPath": "/x"}],
        },
        "volumes": [{"name": "v", "hostPath": {"path": "/dev/x"}}],
    }
    value = {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {"name": f"driver-{number}", "namespace": "drivers", "annotations": {"note": "n" * 900}},
        "spec": {
            "selector": {"node-role.kubernetes.io/worker": ""},
            "tolerations": [{"key": "a", "operator": "Exists"}],
            "moduleLoader": {"container": container, "serviceAccountName": "driver"},
            "devicePlugin": plugin,
        },
    }
    result: dict[str, Any] = json.loads(json.dumps(value))  # nothing shared between two objects
    return result
