"""The pods of a driver's DaemonSets → the fields of a Module, and of the driver's own `daemonset` options."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kmm.kernel import normalised, trimmed
from kmodgate.policy.kmm.nodes.kernel_labels import NFD_LABEL
from kmodgate.renderer.deliveries.daemonset.pods import (
    FIRMWARE_HOST_PATH,
    GRACE_PERIOD,
    OWN_VOLUMES,
    PRIORITY_CLASS,
    security_context,
)
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.translating.commands.load_commands import HARMLESS, Loading
from kmodgate.renderer.importer.translating.commands.shell_commands import RUNNING_KERNEL
from kmodgate.renderer.importer.translating.containers import (
    Place,
    lose_security,
    put_device_plugin,
    put_modprobe,
)
from kmodgate.renderer.importer.translating.daemon_sets.pods import POD, LoaderPod
from kmodgate.renderer.importer.translating.daemon_sets.rendered_loaders import (
    PLUGIN_INIT,
    firmware_folder,
    without_own,
)
from kmodgate.renderer.importer.translating.draft import CONTAINER, Draft, first_name, name_of, texts

_CARRIED = {
    "affinity", "automountServiceAccountToken", "containers", "imagePullSecrets", "initContainers", "nodeSelector",
    "priorityClassName", "serviceAccount", "serviceAccountName", "terminationGracePeriodSeconds", "tolerations",
    "volumes", "enableServiceLinks",
}  # fmt: skip
_DEFAULTS: JsonMap = {
    "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler", "securityContext": {},
    "preemptionPolicy": "PreemptLowerPriority",
}  # fmt: skip
_LOADER_FIELDS = {
    "args", "command", "image", "imagePullPolicy", "lifecycle", "name", "securityContext", "stdin", "tty",
    "terminationMessagePath", "terminationMessagePolicy", "startupProbe", "livenessProbe", "readinessProbe",
}  # fmt: skip
_OPTIONS = ("env", "resources", "volumeMounts")
_LEAST_GRACE = 15
_GRACE_OF_PODS = 30


def put_pods(draft: Draft, pods: list[LoaderPod], delivery: str) -> None:
    """Fill in the Module from the first pod, and its kernel mappings from all of them."""
    first = pods[0]
    loader = first.loader or next(iter(first.containers), Place({}, first.found, POD))
    put_modprobe(draft, loader, first.loading)
    _tell_directory(draft, loader, first.loading)
    if not first.driver:
        lose_security(draft, loader, "a loader is root with CAP_SYS_MODULE, and nothing else of it is carried over")
    _put_images(draft, pods)
    _put_nodes(draft, first)
    plugin = first.plugin
    if plugin is not None:
        _put_plugin(draft, first, plugin)
    _put_accounts(draft, first, with_plugin=plugin is not None and delivery == "kmm")
    for pod in pods:
        _lose_rest(draft, pod)
        _lose_differences(draft, first, pod)


def _tell_directory(draft: Draft, loader: Place, loading: Loading) -> None:
    if loading.directory is None:
        file = f"{loading.files[0]} does not lie below lib/modules/<kernel>" if loading.files else (
            "no -d says where in the image the kernel modules lie")  # fmt: skip
        message = f"{file}; a driver's lie below /opt/lib/modules/<kernel>"
        fix = "lay the image out so, with depmod; or set modprobe.dirName"
        draft.lost.append(draft.found.lost("IMP002", loader.path, message, fix))


def _image(pod: LoaderPod) -> tuple[str, Place]:
    loader = pod.loader or next(iter(pod.containers), Place({}, pod.found, POD))
    return str(loader.value.get("image", "")), loader


def _put_images(draft: Draft, pods: list[LoaderPod]) -> None:
    """One mapping for each kernel, or one for all; the Module's image where all are the same but for the kernel."""
    images = [(pod, *_image(pod)) for pod in pods]
    templates = {_template(image, pod.kernel) for pod, image, _ in images}
    common = next(iter(templates)) if len(templates) == 1 and RUNNING_KERNEL in next(iter(templates)) else ""
    _, _, loader = images[0]
    if common:
        draft.put((*CONTAINER, "containerImage"), common, loader.found, (*loader.path, "image"))
    if policy := loader.value.get("imagePullPolicy"):
        draft.put((*CONTAINER, "imagePullPolicy"), policy, loader.found, (*loader.path, "imagePullPolicy"))
    mappings: list[Json] = []
    for pod, image, place in images:
        chosen: JsonMap = {"literal": trimmed(pod.kernel)} if pod.kernel else {"regexp": "^.+$"}
        draft.places[(*CONTAINER, "kernelMappings", len(mappings))] = (pod.found, (*place.path, "image"))
        if pod.kernel_label:
            _, at = pod.selector[pod.kernel_label]
            draft.places[(*CONTAINER, "kernelMappings", len(mappings), "literal")] = (pod.found, at)
        mappings.append({**chosen, "containerImage": "" if common else image})
    draft.put((*CONTAINER, "kernelMappings"), mappings, loader.found, (*loader.path, "image"))


