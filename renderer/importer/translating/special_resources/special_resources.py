"""SpecialResources of the Special Resource Operator → Modules of today, with what their charts made in the cluster.

A SpecialResource names a chart and its values; what the driver is stands in the objects of the chart, DaemonSets and
BuildConfigs. Where the input has none of them, import says what is missing.
Sources: api/v1beta1/specialresource_types.go and charts/example of openshift/special-resource-operator.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.findings import FieldPath, Finding
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.objects.reading import Found, Objects
from kmodgate.renderer.importer.translating.commands.load_commands import is_module_name
from kmodgate.renderer.importer.translating.commands.shell_commands import RUNNING_KERNEL
from kmodgate.renderer.importer.translating.daemon_sets.daemon_set_fields import put_pods
from kmodgate.renderer.importer.translating.daemon_sets.daemon_sets import daemon_sets
from kmodgate.renderer.importer.translating.daemon_sets.pods import LoaderPod
from kmodgate.renderer.importer.translating.draft import (
    CONTAINER,
    Draft,
    Wishes,
    copy_metadata,
    label_value,
    new_draft,
    texts,
)
from kmodgate.renderer.importer.translating.special_resources.build_configs import (
    BuildConfig,
    build_configs,
    pull_secret,
    put_build,
)

GROUP = "sro.openshift.io"

_SET_KNOWN = {"kind", "apiVersion", "kmodNames"}
_FIX = "look into the chart, and say it in the spec, if the driver needs it"


def is_special_resource(found: Found) -> bool:
    """Whether an object is a SpecialResource, of any version."""
    return (found.identity.group, found.identity.kind) == (GROUP, "SpecialResource")


def special_resource(found: Found, objects: Objects, wishes: Wishes, lost: list[Finding]) -> Draft | None:
    """Return the Module that loads what a SpecialResource did; None, and the reason in `lost`, where none can."""
    spec = map_of(found.value.get("spec"))
    name, namespace = found.identity.name, spec.get("namespace") or wishes.namespace
    if not isinstance(namespace, str) or not namespace:
        message = "not imported: it names no namespace"
        lost.append(found.lost("IMP001", ("spec", "namespace"), message, "write it there, or give --namespace NAME"))
        return None
    pods = list(_pods(found, namespace, objects))
    configs = [item for item in build_configs(objects, namespace) if _belongs(item.found, found)]
    modules = _module_names(found, spec, pods, wishes)
    if not modules or not (pods or configs):
        what = "which kernel module it loads" if not modules else "from which image it loads"
        message = f"not imported: neither it nor a DaemonSet or BuildConfig in the input says {what}"
        fix = f"add what `oc get daemonsets,buildconfigs -n {namespace} -o yaml` writes"
        fix += f", or give --module-name {name}=NAME" if not modules else ""
        lost.append(found.lost("IMP001", ("spec",), message, fix))
        return None
    draft = new_draft(name, namespace, [found])
    copy_metadata(draft)
    draft.originals += [pod.found for pod in pods]
    if pods:
        pods[0].loading.modules = modules
        put_pods(draft, pods, "kmm")
    else:
        order: list[Json] = list(reversed(modules))
        modprobe: JsonMap = {"moduleName": modules[-1]}
        modprobe |= {"modulesLoadingOrder": order} if len(order) > 1 else {}
        draft.put((*CONTAINER, "modprobe"), modprobe, found, ("spec", "set", "kmodNames"))
        message = "no DaemonSet says where the image has its kernel modules; KMM looks below /opt/lib/modules"
        fix = "look into the Dockerfile, and set modprobe.dirName: / for /lib/modules"
        draft.lost.append(found.lost("IMP002", ("spec",), message, fix))
    _put_builds(draft, configs, has_pods=bool(pods))
    _put_selector(draft, found, spec, pods)
    _lose_rest(draft, found, spec)
    return draft


def _pods(found: Found, namespace: str, objects: Objects) -> Iterator[LoaderPod]:
    """The DaemonSets of the chart that load; one for each kernel."""
    kernels: set[str] = set()
    for item in daemon_sets(objects):
        if item.identity.namespace == namespace and _belongs(item, found):
            pod = LoaderPod(item, objects)
            if pod.loader is not None and pod.kernel not in kernels:
                kernels.add(pod.kernel)
                yield pod


def _belongs(item: Found, found: Found) -> bool:
    """Whether an object is of the chart of a SpecialResource: by its owner, else by its name."""
    owners = [map_of(owner) for owner in items_of(metadata_of(item.value).get("ownerReferences"))]
    named = [owner.get("name") for owner in owners if owner.get("kind") == "SpecialResource"]
    return found.identity.name in named if named else item.identity.name.startswith(found.identity.name)


def _module_names(found: Found, spec: JsonMap, pods: list[LoaderPod], wishes: Wishes) -> list[str]:
    """The kernel modules in the order of loading: of a person, of the commands, or of the values of the chart."""
    name = wishes.module_name(found.identity.name)
    loaded = pods[0].loading.modules if pods else []
    if name:
        return [*(item for item in loaded if item != name), name]
    return loaded or [item for item in texts(map_of(spec.get("set")).get("kmodNames")) if is_module_name(item)]


def _put_builds(draft: Draft, configs: list[BuildConfig], *, has_pods: bool) -> None:
    """The builds of the chart: at the mapping of their kernel, or for all kernels at the container."""
    container = map_of(map_of(map_of(draft.value["spec"])["moduleLoader"])["container"])
    mappings: list[Json] = items_of(container.get("kernelMappings")) if has_pods else []
    container["kernelMappings"] = mappings
    for config in configs:
        kernel, image = config.kernel, config.image
        index = next((place for place, item in enumerate(mappings) if map_of(item).get("literal") == kernel), None)
        if kernel and index is None and not has_pods:
            index = len(mappings)
            mappings.append({"literal": kernel, "containerImage": image})
        if index is None and kernel:
            draft.lose(config.found, ("spec", "output"), f"no DaemonSet loads on kernel {kernel}", "nothing")
            continue
        if index is not None:
            put_build(draft, config, (*CONTAINER, "kernelMappings", index))
        elif "build" not in container:
            _put_common(draft, config, container, mappings)
    secret = next((name for config in configs if (name := pull_secret(config))), "")
    if secret and "imageRepoSecret" not in map_of(draft.value["spec"]):
        draft.put(("spec", "imageRepoSecret"), {"name": secret}, configs[0].found, ("spec", "output", "pushSecret"))


def _put_common(draft: Draft, config: BuildConfig, container: JsonMap, mappings: list[Json]) -> None:
    """One build for all kernels, whose images need a tag each."""
    put_build(draft, config, CONTAINER)
    image = config.image if ":" in config.image.rpartition("/")[2] else f"{config.image}:latest"
    container["containerImage"] = f"{image}-{RUNNING_KERNEL}"
    draft.places[(*CONTAINER, "containerImage")] = (config.found, ("spec", "output", "to", "name"))
    message = f"its image {image} was built for one kernel; the Module builds one for each, with the kernel in its tag"
    draft.lose(config.found, ("spec", "output", "to", "name"), message, "nothing; set another tag, if you like")
    for item in mappings:
        map_of(item)["containerImage"] = ""
    if not mappings:
        mappings.append({"regexp": "^.+$", "containerImage": ""})


def _put_selector(draft: Draft, found: Found, spec: JsonMap, pods: list[LoaderPod]) -> None:
    """The nodes of the SpecialResource, beside those of its DaemonSets."""
    own = spec.get("nodeSelector")
    if own is None and pods:
        return
    chosen = map_of(map_of(draft.value["spec"]).get("selector"))
    if own is not None and not isinstance(own, dict):
        draft.put(("spec", "selector"), own, found, ("spec", "nodeSelector"))
        return
    labels = {key: label_value(item) for key, item in map_of(own).items()}
    if not labels and not chosen:
        labels = {"node-role.kubernetes.io/worker": ""}
        message = "it selects no nodes: the Module gets the workers"
        draft.lost.append(found.lost("IMP002", ("spec",), message, "select the nodes that have the device"))
    draft.put(("spec", "selector"), {**chosen, **labels}, found, ("spec", "nodeSelector"))


def _lose_rest(draft: Draft, found: Found, spec: JsonMap) -> None:
    """List the chart, its values and what else no Module has."""
    chart = map_of(spec.get("chart"))
    if chart:
        message = (
            f"the chart {chart.get('name')} {chart.get('version') or ''}".rstrip() + " makes more than a driver has"
        )
        draft.lose(found, ("spec", "chart"), message, "attach what of its objects is still needed: spec.attach")
    for key in map_of(spec.get("set")):
        if key not in _SET_KNOWN:
            draft.lose(found, ("spec", "set", key), "a value of the chart", _FIX)
    for key in spec.keys() - {"chart", "namespace", "nodeSelector", "set"}:
        path: FieldPath = ("spec", key)
        if spec[key] not in (None, "", {}, [], False):
            draft.lose(found, path, "no Module has it", _FIX)
