"""What loads a kernel module at boot → `boot` of the driver that has the same module, or a driver of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.deliveries.boot.boot_settings import KERNEL, BootSettings, boot_settings, is_pinned
from kmodgate.renderer.fleet.json_parts import map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.objects.reading import Found, Objects, Translation
from kmodgate.renderer.importer.translating.boot.at_boot import (
    MACHINE_CONFIG,
    AtBoot,
    at_boot,
    beside,
)
from kmodgate.renderer.importer.translating.draft import CONTAINER, Draft, Wishes, new_draft

_MAY_LOAD = lazy_regex(r"\b(?:modprobe|insmod|KERNEL_MODULE_IMAGE)\b")
_MERGED = "rendered-"
"""How the MachineConfigs are called that the Machine Config Operator makes of those of a pool."""


@dataclass(slots=True)
class AddedBoot:
    """The clusters whose objects say what is loaded at boot, and of hosted ones where their NodePools are."""

    told: set[str] = field(default_factory=set)
    hosted: dict[str, JsonMap] = field(default_factory=dict)


def add_boot(clusters: Mapping[str, Objects], wishes: Wishes, lost: list[Finding], notes: list[str]) -> AddedBoot:
    """Give the drivers of each cluster what loads them at boot; drivers that nothing else loads are made."""
    result = AddedBoot()
    for name, objects in clusters.items():
        for found in list(objects.values()):
            item, unreadable = at_boot(found), list(_unreadable(found))
            if item is not None or unreadable:
                result.told.add(name)
            if item is None:
                lost += unreadable
            elif item.cluster in clusters or not item.cluster:
                _add(item, clusters[item.cluster or name], wishes, lost, notes)
                if item.cluster:
                    result.hosted[item.cluster] = {"management": name, "namespace": found.identity.namespace}
            else:
                message = f"not imported: it is for the nodes of cluster {item.cluster}, whose objects are not here"
                lost.append(found.lost("IMP001", ("metadata",), message, f"give them: --cluster {item.cluster}=FILE"))
    return result


def _unreadable(found: Found) -> Iterator[Finding]:
    """Report a MachineConfig that may load a kernel module, and does not say which as Red Hat's utility does."""
    if found.identity.kind != MACHINE_CONFIG or found.identity.name.startswith(_MERGED):
        return
    units = map_of(map_of(map_of(found.value.get("spec")).get("config")).get("systemd")).get("units")
    for index, unit in enumerate(units if isinstance(units, list) else ()):
        if _MAY_LOAD.search(str(map_of(unit).get("contents", ""))):
            message = (
                "not imported: no KERNEL_MODULE and KERNEL_MODULE_IMAGE of a unit, or no pool, say what it loads where"
            )
            path = ("spec", "config", "systemd", "units", index, "contents")
            yield found.lost("IMP001", path, message, "write boot of a KernelDriver by hand")
            return


def _add(item: AtBoot, objects: Objects, wishes: Wishes, lost: list[Finding], notes: list[str]) -> None:
    module = _module_beside(item, objects)
    if module is None:
        draft = _own_driver(item, wishes, lost)
        if draft is None:
            return
        (module,) = draft.finished()
    elif "boot" in _delivery(module):
        message = f"not imported: {module.identity} is loaded at boot by another object, and a driver has one pool"
        lost.append(item.found.lost("IMP001", ("metadata",), message, "give the other pool a driver of its own"))
        return
    elif _delivery(module).get("delivery") == "hub":
        message = f"not imported: it is for nodes of the hub, and {module.identity} is for its spokes"
        lost.append(item.found.lost("IMP001", ("metadata",), message, "give these nodes a driver of their own"))
        return
    said: list[Finding] = []
    boot = _boot(item, module, wishes, said)
    old = module.translation or Translation((module,), {(): (module, ())})
    delivery: JsonMap = {**old.delivery, "boot": boot}
    objects[module.identity] = replace(module, translation=replace(old, lost=(*old.lost, *said), delivery=delivery))
    _replaced(item, module, objects, notes)


def _delivery(module: Found) -> JsonMap:
    return {} if module.translation is None else module.translation.delivery


def _module_beside(item: AtBoot, objects: Objects) -> Found | None:
    """The Module that loads the same kernel module: of the same driver, or from the same image, or the first."""
    wanted, settings = in_kernel_form(item.config.module), item.settings
    found = [other for other in objects.values() if other.is_module and _loads(other, wanted)]
    by_name = [other for other in found if other.identity.name == item.config.driver]
    by_image = [other for other in found if _settings(other, settings.pool).image == settings.image]
    return next(iter((*by_name, *by_image, *found)), None)