def _template(image: str, kernel: str) -> str:
    """The image with the variable for the kernel, if its tag has the kernel, as far as a tag can."""
    tag = normalised(trimmed(kernel))
    return image.replace(tag, RUNNING_KERNEL) if tag else image


def _put_nodes(draft: Draft, pod: LoaderPod) -> None:
    selector = {key: value for key, (value, _) in pod.selector.items() if key != pod.kernel_label}
    draft.put(("spec", "selector"), selector, pod.found, (*POD, "nodeSelector"))
    for key, (_, place) in pod.selector.items():
        draft.places["spec", "selector", key] = (pod.found, place)
    if tolerations := pod.spec.get("tolerations"):
        draft.put(("spec", "tolerations"), tolerations, pod.found, (*POD, "tolerations"))


def _put_accounts(draft: Draft, pod: LoaderPod, *, with_plugin: bool) -> None:
    key = "serviceAccountName" if pod.spec.get("serviceAccountName") else "serviceAccount"
    if account := pod.spec.get(key):
        for section in ("moduleLoader", "devicePlugin") if with_plugin else ("moduleLoader",):
            draft.put(("spec", section, "serviceAccountName"), account, pod.found, (*POD, key))
    secrets = items_of(pod.spec.get("imagePullSecrets"))
    if name := first_name(secrets):
        draft.put(("spec", "imageRepoSecret"), {"name": name}, pod.found, (*POD, "imagePullSecrets"))
    for index in range(1, len(secrets)):
        message = "a driver has one pull secret"
        draft.lose(
            pod.found, (*POD, "imagePullSecrets", index), message, "merge the two into one Secret, if it is needed"
        )


def _put_plugin(draft: Draft, pod: LoaderPod, plugin: Place) -> None:
    mounts = [item for item in items_of(plugin.value.get("volumeMounts"))
              if not pod.is_of_sockets(str(name_of(item)))]  # fmt: skip
    put_device_plugin(draft, plugin._replace(value={**plugin.value, "volumeMounts": mounts}))
    mounted = {name_of(item) for item in mounts}
    volumes = [item for item in items_of(pod.spec.get("volumes")) if name_of(item) in mounted]
    init = next((item for item in pod.containers if item.value.get("name") == PLUGIN_INIT), None)
    if init is not None:
        put_device_plugin(draft, init, ("spec", "devicePlugin", "initContainer"))
    if volumes:
        draft.put(("spec", "devicePlugin", "volumes"), volumes, pod.found, (*POD, "volumes"))
    if "automountServiceAccountToken" in pod.spec and not (pod.driver and not pod.spec["automountServiceAccountToken"]):
        value = pod.spec["automountServiceAccountToken"]
        path = (*POD, "automountServiceAccountToken")
        draft.put(("spec", "devicePlugin", "automountServiceAccountToken"), value, pod.found, path)


