"""What keeps a driver from the nodes of a cluster that are to get it by DaemonSets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kmodgate.policy.findings import FieldPath, Finding, Mode, Severity
from kmodgate.policy.kmm.nodes.kernel_labels import NFD_LABEL
from kmodgate.policy.review import Review
from kmodgate.policy.rules.parity.kmm_mappings import bad_regexp
from kmodgate.policy.rules.plugins.containers import resources_refused, variable_refused
from kmodgate.policy.rules.plugins.volumes import mount_refused, volume_refused
from kmodgate.renderer.deliveries.daemonset import kernels
from kmodgate.renderer.deliveries.daemonset.objects import as_module
from kmodgate.renderer.deliveries.daemonset.pods import OWN_FOLDERS, OWN_VARIABLES, OWN_VOLUMES
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.fleet.targets.targets import Target, Variant
from kmodgate.renderer.wording import counted, listed

_PROFILES = ("RuntimeDefault", "Unconfined", "Localhost")
_FIX_KERNELS = "say which kernels the nodes run ({}: spec.nodeGroups[].kernels, or spec.inventory)"


def problems(target: Target) -> Iterator[Finding]:
    """Report kernels that are not known or that no label can name, and fields with which no pod can run."""
    if (label := kernels.label_of(target.variant.spec)) in map_of(target.variant.spec.get("selector")):
        message = f"{label} is the label that tells the kernels apart: each DaemonSet selects its own value of it"
        fix = "remove it here; kernelMappings say which kernels get the driver"
        yield target.variant.merged.finding(("selector", label), "SCH112", message, fix)
        return
    yield from _kernels(target)
    yield from _groups_without_kernels(target)
    yield from _names(target.variant)
    yield from _mounts(target.variant)
    yield from _refused_fields(target.variant)
    yield from _rights(target.variant)
    yield from _options_without_effect(target.variant)


def _kernels(target: Target) -> Iterator[Finding]:
    variant, cluster = target.variant, target.cluster
    if broken := list(_broken_expressions(variant)):  # whether another mapping takes a kernel does not matter then
        yield from broken
        return
    site = kernels.site(cluster)
    nodes = kernels.selected(variant.spec, site)
    found = kernels.kernels_of(variant.spec, site)
    fix = _FIX_KERNELS.format(cluster.document.file)
    if not found:
        what = "names no kernel of them" if nodes else "has no nodes with the labels of the selector"
        path: FieldPath = ("clusters",) if nodes else ("selector",)
        if site.nodes and not nodes:
            fix = f"correct the selector, or give a node group of {cluster.document.file} these labels"
        message = f"a DaemonSet loads the driver on one kernel of the nodes, and cluster {cluster.name} {what}"
        yield variant.merged.finding(path, "REF010", message, fix)
        return
    taken = [kernel for kernel, _ in kernels.resolved(as_module(variant), found)]
    running = {kernel for group in nodes for kernel in group.running}
    for kernel in found:
        if kernel not in taken and kernel in running:
            message = f"no mapping takes kernel {kernel} of cluster {cluster.name}: its nodes get no DaemonSet"
            finding = variant.merged.finding(("kernelMappings",), "REF010", message, "add a mapping for the kernel")
            yield replace(finding, severity=Severity.WARNING, mode=Mode.WARN) if taken else finding
    yield from _labels(variant, taken, cluster.name)


def _broken_expressions(variant: Variant) -> Iterator[Finding]:
    for problem in bad_regexp(Review(as_module(variant))):
        path: FieldPath = ("kernelMappings", *problem.path[-2:])
        yield variant.merged.finding(path, "KMM203", problem.message, problem.fix)


def _groups_without_kernels(target: Target) -> Iterator[Finding]:
    """Report selected nodes whose kernel nobody names, where that of others is known."""
    variant, cluster = target.variant, target.cluster
    found = kernels.kernels_of(variant.spec, kernels.site(cluster))
    for index, group in enumerate(cluster.nodes if found else ()):
        if group.count and not group.kernels and kernels.selects(variant.spec, group.node_labels):
            path: FieldPath = ("spec", "inventory") if cluster.has_inventory else ("spec", "nodeGroups", index)
            message = (
                f"no kernel is named of {group.name} ({counted(group.count, 'node')}): driver {variant.driver.name} "
                f"has DaemonSets for {listed(found, 3)} alone, and nodes with another kernel do not get it"
            )
            fix = "say which kernels the nodes run (kernels), or give an inventory that shows them (spec.inventory)"
            finding = finding_at(cluster.document, path, "REF010", message, fix)
            yield replace(finding, severity=Severity.WARNING, mode=Mode.WARN)


def _labels(variant: Variant, taken: list[str], cluster: str) -> Iterator[Finding]:
    """Report kernels whose nodes no label tells from others."""
    key = kernels.label_of(variant.spec)
    values: dict[str, str] = {}
    for kernel in taken:
        value = kernels.label_value(key, kernel)
        if not value:
            message = f"kernel {kernel} of cluster {cluster} {kernels.why_no_label(kernel)}: nodes have no {NFD_LABEL}"
            fix = (
                "label the nodes of such kernels yourself and name the label: daemonset: {kernelLabel: "
                "example.com/kernel}; its value is the kernel with _ for every other character, cut to 63, and ends in "
                "a letter or digit"
            )
            yield variant.merged.finding(("delivery",), "REF011", message, fix)
        elif values.setdefault(value, kernel) != kernel:
            message = f"kernels {values[value]} and {kernel} of cluster {cluster} have the same label {key}={value}"
            fix = "leave one of them out, or deliver the driver by KMM there (delivery: kmm)"
            yield variant.merged.finding(("daemonset", "kernelLabel"), "REF011", message, fix)


def _names(variant: Variant) -> Iterator[Finding]:
    spec = variant.spec
    options, plugin = map_of(spec.get("daemonset")), map_of(spec.get("devicePlugin"))
    yield from _taken(variant, ("daemonset", "volumes"), OWN_VOLUMES)
    shared = (*OWN_VOLUMES, *(str(map_of(item).get("name")) for item in items_of(options.get("volumes"))))
    own = ("kubelet-device-plugins", "script") if options.get("separate") else shared
    yield from _taken(variant, ("devicePlugin", "volumes"), own)
    if plugin and "serviceAccountName" in plugin and not options.get("separate"):
        message = "the device plugin is a container of the pod that loads the driver, which has one ServiceAccount"
        fix = "write serviceAccountName beside devicePlugin, or daemonset: {separate: true}"
        yield variant.merged.finding(("devicePlugin", "serviceAccountName"), "SCH112", message, fix)
    taken = set[str]()
    for index, item in enumerate(items_of(options.get("env"))):
        name = str(map_of(item).get("name"))
        if name in taken:
            message, fix = f"the containers have a variable {name} already", "keep one of the two"
            yield variant.merged.finding(("daemonset", "env", index, "name"), "SCH105", message, fix)
        taken.add(name)
        if name.startswith(OWN_VARIABLES):
            message = f"{name} is a setting of the script that loads the driver"
            fix = f"give it a name that does not begin with {OWN_VARIABLES}"
            yield variant.merged.finding(("daemonset", "env", index, "name"), "SCH105", message, fix)


def _mounts(variant: Variant) -> Iterator[Finding]:
    """Report mounts of volumes that the pod has not, and two at one path."""
    options = map_of(variant.spec.get("daemonset"))
    known = {*OWN_VOLUMES, *(str(map_of(item).get("name")) for item in items_of(options.get("volumes")))}
    taken = set(OWN_FOLDERS)
    for index, item in enumerate(items_of(options.get("volumeMounts"))):
        name, folder = str(map_of(item).get("name")), str(map_of(item).get("mountPath")).rstrip("/")
        if folder in taken:
            message, fix = f"something is mounted at {folder} already", "mount it at another path"
            yield variant.merged.finding(("daemonset", "volumeMounts", index, "mountPath"), "SCH105", message, fix)
        taken.add(folder)
        if name not in known:
            message = f"the pod has no volume {name!r}"
            fix = f"add the volume to daemonset.volumes, or name one of {listed(sorted(known), 9)}"
            yield variant.merged.finding(("daemonset", "volumeMounts", index, "name"), "SCH112", message, fix)


def _refused_fields(variant: Variant) -> Iterator[Finding]:
    """Report what the API server refuses of the containers that load and hold, by the rules about plugins."""
    options = map_of(variant.spec.get("daemonset"))
    container: JsonMap = {key: options[key] for key in ("env", "resources", "volumeMounts") if key in options}
    plugin: JsonMap = {"container": container, "volumes": options.get("volumes", [])}
    review = Review({"kind": "Module", "spec": {"devicePlugin": plugin}})
    for rule in (volume_refused, mount_refused, variable_refused, resources_refused):
        for problem in rule(review):
            steps = problem.path[len(("spec", "devicePlugin")) :]
            path: FieldPath = ("daemonset", *(steps[1:] if steps[0] == "container" else steps))
            finding = variant.merged.finding(path, "SCH104", problem.message, problem.fix)
            is_warning = problem.severity is Severity.WARNING
            yield replace(finding, severity=Severity.WARNING, mode=Mode.WARN) if is_warning else finding


def _rights(variant: Variant) -> Iterator[Finding]:
    """Report rights with which no module can be loaded: only root has its capabilities in effect."""
    own = map_of(map_of(variant.spec.get("daemonset")).get("securityContext"))
    path: FieldPath = ("daemonset", "securityContext")
    what = "a module is loaded with CAP_SYS_MODULE, which only root has in effect"
    if own.get("runAsUser", 0) != 0:
        yield variant.merged.finding((*path, "runAsUser"), "SCH112", what, "remove runAsUser")
    yield from _impossible_rights(variant, own)
    if own.get("privileged") is False and "firmwarePath" in map_of(variant.spec.get("modprobe")):
        message = "where firmware lies is written into /sys, which only a privileged container may write"
        yield variant.merged.finding((*path, "privileged"), "SCH112", message, "remove privileged")
    if own.get("runAsNonRoot") is True:
        yield variant.merged.finding((*path, "runAsNonRoot"), "SCH112", what, "remove runAsNonRoot")


def _impossible_rights(variant: Variant, own: JsonMap) -> Iterator[Finding]:
    """Report what of a security context the API server refuses.

    Source: validation of SecurityContext in Kubernetes (pkg/apis/core/validation).
    """
    path: FieldPath = ("daemonset", "securityContext")
    added = items_of(map_of(own.get("capabilities")).get("add"))
    # it looks for the capability under this name alone
    if own.get("allowPrivilegeEscalation") is False and (own.get("privileged") is True or "CAP_SYS_ADMIN" in added):
        message = "cannot be false for a container that is privileged or has CAP_SYS_ADMIN"
        field = "allowPrivilegeEscalation"
        yield variant.merged.finding((*path, field), "SCH112", message, "remove it")
    if "windowsOptions" in own:
        message = "is for Windows, whose kernel takes no module of Linux"
        yield variant.merged.finding((*path, "windowsOptions"), "SCH112", message, "remove it")
    if own.get("procMount", "Default") != "Default":
        message = "the pods share the users of the node, and then have the usual /proc"
        yield variant.merged.finding((*path, "procMount"), "SCH112", message, "remove it")
    for key in ("seccompProfile", "appArmorProfile"):
        profile = map_of(own.get(key))
        if (profile.get("type") == "Localhost") is not ("localhostProfile" in profile):
            message = "a profile of the node is named by both type: Localhost and localhostProfile"
            yield variant.merged.finding((*path, key), "SCH112", message, "write both, or another type alone")
        elif profile and profile.get("type") not in _PROFILES:
            fix = f"one of: {', '.join(_PROFILES)}"
            yield variant.merged.finding((*path, key, "type"), "SCH104", "is no type of profile", fix)


def _options_without_effect(variant: Variant) -> Iterator[Finding]:
    """Report options whose other half is missing."""
    spec = variant.spec
    options = map_of(spec.get("daemonset"))
    if options.get("separate") is True and "devicePlugin" not in spec:
        message = "puts a device plugin into pods of its own, and the driver has none"
        yield variant.merged.finding(("daemonset", "separate"), "SCH112", message, "remove it, or add devicePlugin")
    if "firmwareHostPath" in options and "firmwarePath" not in map_of(spec.get("modprobe")):
        message = "is where firmware of the image goes on the node, and no firmwarePath says which firmware"
        fix = "remove it, or add modprobe: {firmwarePath: <folder in the image>}"
        yield variant.merged.finding(("daemonset", "firmwareHostPath"), "SCH112", message, fix)


def _taken(variant: Variant, path: FieldPath, taken: tuple[str, ...]) -> Iterator[Finding]:
    """Report volumes of a name that the pod has already."""
    seen = set(taken)
    for index, item in enumerate(items_of(map_of(variant.spec.get(str(path[0]))).get(str(path[1])))):
        name = str(map_of(item).get("name"))
        is_taken = name in seen
        seen.add(name)
        if is_taken:
            fix = f"give it a name that is not one of {listed(sorted(seen), 9)}"
            message = f"the pod has a volume {name!r} already"
            yield variant.merged.finding((*path, index, "name"), "SCH105", message, fix)
