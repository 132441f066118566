"""Modules of the operator before KMM, `ooto.sigs.k8s.io/v1alpha1` → Modules of today.

Source: api/v1alpha1/module_types.go, internal/daemonset and internal/build of kubernetes-sigs/kernel-module-management
up to d84f9de: cluster-scoped at first, `driverContainer` a flat container, kernel mappings on the first level.
"""

from __future__ import annotations

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.findings import FieldPath, Finding
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kmm.former_modules import FORMER_LOADER, is_ancestor_module, renewed
from kmodgate.renderer.deliveries.kmm.content_hashes import config_map_name
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.objects.reading import Found
from kmodgate.renderer.importer.translating.commands.load_commands import Loading, read_loading
from kmodgate.renderer.importer.translating.containers import (
    Place,
    ending_commands,
    lose_security,
    put_device_plugin,
    put_modprobe,
    starting_commands,
)
from kmodgate.renderer.importer.translating.draft import (
    CONTAINER,
    Draft,
    Wishes,
    copy_metadata,
    label_value,
    name_of,
    new_draft,
    without_nothing,
)

_LOADER_FIELDS = {
    "name", "image", "imagePullPolicy", "command", "args", "lifecycle", "securityContext", "container",
    "kernelMappings", "serviceAccountName", "build", "terminationMessagePath", "terminationMessagePolicy",
}  # fmt: skip
_SPEC_FIELDS = {
    "additionalVolumes", "build", "devicePlugin", "driverContainer", "imagePullSecret", "kernelMappings",
    "moduleLoader", "selector", "serviceAccountName",
}  # fmt: skip


def ooto_module(found: Found, wishes: Wishes, lost: list[Finding]) -> Draft | None:
    """Return the Module of today that does what an old one did; None, and the reason in `lost`, where none can."""
    name, namespace = found.identity.name, found.identity.namespace or wishes.namespace
    if not namespace:
        message = "not imported: it has no namespace, as Modules of its group, and one of today needs one"
        lost.append(found.lost("IMP001", ("metadata",), message, "say which: --namespace NAME"))
        return None
    spec = found.value.get("spec")
    if not isinstance(spec, dict):
        lost.append(found.lost("IMP001", ("spec",), "not imported: its spec is no map", "correct the object"))
        return None
    draft = new_draft(name, namespace, [found])
    copy_metadata(draft)
    section = next((key for key in ("moduleLoader", FORMER_LOADER) if spec.get(key)), "moduleLoader")
    if not _put_loader(draft, spec, section, wishes, lost):
        return None
    _put_mappings(draft, spec, section)
    _put_rest(draft, spec, section)
    _put_plugin(draft, spec)
    for key in spec.keys() - _SPEC_FIELDS:
        draft.lose(found, ("spec", key), "no Module has it", "compare it with the documentation of KMM")
    draft.value, draft.config_maps = renewed(draft.value, lambda text: config_map_name(name, text))
    draft.name_tags()
    return draft


def _container(found: Found, section: str) -> Place:
    """The container of a section, which later was a level of its own."""
    path: FieldPath = ("spec", section)
    value = map_of(map_of(found.value.get("spec")).get(section))
    inner = value.get("container")
    return Place(inner, found, (*path, "container")) if isinstance(inner, dict) else Place(value, found, path)


def _put_loader(draft: Draft, spec: JsonMap, section: str, wishes: Wishes, lost: list[Finding]) -> bool:
    container = _container(draft.found, section)
    loading = read_loading(starting_commands(container, {}), ending_commands(container, {}))
    name = wishes.module_name(draft.name)
    if name:
        loading.modules = [*(item for item in loading.modules if item != name), name]
    if not loading.modules:
        message = "not imported: no command in it says which kernel module it loads"
        path = container.path if container.value else ("spec",)
        fix = f"say which: --module-name {draft.name}=NAME, as modprobe has it"
        lost.append(draft.found.lost("IMP001", path, message, fix))
        return False
    put_modprobe(draft, container, loading)
    _tell_directory(draft, container, loading)
    lose_security(draft, container, "KMM's loader has CAP_SYS_MODULE, and nothing else of it can be said")
    if policy := container.value.get("imagePullPolicy"):
        draft.put((*CONTAINER, "imagePullPolicy"), policy, draft.found, (*container.path, "imagePullPolicy"))
    for key, item in container.value.items():
        if key not in _LOADER_FIELDS and item not in (None, "", {}, []):
            message = "the pod that loads for KMM cannot have it"
            draft.lose(draft.found, (*container.path, key), message, "nothing, if the driver loads without it")
    return True


def _tell_directory(draft: Draft, container: Place, loading: Loading) -> None:
    if loading.directory is None:
        message = "no -d says where in the image the kernel modules lie; KMM looks below /opt/lib/modules/<kernel>"
        fix = "look into the image, and set modprobe.dirName"
        draft.lost.append(draft.found.lost("IMP002", container.path, message, fix))


