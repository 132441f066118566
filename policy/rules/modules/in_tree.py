"""LDR2: drivers that a distribution ships, too, under the same name."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence

from kmodgate.policy.cluster.facts import Object, as_map
from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.formats.kernel_module_names import (
    BLACKLIST_ARGUMENT,
    configures_modprobe,
    in_kernel_form,
    name_of_file,
)
from kmodgate.policy.kmm.in_tree_modules import NAMES
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.boot_config import boot_config
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.part import Part

_LINE = lazy_regex(
    r"^[^\S\n]*(?:blacklist\s+(\S+)|install\s+(\S+)\s+/(?:usr/)?bin/(?:true|false))[^\S\n]*$", re.MULTILINE
)


@rule("LDR201", facts=True, severity=Severity.WARNING)
def namesake_in_the_kernel(review: Review) -> Iterator[Problem]:
    """A module to load has the name of one that distributions ship with their kernels, and nothing removes that one.

    The node may load its own at boot, or when its device is first used. modprobe then finds the name loaded and does
    nothing, KMM says that the Module is ready, and the driver of the distribution runs. Nothing is said where the
    container or every mapping removes the name, or where it is blacklisted: by `nodeGroups[].blacklist` of the Cluster
    spec, or by a MachineConfig; nor where a MachineConfig or a BootModuleConfig loads the driver at boot, in its place.

    The list of names comes from the kernel packages of Debian 12 and 13 for amd64 and arm64, from reports of KMM's
    users, and from a few drivers of Linux that Debian does not build (`efa`, `qat_4xxx`). Red Hat and Ubuntu build the
    same source. A module that only one distribution adds, such as Ubuntu's `zfs`, is not in the list.

    Fix: add the name to inTreeModulesToRemove, which fails while something uses the driver, or blacklist it on the
    nodes, which takes effect at their next boot.
    Source: internal/worker of Kernel Module Management; modprobe(8), modprobe.d(5), kernel parameters of Linux.
    """
    module = review.module
    names = [(path, name, plain) for path, name in module.names if (plain := in_kernel_form(name)) in NAMES]
    removed = _removed(module) if names else ()
    told: set[str] = set()
    for path, name, plain in names if module.loader else ():
        if plain in removed or plain in told or _is_blacklisted(review, plain):
            continue
        told.add(plain)
        message = f"distributions ship a module {name}, too: where the node has loaded it, modprobe does nothing"
        fix = (
            f"add {name} to inTreeModulesToRemove, which fails while the driver is in use, or blacklist it on the nodes"
            " (blacklist of the node group), which takes effect at the next boot"
        )
        yield Problem(path, message, fix)


def _removed(module: ModuleView) -> set[str]:
    """The names that are removed before loading, on every kernel. The list of a mapping takes the container's place."""
    by_level = {
        id(level.value): {in_kernel_form(name_of_file(name)) for _, name in names} for level, names in module.to_remove
    }
    common = by_level.get(id(module.container.value), set())
    mappings = [
        by_level.get(id(mapping.part.value), set()) if _has_removals(mapping.part) else common
        for mapping in module.mappings
    ]
    return set.intersection(*mappings) if mappings else common


def _has_removals(level: Part) -> bool:
    """Whether a level says what is removed, nothing included: `[]`."""
    return bool(level.text("inTreeModuleToRemove")) or type(level.value.get("inTreeModulesToRemove")) is list


def _is_blacklisted(review: Review, name: str) -> bool:
    """Whether no node of the Module loads its own module of a name: by the description of nodes, or a MachineConfig."""
    nodes = review.placement.selected
    if nodes and all(name in node.blacklist for node in nodes):
        return True
    configs = [*review.known.listing("MachineConfig").objects, *_boot_module_configs(review)]
    at_boot = (boot_config(item) for item in configs)
    is_loaded = any(found is not None and in_kernel_form(found.module) == name for found in at_boot)
    return is_loaded or any(name in blacklisted(item) for item in configs)


def _boot_module_configs(review: Review) -> Sequence[Object]:
    """The BootModuleConfigs of the Module's namespace."""
    return review.known.listing("BootModuleConfig", review.module.metadata.text("namespace")).objects


def blacklisted(machine_config: Object) -> set[str]:
    """Return the names of the kernel modules that a MachineConfig keeps from being loaded.

    Source: MachineConfig of OpenShift, spec.kernelArguments; storage.files of Ignition, whose contents are data URLs.
    """
    spec = as_map(machine_config.get("spec"))
    arguments = spec.get("kernelArguments")
    texts = [text for text in (arguments if isinstance(arguments, list) else ()) if isinstance(text, str)]
    found = {name for text in texts for match in BLACKLIST_ARGUMENT.finditer(text) for name in match[1].split(",")}
    files = as_map(as_map(spec.get("config")).get("storage")).get("files")
    for file in files if isinstance(files, list) else ():
        path = str(as_map(file).get("path", ""))
        if configures_modprobe(path):
            text = _decoded(str(as_map(as_map(file).get("contents")).get("source", "")))
            found.update(match[1] or match[2] for match in _LINE.finditer(text))
    return {in_kernel_form(name) for name in found}


def _decoded(url: str) -> str:
    """The text of a data URL; empty where it is none, or compressed."""
    head, comma, data = url.partition(",")
    if not head.startswith("data:") or not comma:
        return ""
    plain = _ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), data.encode("utf-8", "replace"))
    try:
        plain = base64.b64decode(plain, validate=True) if head.endswith(";base64") else plain
    except ValueError:
        return ""
    return plain.decode("utf-8", "replace")


_ESCAPED = lazy_regex(rb"%([0-9A-Fa-f]{2})")
