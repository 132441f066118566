"""The objects of a driver that DaemonSets load: one for each kernel, and what their pods need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

from kmodgate.policy.cluster.facts import PLUGIN_LABEL
from kmodgate.policy.findings import FieldPath, value_at
from kmodgate.policy.kmm.nodes.kernel_labels import KERNEL_ANNOTATION, KERNEL_LABEL_ANNOTATION
from kmodgate.renderer.deliveries.daemonset import kernels, plugin
from kmodgate.renderer.deliveries.daemonset.kernels import Site
from kmodgate.renderer.deliveries.daemonset.pods import SCRIPT, Loaded, Pod, loader_pod
from kmodgate.renderer.deliveries.kmm import objects as kmm
from kmodgate.renderer.fleet.fields.field_table import SYNC_OPTIONS
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.json_parts import map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.fleet.targets.referenced_files import Sources
from kmodgate.renderer.fleet.targets.targets import Variant
from kmodgate.renderer.manifests import argo, service_accounts
from kmodgate.renderer.manifests.manifest import DRIVER_LABEL, Manifest

NAME_LABEL = "kmodgate.io/daemonset"
"""The label by which a DaemonSet knows its pods. Its value is the name, and so neither of them ever changes."""

_ABSENT = object()
_SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
_TEMPLATE: FieldPath = ("spec", "template", "spec")


def manifests(variant: Variant, sources: Sources, site: Site) -> list[Manifest]:
    """Every object of one driver at a site, without the attached ones; the DaemonSets that load are the last."""
    plugins, loaders = [], []
    for loaded, value in _kernels(variant, site):
        selector: JsonMap = {**map_of(variant.spec.get("selector")), kernels.label_of(variant.spec): value}
        if plugin.is_separate(variant.spec):
            plugins.append(_plugin(variant, loaded, selector))
        loaders.append(_loader(variant, loaded, selector))
    return [*kmm.surroundings(variant, site.platform), _script(variant), *plugins, *loaders]


def as_module(variant: Variant) -> JsonMap:
    """Return the Module of the same spec, by which mappings are looked up."""
    return kmm.module(variant, Sources({}, ()))


def _kernels(variant: Variant, site: Site) -> Iterator[tuple[Loaded, str]]:
    """Yield what is loaded on each kernel, and the value of the node label that names the kernel."""
    key, name = kernels.label_of(variant.spec), variant.driver.name
    found = kernels.kernels_of(variant.spec, site)
    for kernel, resolution in kernels.resolved(as_module(variant), found):
        value = kernels.label_value(key, kernel)
        if value:
            yield Loaded(name, variant.spec, script_name(name), kernel, resolution), value


def _loader(variant: Variant, loaded: Loaded, selector: JsonMap) -> Manifest:
    spec = variant.spec
    pod = loader_pod(loaded, _account(variant, ""), selector)
    if "devicePlugin" in spec and not plugin.is_separate(spec):
        plugin.add_to(pod, spec)
    name, driver = kernels.name_of(loaded.driver, loaded.kernel), variant.driver
    value = _daemon_set(variant, name, loaded, pod, _strategy(loaded.options))
    metadata = map_of(value["metadata"])
    metadata["labels"] = {**driver.labels, **map_of(metadata["labels"]), DRIVER_LABEL: driver.name}
    metadata["annotations"] = {
        **argo.sync_annotations("DaemonSet", kmm.REMOVAL[str(spec.get("removal", "confirm"))]),
        **_marks(variant, loaded),
    }
    return kmm.manifest(variant, value, _trace(variant, loaded, pod))


def _plugin(variant: Variant, loaded: Loaded, selector: JsonMap) -> Manifest:
    pod = plugin.separate_pod(loaded, _account(variant, "devicePlugin"), selector)
    name = kernels.name_of(loaded.driver, loaded.kernel, plugin.PART)
    rolling: JsonMap = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}
    value = _daemon_set(variant, name, loaded, pod, rolling)
    metadata = map_of(value["metadata"])
    metadata["labels"] = {**map_of(metadata["labels"]), PLUGIN_LABEL: variant.driver.name}
    metadata["annotations"] = {**argo.sync_annotations("DaemonSet"), **_marks(variant, loaded)}
    return kmm.manifest(variant, value, _trace(variant, loaded, pod))


def _daemon_set(variant: Variant, name: str, loaded: Loaded, pod: Pod, strategy: JsonMap) -> JsonMap:
    labels: JsonMap = {"app.kubernetes.io/name": variant.driver.name, **service_accounts.MANAGED_BY}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": variant.namespace, "labels": labels, "annotations": {}},
        "spec": {
            "selector": {"matchLabels": {NAME_LABEL: name}},
            "updateStrategy": strategy,
            "template": {
                "metadata": {
                    "labels": {"app.kubernetes.io/name": loaded.driver, DRIVER_LABEL: loaded.driver, NAME_LABEL: name},
                    "annotations": {KERNEL_ANNOTATION: loaded.kernel},
                },
                "spec": pod.spec,
            },
        },
    }


def _marks(variant: Variant, loaded: Loaded) -> JsonMap:
    return {
        KERNEL_ANNOTATION: loaded.kernel,
        KERNEL_LABEL_ANNOTATION: kernels.label_of(variant.spec),
        kmm.SPEC_ANNOTATION: variant.driver.document.file,
    }


def _strategy(options: JsonMap) -> JsonMap:
    if options.get("updateStrategy", "OnDelete") == "OnDelete":
        return {"type": "OnDelete"}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": options.get("maxUnavailable", 1)}}


def _account(variant: Variant, pods: str) -> str:
    found = service_accounts.accounts(variant.driver.name, variant.spec)
    return next(account.name for account in found if account.pods == pods)


def script_name(driver: str) -> str:
    """Return the name of the ConfigMap with the script that loads a driver."""
    return f"{driver}-kernel-module"


def _script(variant: Variant) -> Manifest:
    """The ConfigMap with the script, of the same name whatever its text.

    With OnDelete, pods of an older template start again with their node, and need the ConfigMap that they name. A new
    text reaches the running pods, and restarts none of them: that would unload the driver.
    """
    driver = variant.driver
    value: JsonMap = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": script_name(driver.name),
            "namespace": variant.namespace,
            "labels": {"app.kubernetes.io/name": driver.name, **service_accounts.MANAGED_BY},
            "annotations": {**argo.sync_annotations("ConfigMap"), kmm.SPEC_ANNOTATION: driver.document.file},
        },
        "data": {SCRIPT: (_SCRIPTS / SCRIPT).read_text("utf-8")},
    }
    return kmm.manifest(variant, value, kmm.ObjectTrace(variant, "ConfigMap", ("delivery",)))


def _trace(variant: Variant, loaded: Loaded, pod: Pod) -> Callable[[FieldPath], Origin]:
    """Origins in a DaemonSet: what no field decides comes with the mapping that took the kernel."""
    mapping: FieldPath = ("kernelMappings", loaded.resolution.mapping)
    causes: dict[FieldPath, FieldPath] = {
        ("metadata", "namespace"): ("namespace", "name"),
        ("metadata", "annotations", SYNC_OPTIONS): ("removal",),
        ("spec", "updateStrategy"): ("daemonset", "updateStrategy"),
        ("spec", "updateStrategy", "rollingUpdate", "maxUnavailable"): ("daemonset", "maxUnavailable"),
        **{(*_TEMPLATE, *path): cause for path, cause in pod.causes.items()},
    }

    def trace(path: FieldPath) -> Origin:
        if path[:2] == ("metadata", "labels"):
            return kmm.own_metadata(variant, path)
        for length in range(len(path), 0, -1):
            if (cause := causes.get(path[:length])) is not None:
                exact = (*cause, *path[length:])
                is_there = value_at(variant.spec, exact, _ABSENT) is not _ABSENT
                return variant.origin(exact if is_there else cause)
        return replace(variant.origin(mapping), source="default")

    return cast("Callable[[FieldPath], Origin]", trace)