def put_separate_plugin(draft: Draft, pod: LoaderPod) -> None:
    """Make the container of a DaemonSet of its own the device plugin of the driver."""
    if pod.plugin is not None:
        _put_plugin(draft, pod, pod.plugin)
        account = pod.spec.get("serviceAccountName")
        path = ("spec", "devicePlugin", "serviceAccountName")
        draft.put(path, account, pod.found, (*POD, "serviceAccountName"))


def _lose_rest(draft: Draft, pod: LoaderPod) -> None:
    """List the containers and fields of a pod that no driver has."""
    for container in pod.containers:
        if container.value.get("name") == PLUGIN_INIT and pod.plugin is not None:
            continue
        if container not in (pod.plugin, *pod.loaders, _image(pod)[1]) and not _is_idle(container):
            draft.lose(pod.found, container.path, *_lost_container(pod, container))
        elif container in pod.loaders and container.value.get("image") != _image(pod)[0]:
            message = f"a driver is loaded from one image, {_image(pod)[0]}"
            draft.lose(pod.found, (*container.path, "image"), message, "put the kernel modules into one image")
    for key, item in pod.spec.items():
        if key not in _CARRIED and item not in (None, "", [], {}, False) and _DEFAULTS.get(key) != item:
            draft.lose(
                pod.found, (*POD, key), "the pods of a driver do not have it", "nothing, if the driver loads without"
            )
    if not pod.affinity_is_carried():
        message = "a driver selects nodes by labels that all of them have"
        fix = "label the nodes that are meant, and select them by that label"
        draft.lose(pod.found, (*POD, "affinity"), message, fix)


def _lost_container(pod: LoaderPod, container: Place) -> tuple[str, str]:
    """Why a container is not carried over, and what to do; without what it leaves for the loader, nothing loads."""
    if volume := pod.volume_for_loader(container):
        message = f"it leaves files in volume {volume}, which the loader reads"
        return message, "put these files into the image of the loader, and remove the volume"
    return "a driver has no such container", "run it in a DaemonSet of its own, on the nodes that have the driver"


def _lose_differences(draft: Draft, first: LoaderPod, pod: LoaderPod) -> None:
    """List what only one of the DaemonSets says: a driver has the same pods on all kernels, but for their image."""
    for key in ("tolerations", "serviceAccountName", "imagePullSecrets", "priorityClassName"):
        if pod.spec.get(key) != first.spec.get(key):
            path = (*POD, key) if key in pod.spec else POD
            message = f"a driver has the {key} of the {first.found.identity} on all kernels"
            draft.lose(pod.found, path, message, "give both DaemonSets the same, or make drivers of two names of them")
    images = [None if item.plugin is None else item.plugin.value.get("image") for item in (first, pod)]
    if images[0] != images[1] and pod.plugin is not None:
        message = f"a driver has one device plugin on all kernels, {images[0]}"
        draft.lose(
            pod.found, (*pod.plugin.path, "image"), message, "say the image in an override, where clusters differ"
        )


def _is_idle(container: Place) -> bool:
    """Whether a container only keeps the pod alive, as `pause` and `sleep infinity` do."""
    words = [*texts(container.value.get("command")), *texts(container.value.get("args"))]
    program = words[0].rpartition("/")[2] if words else ""
    image = str(container.value.get("image", "")).rpartition("/")[2].partition(":")[0].partition("@")[0]
    return (program in HARMLESS and bool(program)) or (not words and image in ("pause", "pause-amd64"))


def put_options(draft: Draft, pods: list[LoaderPod], *, is_separate: bool) -> None:
    """Have DaemonSets deliver the driver, with what the first pod says of its loader."""
    pod, options = pods[0], dict(_options(draft, pods[0]))
    if is_separate:
        options["separate"] = True
    draft.delivery = {"delivery": "daemonset", **({"daemonset": options} if options else {})}
    loader = _image(pod)[1]
    for key, item in loader.value.items():
        if key not in (*_LOADER_FIELDS, *_OPTIONS) and item not in (None, "", [], {}):
            message = "the container that loads a driver does not have it"
            draft.lose(pod.found, (*loader.path, key), message, "nothing, if the driver loads without")


