"""DaemonSets that load kernel modules → one Module for all kernels of a driver, delivered by DaemonSets or by KMM."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.findings import Finding
from kmodgate.policy.kmm.kernel import dns_safe
from kmodgate.policy.kmm.nodes.kernel_labels import KERNEL_ANNOTATION, KERNEL_LABEL_ANNOTATION
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.deliveries.daemonset.objects import script_name
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.importer.objects.reading import Found, Objects
from kmodgate.renderer.importer.translating.daemon_sets.daemon_set_fields import (
    put_options,
    put_pods,
    put_separate_plugin,
)
from kmodgate.renderer.importer.translating.daemon_sets.pods import LoaderPod
from kmodgate.renderer.importer.translating.draft import Draft, Wishes, copy_metadata, name_of, new_draft
from kmodgate.renderer.manifests import argo
from kmodgate.renderer.manifests.manifest import DRIVER_LABEL, Identity
from kmodgate.renderer.wording import listed

_KMM_LABEL = "kmm.node.kubernetes.io/"
_KMM_GROUPS = ("kmm.sigs.x-k8s.io/", "kmm.sigs.k8s.io/", "ooto.sigs.k8s.io/")
_GENERIC = lazy_regex(r"-(?:driver-container|daemonset|ds)$")
_MAX_NAME = 41
_OF_DEPLOYMENT = ("deprecated.daemonset.template.generation", KERNEL_ANNOTATION, KERNEL_LABEL_ANNOTATION, DRIVER_LABEL,
                  argo.SYNC_WAVE)  # fmt: skip

Group = list[LoaderPod]


def daemon_sets(objects: Objects) -> list[Found]:
    """Return the DaemonSets among the objects."""
    return [found for identity, found in objects.items()
            if identity.kind == "DaemonSet" and identity.group in ("apps", "extensions")]  # fmt: skip


def module_owner(found: Found) -> str:
    """Return the Module for which KMM or its ancestor made a DaemonSet; empty for any other."""
    for owner in map(map_of, items_of(metadata_of(found.value).get("ownerReferences"))):
        if owner.get("kind") == "Module" and str(owner.get("apiVersion")).startswith(_KMM_GROUPS):
            return str(owner.get("name"))
    return str(found.metadata("labels").get(f"{_KMM_LABEL}module.name", ""))


def loading_groups(found: Iterable[Found], objects: Objects, wishes: Wishes, lost: list[Finding]) -> Iterator[Group]:
    """Yield the DaemonSets of each driver: those that load the same in one namespace, on nodes that differ by kernel.

    Those that load, and that no driver can be made of, go to `lost`.
    """
    groups: dict[str, Group] = defaultdict(list)
    for item in found:
        pod = LoaderPod(item, objects)
        if pod.plugin_of or (pod.loader is None and not _is_wished(pod, wishes)):
            continue
        if (key := _key(pod, wishes, lost)) is not None:
            groups[key].append(pod)
    yield from groups.values()


def _is_wished(pod: LoaderPod, wishes: Wishes) -> bool:
    return any(name in wishes.module_names for name in _names([pod]))


def _key(pod: LoaderPod, wishes: Wishes, lost: list[Finding]) -> str | None:
    """What is the same for all DaemonSets of a driver; None, and the reason in `lost`, where none can be made."""
    found, loading = pod.found, pod.loading
    name = next((name for text in _names([pod]) if (name := wishes.module_name(text))), "")
    path = pod.loader.path if pod.loader is not None else ("spec", "template", "spec")
    if pod.loads_the_nodes_own() and not name:
        message = (
            f"not imported: {loading.module} is the node's own kernel module, and a driver brings its modules along"
        )
        fix = (
            f"leave the DaemonSet as it is; if the image has the module: --module-name {_stem([pod])}={loading.module}"
        )
        lost.append(found.lost("IMP001", path, message, fix))
        return None
    if not loading.modules and not name and not loading.is_raw:
        unread = f", only {listed(loading.unread)}" if loading.unread else ""
        message = f"not imported: no command in it says which kernel module it loads{unread}"
        lost.append(found.lost("IMP001", path, message, f"say which: --module-name {_stem([pod])}=NAME"))
        return None
    if name:
        loading.modules = [*(item for item in loading.modules if item != name), name]
    if pod.driver:
        return f"{found.identity.namespace}/{pod.driver}"
    selector = {key: value for key, (value, _) in pod.selector.items() if key != pod.kernel_label}
    return json.dumps([found.identity.namespace, loading.modprobe(), selector, pod.kernel_label], sort_keys=True)


def draft_of(group: Group, name: str, wishes: Wishes, lost: list[Finding]) -> Draft | None:
    """Return the Module of a driver; None, and the reason in `lost`, where none can be."""
    found = group[0].found
    namespace = found.identity.namespace or wishes.namespace
    if not namespace:
        message, fix = "not imported: it has no namespace", "add metadata.namespace, or say which: --namespace NAME"
        lost.append(found.lost("IMP001", ("metadata",), message, fix))
        return None
    kept: Group = []
    for pod in group:
        if pod.kernel in {other.kernel for other in kept}:
            message = f"not imported: {kept[0].found.identity} loads the same on the same nodes"
            lost.append(pod.found.lost("IMP001", ("metadata", "name"), message, "keep one of the two"))
        else:
            kept.append(pod)
    draft = new_draft(name, namespace, [pod.found for pod in kept])
    copy_metadata(draft)
    _drop_deployment_metadata(draft)
    put_pods(draft, kept, wishes.delivery)
    separate = _separate_plugins(group[0])
    if separate:
        put_separate_plugin(draft, separate[0])
        draft.used += (pod.found for pod in separate)
    draft.used += _scripts(group[0])
    if wishes.delivery == "daemonset":
        put_options(draft, kept, is_separate=bool(separate))
    else:
        draft.name_tags()
    return draft


def _scripts(pod: LoaderPod) -> Iterator[Found]:
    """The ConfigMap with the script of kmodgate, which render writes again."""
    identity = Identity("", "ConfigMap", pod.found.identity.namespace, script_name(pod.driver))
    if pod.driver and identity in pod.objects:
        yield pod.objects[identity]


def _separate_plugins(pod: LoaderPod) -> list[LoaderPod]:
    """The DaemonSets that kmodgate rendered for the device plugin of a driver alone."""
    if not pod.driver:
        return []
    others = (LoaderPod(found, pod.objects) for found in daemon_sets(pod.objects))
    space = pod.found.identity.namespace
    return [item for item in others if item.plugin_of == pod.driver and item.found.identity.namespace == space]


def _drop_deployment_metadata(draft: Draft) -> None:
    """Drop what controllers, and render in DaemonSets of its own, write into them."""
    metadata = map_of(draft.value["metadata"])
    for key in ("labels", "annotations"):
        if isinstance(texts := metadata.get(key), dict):
            metadata[key] = {name: item for name, item in texts.items() if name not in _OF_DEPLOYMENT}


def group_names(groups: list[Group]) -> list[str]:
    """Return a name for each driver: what the names of its DaemonSets have in common, without the kernel."""
    stems = [_stem(group) for group in groups]
    return [
        stem if stems.count(stem) == 1 else _fitted(group[0].found.identity.name)
        for stem, group in zip(stems, groups, strict=True)
    ]


def _stem(group: Group) -> str:
    if group[0].driver:
        return group[0].driver
    names = [_without_kernel(pod) for pod in group]
    common = _common(names)
    return _fitted(_GENERIC.sub("", common.strip("-.")) or names[0])


def _common(names: list[str]) -> str:
    """What all the names begin with, up to a whole word where they differ."""
    first, last = min(names), max(names)
    if first == last:
        return first
    length = next(
        (place for place, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first)
    )
    return first[:length].rpartition("-")[0] or first[:length]


def _fitted(name: str) -> str:
    return name[:_MAX_NAME].strip("-.")


def _names(group: Group) -> set[str]:
    """The names by which a person may mean the driver."""
    return {_stem(group), *(pod.found.identity.name for pod in group)}


def _without_kernel(pod: LoaderPod) -> str:
    """The name of a DaemonSet without its kernel, in any of the forms in which a name can have it."""
    name = pod.found.identity.name
    short = re.sub(r"\.(x86_64|aarch64|ppc64le|s390x)$", "", pod.kernel)
    for text in (pod.kernel, short):
        for form in (text, dns_safe(text), text.lower(), text.lower().replace("_", "-")):
            if form and form in name:
                return re.sub(r"[-.]{2,}", "-", name.replace(form, "")).strip("-.") or name
    return name


def may_load(found: Found) -> bool:
    """Whether a DaemonSet has the rights and files of a loader, though no command of it loads anything."""
    pod = LoaderPod(found, {})
    folders = {name for name in pod.host_paths if pod.is_of_modules(name)}
    for container in pod.containers:
        context = map_of(container.value.get("securityContext"))
        added = items_of(map_of(context.get("capabilities")).get("add"))
        mounts = {name_of(item) for item in items_of(container.value.get("volumeMounts"))}
        if "SYS_MODULE" in added or (context.get("privileged") is True and folders & mounts):
            return True
    return False
