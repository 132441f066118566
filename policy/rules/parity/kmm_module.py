"""KMM: what the webhooks of the Kernel Module Management operator refuse, with the field that they do not name.

Source: internal/webhook/module.go, preflight.go and hub/managedclustermodule_webhook.go of Kernel Module Management.
KMM stops at the first mistake; here every mistake is a finding.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from kmodgate.policy.findings import FieldPath, Problem
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.formats.kubernetes_names import is_dns1123_subdomain
from kmodgate.policy.kmm.kinds import PREFLIGHT_KINDS
from kmodgate.policy.kmm.versions import DRA_KUBERNETES, NEXT_REDHAT, NEXT_UPSTREAM, numbers
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.present import DRA, PLUGINS, SIGNS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule

_ALLOWED_HOST_PATHS = ("/dev", "/sys", "/var", "/opt", "/run")
_HOST_PATHS_OF_PATCHES = _ALLOWED_HOST_PATHS[:-1]
"""The paths that Red Hat's 2.5 and 2.6 allow, to which the check came by patches."""
_SEPARATORS = lazy_regex(r"[.,-]")

# -- identity, plugin, DRA ------------------------------------------------------------------------


@rule("KMM101", kinds=("Module",))
def name_too_long(review: Review) -> Iterator[Problem]:
    """Name and namespace of a Module are too long together: 41 characters at most, 40 before KMM's main branch.

    KMM makes node labels of both. It checks always, although its message speaks of versions.

    Fix: shorten the name of the Module or of its namespace.
    Source: validateModule in internal/webhook/module.go.
    """
    metadata = review.module.metadata
    prefix = metadata.text("generateName")
    # the API server has completed a generateName, with five characters, before the webhook sees it
    name = metadata.text("name") or (f"{prefix[:58]}#####" if prefix else "")
    length = len((name + metadata.text("namespace")).encode("utf-8", "surrogatepass"))
    limit = 40
    if length > limit and review.cluster.release.has_next:
        limit = 41
    if length > limit:
        message = f"name and namespace have {length} characters together, and KMM allows {limit}"
        yield metadata.problem(
            "name", message, "shorten the name, or move the driver to a namespace with a shorter name"
        )


@rule("KMM102", kinds=("Module",), since=NEXT_UPSTREAM, redhat=NEXT_REDHAT, needs=DRA)
def dra_needs_newer_kubernetes(review: Review) -> Iterator[Problem]:
    """`dra` on a cluster whose Kubernetes is older than 1.34.

    Fix: remove `dra` for this cluster, or upgrade Kubernetes; KMM's webhook must be restarted after the upgrade.
    Source: validateDRA in internal/webhook/module.go.
    """
    version = review.cluster.release.kubernetes
    if version and review.module.spec.optional("dra") and numbers(version) < numbers(DRA_KUBERNETES):
        message = f"needs Kubernetes {DRA_KUBERNETES}, and the cluster has {version}"
        yield review.module.spec.problem("dra", message, "remove it for this cluster, or upgrade Kubernetes")


@rule("KMM103", since=NEXT_UPSTREAM, redhat=NEXT_REDHAT, needs=DRA)
def dra_driver_name(review: Review) -> Iterator[Problem]:
    """The name of a DRA driver is missing or not a DNS subdomain.

    Fix: name it like a domain: `gpu.example.com`.
    Source: validateDRA in internal/webhook/module.go.
    """
    dra = review.module.spec.optional("dra")
    if dra is not None and not is_dns1123_subdomain(dra.text("driverName")):
        yield dra.problem("driverName", f"{dra.text('driverName')!r} is not a DNS subdomain", _SUBDOMAIN)


@rule("KMM104", since=NEXT_UPSTREAM, redhat=NEXT_REDHAT, needs=DRA)
def device_class_name(review: Review) -> Iterator[Problem]:
    """The name of a DeviceClass is missing, not a DNS subdomain, or stands twice.

    Fix: give each class a name of its own, like a domain.
    Source: validateDRA in internal/webhook/module.go.
    """
    seen: set[str] = set()
    for item in review.module.device_classes:
        name = item.text("name")
        if not is_dns1123_subdomain(name):
            yield item.problem("name", f"{name!r} is not a DNS subdomain", _SUBDOMAIN)
        elif name in seen:
            yield item.problem("name", f"{name!r} stands twice", "give each class a name of its own")
        seen.add(name)