def _options(draft: Draft, pod: LoaderPod) -> Iterator[tuple[str, Json]]:
    if pod.kernel_label not in ("", NFD_LABEL):
        yield "kernelLabel", pod.kernel_label
    strategy = map_of(map_of(pod.found.value.get("spec")).get("updateStrategy"))
    if strategy.get("type") == "RollingUpdate":
        yield "updateStrategy", "RollingUpdate"
        most = map_of(strategy.get("rollingUpdate")).get("maxUnavailable")
        if most not in (None, 1, 0):
            yield "maxUnavailable", most
    grace = pod.spec.get("terminationGracePeriodSeconds")
    usual = (GRACE_PERIOD,) if pod.driver else (_GRACE_OF_PODS, GRACE_PERIOD)
    if isinstance(grace, int) and grace >= _LEAST_GRACE and grace not in usual:
        yield "terminationGracePeriodSeconds", grace
    priority = pod.spec.get("priorityClassName")
    if priority not in (None, "", PRIORITY_CLASS):
        yield "priorityClassName", priority
    folder = firmware_folder(_image(pod)[1].value)
    if folder not in ("", FIRMWARE_HOST_PATH):
        yield "firmwareHostPath", folder
    yield from _of_ours(pod) if pod.driver else _mounted(draft, pod)


def _of_ours(pod: LoaderPod) -> Iterator[tuple[str, Json]]:
    """Variables, resources, volumes and rights that a spec has added to a loader of ours."""
    loader = _image(pod)[1]
    if loader.value.get("resources"):
        yield "resources", loader.value["resources"]
    plugin = {name_of(item) for item in items_of((pod.plugin or loader).value.get("volumeMounts"))}
    mounts = without_own(loader.value.get("volumeMounts"), "volumeMounts")
    names = {name_of(item) for item in mounts}
    volumes = [item for item in without_own(pod.spec.get("volumes"), "volumes")
               if name_of(item) in names or name_of(item) not in plugin]  # fmt: skip
    env = without_own(loader.value.get("env"), "env")
    yield from ((key, item) for key, item in (("env", env), ("volumes", volumes), ("volumeMounts", mounts)) if item)
    context = map_of(loader.value.get("securityContext"))
    usual = security_context(is_privileged=bool(firmware_folder(loader.value)))
    if more := {key: item for key, item in context.items() if usual.get(key) != item}:
        yield "securityContext", more


def _mounted(draft: Draft, pod: LoaderPod) -> Iterator[tuple[str, Json]]:
    """Variables, resources and volumes of the loader; not the node's modules, and not the scripts that are replaced."""
    loader = _image(pod)[1]
    for key in ("resources", "env"):
        if loader.value.get(key):
            yield key, loader.value[key]
    scripts = {path.rpartition("/")[0] for path in pod.files(loader)} | pod.files(loader).keys()
    mounts = [item for item in items_of(loader.value.get("volumeMounts")) if _is_wanted(pod, map_of(item), scripts)]
    names = {name_of(item) for item in mounts}
    taken = names & set(OWN_VOLUMES)
    for name in sorted(map(str, taken)):
        message = f"the pod has a volume {name} of its own"
        draft.lose(pod.found, (*loader.path, "volumeMounts"), message, "add the volume with another name")
    plugin = items_of(map_of(map_of(draft.value["spec"]).get("devicePlugin")).get("volumes"))
    others = {name_of(item) for item in plugin}  # of the same pod
    volumes = [item for item in items_of(pod.spec.get("volumes")) if name_of(item) in names - taken - others]
    mounts = [item for item in mounts if name_of(item) not in taken]
    if volumes:
        yield "volumes", volumes
    if mounts:
        yield "volumeMounts", mounts


def _is_wanted(pod: LoaderPod, mount: JsonMap, scripts: set[str]) -> bool:
    name, at = str(mount.get("name")), str(mount.get("mountPath")).rstrip("/")
    return not (pod.is_of_modules(name) or pod.is_of_sockets(name) or at in scripts)