def _loads(module: Found, name: str) -> bool:
    return in_kernel_form(str(map_of(_container(module).get("modprobe")).get("moduleName", ""))) == name


def _container(module: Found) -> JsonMap:
    found: Json = module.value
    for key in CONTAINER:
        found = map_of(found).get(str(key))
    return map_of(found)


def _settings(module: Found, pool: str) -> BootSettings:
    """What would be loaded at boot if the spec said nothing but the pool."""
    identity = module.identity
    return boot_settings(identity.name, identity.namespace, {"pool": pool}, _container(module), "")


def _boot(item: AtBoot, module: Found, wishes: Wishes, lost: list[Finding]) -> JsonMap:
    settings, usual = item.settings, _settings(module, item.settings.pool)
    boot: JsonMap = {"pool": settings.pool}
    if settings.image != usual.image:
        if settings.image.prefix or settings.image.suffix:
            message = f"the image {settings.image.for_kernel(KERNEL)}, which is not that of the Module"
            lost.append(item.lost(item.config.path, message, "let the Module load the same image"))
        else:
            boot["image"] = settings.image.name
    if worker := _worker(item, wishes):
        boot["workerImage"] = worker
    if settings.removals != usual.removals:
        boot["inTreeModulesToRemove"] = list(settings.removals)
    if item.is_by_operator:
        boot["bootModuleConfig"] = True
    lost += _of_modprobe(item, usual)
    if item.is_by_utility and not item.is_by_operator:
        lost += beside(item)
    return boot


def _worker(item: AtBoot, wishes: Wishes) -> str:
    """The worker image of the object, or the one that a person names where that is not pinned."""
    image = item.settings.worker_image
    if wishes.worker_image and not is_pinned(image) and not item.is_by_operator:
        return wishes.worker_image
    return image


def _of_modprobe(item: AtBoot, usual: BootSettings) -> Iterator[Finding]:
    """Report where the Module says something else of what modprobe is told."""
    for key in ("dirName", "firmwarePath"):
        old, new = item.settings.modprobe.get(key, ""), usual.modprobe.get(key, "")
        if old != new:
            message = f"{key} {old or 'is empty'} at boot, and {new or 'empty'} in the Module: a driver has one"
            yield item.lost(item.config.path, message, f"let the Module have the same modprobe.{key}")


def _own_driver(item: AtBoot, wishes: Wishes, lost: list[Finding]) -> Draft | None:
    """A Module for what nothing loads but the object itself: on the same nodes, for every kernel."""
    found, settings = item.found, item.settings
    namespace = found.identity.namespace if item.is_by_operator else wishes.namespace
    if not namespace:
        message = "not imported: nothing else loads the kernel module, and the Module beside boot needs a namespace"
        lost.append(found.lost("IMP001", ("metadata",), message, "say which: --namespace NAME"))
        return None
    name = found.identity.name if item.is_by_operator else settings.module.replace("_", "-").lower()
    draft = new_draft(name, namespace, [found])
    draft.put(("spec", "selector"), {f"node-role.kubernetes.io/{settings.pool}": ""}, found, ("metadata", "labels"))
    draft.put((*CONTAINER, "modprobe"), dict(settings.modprobe), found, item.config.path)
    draft.put((*CONTAINER, "containerImage"), settings.image.for_kernel(KERNEL), found, item.config.path)
    draft.put((*CONTAINER, "kernelMappings"), [{"regexp": "^.+$"}], found, item.config.path)
    return draft


def _replaced(item: AtBoot, module: Found, objects: Objects, notes: list[str]) -> None:
    """Say which object is to go when render's own comes: it has another name."""
    found, name, pool = item.found, module.identity.name, item.settings.pool
    if item.is_by_operator:
        written = str(map_of(found.value.get("spec")).get("machineConfigName", ""))
        is_same = found.identity.name == name and written == f"99-{pool}-kmm-{name}"
        new = f"BootModuleConfig {name}, of which KMM writes MachineConfig 99-{pool}-kmm-{name}"
        what = f"{found.identity} and MachineConfig {written}"
    else:
        is_same = not item.is_by_utility
        new, what = f"MachineConfig 99-{pool}-kmodgate-{name}", str(found.identity)
    if not is_same:
        objects.pop(found.identity, None)
        notes.append(
            f"render writes {new}, in place of {what}: remove that in the same commit (docs/import.md, Handing over)"
        )