@rule(
    "KMM105",
    since=NEXT_UPSTREAM,
    redhat={"2.5": "2.5.2", "2.6": "2.6.1", "2.7": "2.7.0"},
    needs=PLUGINS,
)
def host_path(review: Review) -> Iterator[Problem]:
    """A volume of a device plugin or DRA driver mounts a path of the node that KMM does not allow.

    Allowed are /dev, /sys, /var, /opt, /run and what is below them, after `..` and `//` have been worked out. Red Hat's
    2.5.2, 2.6.1 and later patches of these lines refuse /run, too; 2.5.1, 2.6.0 and what came before take any path.

    Fix: mount a path below one of these.
    Source: validateHostPathVolumes in internal/webhook/module.go.
    """
    release = review.cluster.release
    paths = _HOST_PATHS_OF_PATCHES if release.redhat and not release.has("2.7") else _ALLOWED_HOST_PATHS
    for volume in review.module.volumes:
        mount = volume.optional("hostPath")
        if mount is not None and not _is_below(mount.text("path"), paths):
            allowed = ", ".join(paths)
            yield mount.problem("path", f"{mount.text('path')!r} is not below {allowed}", f"use a path below {allowed}")


def _is_below(path: str, allowed: Iterable[str]) -> bool:
    clean = posixpath.normpath(re.sub("^/+", "/", path))
    return any(clean == root or clean.startswith(f"{root}/") for root in allowed)


_SUBDOMAIN = "use lower-case letters, digits, '-' and '.', a letter or digit at both ends"

# -- kernel mappings ------------------------------------------------------------------------------


# -- tolerations ----------------------------------------------------------------------------------


# -- modprobe and sign ----------------------------------------------------------------------------


@rule("KMM401")
def module_name_and_raw_arguments(review: Review) -> Iterator[Problem]:
    """`rawArgs` beside `moduleName`.

    Fix: keep moduleName with args and parameters, or describe everything in rawArgs.
    Source: validateModprobe in internal/webhook/module.go.
    """
    modprobe = review.module.modprobe
    raw = modprobe.map("rawArgs")
    if modprobe.text("moduleName") and (raw.value.get("load") or raw.value.get("unload")):
        yield modprobe.problem("rawArgs", "beside moduleName, which excludes it", "keep one of the two")


@rule("KMM402", since="2.1")
def nothing_to_load(review: Review) -> Iterator[Problem]:
    """Neither `moduleName` nor both lists of `rawArgs`.

    Fix: give moduleName, or rawArgs.load and rawArgs.unload.
    Source: validateModprobe in internal/webhook/module.go.
    """
    modprobe = review.module.container.optional("modprobe")
    if modprobe is None:
        return  # which its schema says
    raw = modprobe.map("rawArgs")
    if not modprobe.text("moduleName") and not (raw.value.get("load") and raw.value.get("unload")):
        fix = "give moduleName, or both rawArgs.load and rawArgs.unload"
        yield modprobe.problem("moduleName", "missing, and rawArgs is not complete", fix)


@rule("KMM403")
def loading_order(review: Review) -> Iterator[Problem]:
    """`modulesLoadingOrder` that does not begin with moduleName, has one entry only, or names a module twice.

    The first depends on the second, and so on: the last is loaded first.

    Fix: begin with moduleName, then what it depends on, each once.
    Source: validateModprobe in internal/webhook/module.go.
    """
    modprobe = review.module.modprobe
    order, name = modprobe.value.get("modulesLoadingOrder"), modprobe.text("moduleName")
    if type(order) is not list:
        return
    path: FieldPath = (*modprobe.path, "modulesLoadingOrder")
    if not name:
        problem = Problem(path, "means nothing without moduleName", "give moduleName")
        yield problem._replace(told_by="KMM402")
        return
    if len(order) < 2:
        yield _too_short(path, order, name)
    elif order[0] != name:
        is_same = in_kernel_form(str(order[0]).strip()) == in_kernel_form(name.strip())
        fix = f"write {name.strip()}, letter by letter" if is_same else "begin the list with moduleName"
        yield Problem((*path, 0), f"{order[0]!r} is not moduleName, {name!r}", fix)
    seen: set[str] = set()
    for place, item in modprobe.texts("modulesLoadingOrder"):
        if item in seen:
            yield Problem(place, f"{item!r} stands twice", "keep one of the two")
        seen.add(item)