def _put_mappings(draft: Draft, spec: JsonMap, section: str) -> None:
    """The kernel mappings, without the empty texts that Go clients write, and the build of them all."""
    path: FieldPath = ("spec", "kernelMappings")
    found, nested = draft.found, _container(draft.found, section)
    if "kernelMappings" not in spec and "kernelMappings" in nested.value:
        path = (*nested.path, "kernelMappings")
    mappings = spec.get("kernelMappings", nested.value.get("kernelMappings"))
    if isinstance(mappings, list):
        mappings = [_mapping(item) if isinstance(item, dict) else item for item in mappings]
    if mappings is not None:
        draft.put((*CONTAINER, "kernelMappings"), mappings, found, path)
    build = spec.get("build", nested.value.get("build"))
    if isinstance(build, dict):
        build = without_nothing(build)
    if build:
        place: FieldPath = ("spec", "build") if "build" in spec else (*nested.path, "build")
        draft.put((*CONTAINER, "build"), build, found, place)
        for index, item in enumerate(items_of(mappings)):
            _drop_overruled(draft, map_of(map_of(item).get("build")), (*path, index, "build"))


def _mapping(mapping: JsonMap) -> JsonMap:
    rest: JsonMap = {key: item for key, item in mapping.items() if item is not None and (key, item) not in _EMPTY}
    build = rest.get("build")
    return {**rest, "build": without_nothing(build)} if isinstance(build, dict) else rest


_EMPTY = (("literal", ""), ("regexp", ""))


def _drop_overruled(draft: Draft, build: JsonMap, path: FieldPath) -> None:
    """The registry settings of a mapping's build counted only where the Module had no build."""
    for key in ("pull", "push"):
        if key in build:
            del build[key]
            draft.lose(draft.found, (*path, key), "the build of the Module overruled it", "nothing: it had no effect")


def _put_rest(draft: Draft, spec: JsonMap, section: str) -> None:
    """Selector, accounts and the pull secret."""
    found = draft.found
    if "selector" in spec:
        draft.put(("spec", "selector"), _selector(spec["selector"]), found, ("spec", "selector"))
    own = map_of(spec.get(section)).get("serviceAccountName")
    account = own or spec.get("serviceAccountName")
    if account:
        place: FieldPath = ("spec", section, "serviceAccountName") if own else ("spec", "serviceAccountName")
        draft.put(("spec", "moduleLoader", "serviceAccountName"), account, found, place)
    if secret := spec.get("imagePullSecret"):
        draft.put(("spec", "imageRepoSecret"), secret, found, ("spec", "imagePullSecret"))


def _selector(selector: Json) -> Json:
    """The labels with texts as values: what stands there without quotes was read as another type."""
    if not isinstance(selector, dict):
        return selector
    return {key: label_value(item) for key, item in selector.items()}


def _put_plugin(draft: Draft, spec: JsonMap) -> None:
    """The device plugin, with those of the volumes that it mounts: the pod that loads has none."""
    found = draft.found
    container = _container(found, "devicePlugin")
    section = map_of(spec.get("devicePlugin"))
    volumes: list[tuple[FieldPath, Json]] = [
        (("spec", "additionalVolumes", index), item)
        for index, item in enumerate(items_of(spec.get("additionalVolumes")))
    ]
    if section is not container.value:
        volumes += [
            (("spec", "devicePlugin", "volumes", index), item)
            for index, item in enumerate(items_of(section.get("volumes")))
        ]
    mounted = {name_of(item) for item in items_of(container.value.get("volumeMounts"))}
    kept: list[Json] = []
    for place, volume in volumes:
        if name_of(volume) in mounted:
            draft.places["spec", "devicePlugin", "volumes", len(kept)] = (found, place)
            kept.append(volume)
        else:
            draft.lose(found, place, "only a device plugin can mount it, and none does", "nothing")
    if not container.value:
        return
    put_device_plugin(draft, container)
    if kept:
        draft.value["spec"]["devicePlugin"]["volumes"] = kept  # type: ignore[index, call-overload]
    own = section.get("serviceAccountName") if section is not container.value else None
    if account := own or spec.get("serviceAccountName"):
        at: FieldPath = ("spec", "devicePlugin", "serviceAccountName") if own else ("spec", "serviceAccountName")
        draft.put(("spec", "devicePlugin", "serviceAccountName"), account, found, at)


def former_module(found: Found) -> Draft:
    """Return the Module of today that a Module of KMM before 1.0 is."""
    name = str(metadata_of(found.value).get("name"))
    draft = Draft(name, found.identity.namespace, [found], {})
    draft.value, draft.config_maps = renewed(found.value, lambda text: config_map_name(name, text))
    draft.places[()] = (found, ())
    if FORMER_LOADER in map_of(found.value.get("spec")):
        draft.places["spec", "moduleLoader"] = (found, ("spec", FORMER_LOADER))
    return draft


def has_todays_shape(found: Found) -> bool:
    """Whether a Module of the old group is written as those of today: only its group is old."""
    container = map_of(map_of(map_of(found.value.get("spec")).get("moduleLoader")).get("container"))
    return is_ancestor_module(found.value) and isinstance(container.get("modprobe"), dict)
