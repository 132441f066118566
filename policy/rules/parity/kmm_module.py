"""KMM: what the webhooks of the Kernel Module Management operator refuse, with the field that they do not name.

Source: internal/webhook/module.go, preflight.go and hub/managedclustermodule_webhook.go of Kernel Module Management.
KMM stops at the first mistake; here every mistake is a finding.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from kmodgate.policy.engine import rule
from kmodgate.policy.findings import FieldPath, Problem, quoted
from kmodgate.policy.formats.go_regexps import BadPattern
from kmodgate.policy.formats.kubernetes_names import is_dns1123_subdomain, is_label_value, is_qualified_name
from kmodgate.policy.kmm.versions import DRA_KUBERNETES, numbers
from kmodgate.policy.review import PREFLIGHT_KINDS, Review

_ALLOWED_HOST_PATHS = ("/dev", "/sys", "/var", "/opt", "/run")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_SEPARATORS = re.compile(r"[.,-]")

# -- identity, plugin, DRA ------------------------------------------------------------------------


@rule("KMM101", kinds=("Module",), needs="unusual.name")
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
    if length > limit and review.release.has("2.7" if review.release.redhat else "head"):
        limit = 41
    if length > limit:
        message = f"name and namespace have {length} characters together, and KMM allows {limit}"
        yield metadata.problem(
            "name", message, "shorten the name, or move the driver to a namespace with a shorter name"
        )


@rule("KMM102", kinds=("Module",), since="head", redhat="2.7", needs="unusual.dra")
def dra_needs_newer_kubernetes(review: Review) -> Iterator[Problem]:
    """`dra` on a cluster whose Kubernetes is older than 1.34.

    Fix: remove `dra` for this cluster, or upgrade Kubernetes; KMM's webhook must be restarted after the upgrade.
    Source: validateDRA in internal/webhook/module.go.
    """
    version = review.release.kubernetes
    if version and review.module.spec.optional("dra") and numbers(version) < numbers(DRA_KUBERNETES):
        message = f"needs Kubernetes {DRA_KUBERNETES}, and the cluster has {version}"
        yield review.module.spec.problem("dra", message, "remove it for this cluster, or upgrade Kubernetes")


@rule("KMM103", since="head", redhat="2.7", needs="unusual.dra")
def dra_driver_name(review: Review) -> Iterator[Problem]:
    """The name of a DRA driver is missing or not a DNS subdomain.

    Fix: name it like a domain: `gpu.example.com`.
    Source: validateDRA in internal/webhook/module.go.
    """
    dra = review.module.spec.optional("dra")
    if dra is not None and not is_dns1123_subdomain(dra.text("driverName")):
        yield dra.problem("driverName", f"{dra.text('driverName')!r} is not a DNS subdomain", _SUBDOMAIN)


@rule("KMM104", since="head", redhat="2.7", needs="unusual.dra")
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


@rule("KMM105", since="head", redhat="2.7", needs="unusual.host_paths")
def host_path(review: Review) -> Iterator[Problem]:
    """A volume of a device plugin or DRA driver mounts a path of the node that KMM does not allow.

    Allowed are /dev, /sys, /var, /opt, /run and what is below them, after `..` and `//` have been worked out.

    Fix: mount a path below one of these.
    Source: validateHostPathVolumes in internal/webhook/module.go.
    """
    for volume in review.module.volumes:
        mount = volume.optional("hostPath")
        if mount is not None and not _is_allowed(mount.text("path")):
            allowed = ", ".join(_ALLOWED_HOST_PATHS)
            yield mount.problem("path", f"{mount.text('path')!r} is not below {allowed}", f"use a path below {allowed}")


def _is_allowed(path: str) -> bool:
    clean = posixpath.normpath(re.sub("^/+", "/", path))
    return any(clean == allowed or clean.startswith(f"{allowed}/") for allowed in _ALLOWED_HOST_PATHS)


_SUBDOMAIN = "use lower-case letters, digits, '-' and '.', a letter or digit at both ends"

# -- kernel mappings ------------------------------------------------------------------------------


@rule("KMM201", needs="unusual.mappings")
def literal_and_regexp(review: Review) -> Iterator[Problem]:
    """A kernel mapping has both a literal and a regexp.

    Fix: keep one; for both, write two mappings.
    Source: validateModuleLoaderContainerSpec in internal/webhook/module.go.
    """
    for mapping in review.module.literals:
        if mapping.regexp:
            yield mapping.part.problem(
                "regexp", "beside a literal, which excludes it", "keep one, or write two mappings"
            )


@rule("KMM202", needs="unusual.mappings")
def neither_literal_nor_regexp(review: Review) -> Iterator[Problem]:
    """A kernel mapping has neither a literal nor a regexp, or both are empty.

    Fix: give a literal for one kernel, or a regexp for a family of kernels.
    Source: validateModuleLoaderContainerSpec in internal/webhook/module.go.
    """
    for mapping in review.module.mappings:
        if not mapping.literal and not mapping.regexp:
            fix = "give literal for one kernel, or regexp for a family of kernels"
            yield Problem(mapping.part.path, "neither literal nor regexp is given", fix)


@rule("KMM203", needs="unusual.mappings")
def bad_regexp(review: Review) -> Iterator[Problem]:
    """The regexp of a kernel mapping is none that Go can compile.

    Look-around, backreferences, possessive quantifiers and `\\Z` are not part of Go's RE2 syntax.

    Fix: write it in RE2 syntax: https://github.com/google/re2/wiki/Syntax
    Source: validateModuleLoaderContainerSpec in internal/webhook/module.go; regexp/syntax of Go.
    """
    for mapping in review.module.mappings:
        if isinstance(mapping.pattern, BadPattern):
            fix = "KMM matches with Go's RE2 syntax; correct the expression, and escape what is meant literally"
            yield mapping.part.problem("regexp", _why(mapping.pattern.reason, mapping.regexp), fix)


def _why(reason: str, regexp: str) -> str:
    """The reason, with the expression if RE2 has not put it there already."""
    return reason if regexp in reason else f"{reason}: {quoted(regexp)}"


@rule("KMM204", needs="unusual.mappings")
def no_image(review: Review) -> Iterator[Problem]:
    """A kernel mapping without an image, and none at the container that could stand in.

    Fix: give the mapping or the container a containerImage.
    Source: validateModuleLoaderContainerSpec in internal/webhook/module.go.
    """
    for mapping in review.module.mappings:
        if not mapping.image:
            yield mapping.part.problem(
                "containerImage", "missing, also at the container", "give one of the two an image"
            )


@rule("KMM205", since="2.2", needs="unusual.images")
def image_without_tag(review: Review) -> Iterator[Problem]:
    """An image without a tag or digest.

    KMM looks for a `:` or `@` anywhere, so the port of a registry passes for a tag; IMG101 sees through that.

    Fix: append a tag or a digest.
    Source: validateImageFormat in internal/webhook/module.go.
    """
    for path, image in review.module.images:
        if ":" not in image and "@" not in image:
            yield Problem(path, f"{image} has neither tag nor digest", f"name the version: {image}:1.0.0")


@rule("KMM206", needs="unusual.removals")
def list_and_single_removal(review: Review) -> Iterator[Problem]:
    """`inTreeModulesToRemove` beside the deprecated `inTreeModuleToRemove`, on one level or across levels.

    A list counts as given even when it is empty.

    Fix: keep the list, with all modules in it.
    Source: validateModuleLoaderContainerSpec in internal/webhook/module.go.
    """
    container = review.module.container
    for level in review.module.levels:
        has_list, single = "inTreeModulesToRemove" in level.value, level.text("inTreeModuleToRemove")
        if has_list and single:
            yield level.problem("inTreeModuleToRemove", "beside inTreeModulesToRemove", _KEEP_THE_LIST)
        elif level is not container:
            if has_list and container.text("inTreeModuleToRemove"):
                yield level.problem("inTreeModulesToRemove", "the container has inTreeModuleToRemove", _KEEP_THE_LIST)
            elif single and "inTreeModulesToRemove" in container.value:
                yield level.problem("inTreeModuleToRemove", "the container has inTreeModulesToRemove", _KEEP_THE_LIST)


_KEEP_THE_LIST = "use inTreeModulesToRemove everywhere"

# -- tolerations ----------------------------------------------------------------------------------


@rule("KMM301", since="2.3", needs="unusual.tolerations")
def toleration_key(review: Review) -> Iterator[Problem]:
    """The key of a toleration is not a label key, or is empty while the operator is not Exists.

    Fix: write `name` or `domain/name`; to tolerate every taint, leave the key out and set `operator: Exists`.
    Source: validateTolerations in internal/webhook/module.go.
    """
    for item in review.module.tolerations:
        key = item.text("key")
        if key and not is_qualified_name(key):
            yield item.problem("key", f"{key!r} is not a label key", "write it as name or domain/name")
        elif not key and item.text("operator") != "Exists":
            yield item.problem(
                "operator", "must be Exists where there is no key", "name a key, or set operator: Exists"
            )


@rule("KMM302", since="2.3", needs="unusual.tolerations")
def toleration_value(review: Review) -> Iterator[Problem]:
    """The value of a toleration is not a label value, or is given although the operator is Exists.

    Fix: correct the value, or remove it.
    Source: validateTolerations in internal/webhook/module.go.
    """
    for item in review.module.tolerations:
        operator, value = item.text("operator"), item.text("value")
        if operator in ("", "Equal") and not is_label_value(value):
            fix = "use at most 63 letters, digits, '-', '_' and '.'"
            yield item.problem("value", f"{value!r} is not a label value", fix)
        elif operator == "Exists" and value:
            yield item.problem("value", "must be empty with operator Exists", "remove it, or use operator: Equal")


@rule("KMM303", since="2.3", needs="unusual.tolerations")
def toleration_operator(review: Review) -> Iterator[Problem]:
    """The operator of a toleration is neither Equal nor Exists.

    Fix: use one of the two; left out it is Equal.
    Source: validateTolerations in internal/webhook/module.go.
    """
    for item in review.module.tolerations:
        if item.text("operator") not in ("", "Equal", "Exists"):
            yield item.problem("operator", f"{item.text('operator')!r} is unknown", "use Equal or Exists")


@rule("KMM304", since="2.3", needs="unusual.tolerations")
def toleration_effect(review: Review) -> Iterator[Problem]:
    """The effect of a toleration is unknown, or is not NoExecute although tolerationSeconds is given.

    Fix: use NoSchedule, PreferNoSchedule or NoExecute; seconds go with NoExecute only.
    Source: validateTolerations in internal/webhook/module.go.
    """
    for item in review.module.tolerations:
        effect = item.text("effect")
        if effect and effect not in _EFFECTS:
            yield item.problem("effect", f"{effect!r} is unknown", f"use one of: {', '.join(_EFFECTS)}")
        if "tolerationSeconds" in item.value and effect != "NoExecute":
            yield item.problem("effect", "must be NoExecute with tolerationSeconds", "remove tolerationSeconds")


# -- modprobe and sign ----------------------------------------------------------------------------


@rule("KMM401", needs="unusual.modprobe")
def module_name_and_raw_arguments(review: Review) -> Iterator[Problem]:
    """`rawArgs` beside `moduleName`.

    Fix: keep moduleName with args and parameters, or describe everything in rawArgs.
    Source: validateModprobe in internal/webhook/module.go.
    """
    modprobe = review.module.modprobe
    raw = modprobe.map("rawArgs")
    if modprobe.text("moduleName") and (raw.value.get("load") or raw.value.get("unload")):
        yield modprobe.problem("rawArgs", "beside moduleName, which excludes it", "keep one of the two")


@rule("KMM402", since="2.1", needs="unusual.modprobe")
def nothing_to_load(review: Review) -> Iterator[Problem]:
    """Neither `moduleName` nor both lists of `rawArgs`.

    Fix: give moduleName, or rawArgs.load and rawArgs.unload.
    Source: validateModprobe in internal/webhook/module.go.
    """
    modprobe = review.module.modprobe
    raw = modprobe.map("rawArgs")
    if (
        review.module.loader
        and not modprobe.text("moduleName")
        and not (raw.value.get("load") and raw.value.get("unload"))
    ):
        fix = "give moduleName, or both rawArgs.load and rawArgs.unload"
        yield modprobe.problem("moduleName", "missing, and rawArgs is not complete", fix)


@rule("KMM403", needs="unusual.modprobe")
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
    if len(order) < 2:
        yield Problem(
            path, f"needs two modules at least, and has {len(order)}", "add what moduleName depends on, or remove it"
        )
    if not name:
        yield Problem(path, "means nothing without moduleName", "give moduleName")
    elif order and order[0] != name:
        yield Problem((*path, 0), f"{order[0]!r} is not moduleName, {name!r}", "begin the list with moduleName")
    seen: set[str] = set()
    for place, item in modprobe.texts("modulesLoadingOrder"):
        if item in seen:
            yield Problem(place, f"{item!r} stands twice", "keep one of the two")
        seen.add(item)


@rule("KMM501", since="2.6", needs="unusual.files")
def nothing_to_sign(review: Review) -> Iterator[Problem]:
    """A `sign` block without files; the files of the other level do not count.

    Fix: list the module files to sign.
    Source: validateSignSection in internal/webhook/module.go.
    """
    for sign in review.module.signs:
        if not sign.value.get("filesToSign"):
            yield sign.problem("filesToSign", "missing", "list the module files that are to be signed")


@rule("KMM502", since="2.6", needs="unusual.files")
def file_outside_dir_name(review: Review) -> Iterator[Problem]:
    """A file to sign whose path does not begin with dirName and a slash, letter by letter.

    A dirName that ends in a slash therefore refuses every usual path.

    Fix: begin the path with dirName; write dirName without a slash at its end.
    Source: validateSignSection in internal/webhook/module.go.
    """
    start = f"{review.module.dir_name}/"
    for path, file in review.module.files_to_sign:
        if not file.startswith(start):
            yield Problem(path, f"{file!r} does not begin with {start!r}", f"begin it with {start}, or correct dirName")


# -- updates, other kinds -------------------------------------------------------------------------


@rule("KMM601", operations=("UPDATE",), needs="old_module")
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