def _too_short(path: FieldPath, order: list[object], name: str) -> Problem:
    """The problem of a loading order with fewer than two entries."""
    words = str(order[0]).replace(",", " ").split() if order else []
    if len(words) > 1 and words[0] == name:
        return Problem(
            path, f"needs two modules at least, and {order[0]!r} is one entry", f"write [{', '.join(words)}]"
        )
    if order == [name]:
        fix = "add what moduleName depends on, or remove modulesLoadingOrder"
    else:
        fix = f"write {name} first, and then what it depends on, or remove modulesLoadingOrder"
    return Problem(path, f"needs two modules at least, and has {len(order)}", fix)


@rule("KMM501", since="2.6", needs=SIGNS)
def nothing_to_sign(review: Review) -> Iterator[Problem]:
    """A `sign` block without files; the files of the other level do not count.

    Fix: list the module files to sign.
    Source: validateSignSection in internal/webhook/module.go.
    """
    for sign in review.module.signs:
        if not sign.value.get("filesToSign"):
            yield sign.problem("filesToSign", "missing", "list the module files that are to be signed")


@rule("KMM502", since="2.6", needs=SIGNS)
def file_outside_dir_name(review: Review) -> Iterator[Problem]:
    """A file to sign whose path does not begin with dirName and a slash, letter by letter.

    A dirName that ends in a slash therefore refuses every usual path.

    Fix: begin the path with dirName; write dirName without a slash at its end.
    Source: validateSignSection in internal/webhook/module.go.
    """
    start = f"{review.module.dir_name}/"
    cause = "INJ102" if start.startswith("/") else "INJ105"
    shown = start if len(start) <= _LONGEST_SHOWN else f"{start[:_LONGEST_SHOWN]}…"
    files = review.module.files_to_sign
    outside = [item for item in files if not item[1].startswith(start)]
    if outside[1:] and len(outside) == len(files):  # one slip in dirName
        path, file = outside[0]
        message = f"{file!r} and all other files, {len(files)} in number, do not begin with {shown!r}"
        yield Problem(path, message, f"correct dirName, or begin all files with {shown}", told_by=cause)
        return
    for path, file in outside:
        message, fix = f"{file!r} does not begin with {shown!r}", f"begin it with {shown}, or correct dirName"
        yield Problem(path, message, fix, told_by=cause)


_LONGEST_SHOWN = 64
"""Characters of dirName that are quoted beside each file: more would be written out once for every one of them."""


# -- updates, other kinds -------------------------------------------------------------------------


@rule("KMM601", operations=("UPDATE",), needs=lambda review: review.old_module)
def version_added_or_removed(review: Review) -> Iterator[Problem]:
    """The version of an existing Module is added or taken away.

    Fix: delete the Module and create it again, or leave the version as it was.
    Source: ValidateUpdate in internal/webhook/module.go.
    """
    old, new = review.old_module, review.module
    if old and old.loader and new.loader and bool(old.container.text("version")) != bool(new.container.text("version")):
        was = "had none" if new.container.text("version") else f"had {old.container.text('version')}"
        message = f"cannot be added to or taken from a Module that exists, which {was}"
        yield new.container.problem("version", message, "delete the Module and create it again, or keep it as it was")


@rule("KMM801", kinds=PREFLIGHT_KINDS)
def preflight_kernel(review: Review) -> Iterator[Problem]:
    """The kernel version of a preflight validation is empty, or has fewer than three parts between `.`, `,` and `-`.

    Fix: write what `uname -r` prints on a node with that kernel.
    Source: internal/webhook/preflight.go.
    """
    spec = review.object.get("spec")
    version = spec.get("kernelVersion", "") if isinstance(spec, dict) else ""
    if isinstance(version, str) and len(_SEPARATORS.split(version)) < 3:
        yield Problem(
            ("spec", "kernelVersion"), f"{version!r} is not a kernel version", "write it as uname -r prints it"
        )
