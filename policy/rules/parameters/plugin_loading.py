"""Containers of device plugins and DRA drivers that load kernel modules where the policy wants all signed."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.formats.image_references import is_from
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.node_access.node_files import shows_modules
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.parameters.signing_scope import is_marked
from kmodgate.policy.views.part import Part

_LOADERS = lazy_regex(r"(?<![\w-])(?:modprobe|insmod|kmod|f?init_module)(?![\w-])")
"""Programs, and system calls, that load a kernel module."""


@rule("SGN205", severity=Severity.WARNING, parameter="signing")
def plugin_that_loads_modules(review: Review) -> Iterator[Problem]:
    """A plugin's container loads kernel modules, where the policy wants all modules signed (`requireSigning`).

    KMM runs every container of a device plugin or DRA driver privileged: nothing but Secure Boot on the node keeps one
    from loading a module that nobody signed. A warning for containers whose command loads modules, or that mount the
    node's folder of modules. Where the policy names the images that may run there (`requireSigning.pluginImages`), any
    other image is an error.

    Fix: load the module by `moduleLoader`, which signs it, or have the image added to `pluginImages`.
    Source: internal/controllers/device_plugin_reconciler.go and the DRA reconciler of Kernel Module Management.
    """
    if is_marked(review):
        yield from plugins_that_load(review)


def plugins_that_load(review: Review) -> Iterator[Problem]:
    """Yield the containers of plugins that load modules, or whose image is not among those of the policy."""
    allowed = review.parameters.plugin_images
    for container in review.module.containers:
        image = container.text("image")
        if allowed:
            if not any(is_from(image, item) for item in allowed):
                message = (
                    f"{image or 'an image without a name'} runs privileged and is not in requireSigning.pluginImages"
                )
                fix = f"use one of: {', '.join(allowed[:5])}"
                yield container.problem("image", message, fix)._replace(severity=Severity.ERROR)
        elif (found := _loading(container)) or (found := _mounting(review, container)):
            yield found._replace(severity=Severity.WARNING)  # SGN204 is an error otherwise


def _loading(container: Part) -> Problem | None:
    for path, text in (*container.texts("command"), *container.texts("args")):
        if match := _LOADERS.search(text):
            message = f"{match[0]} in a privileged container loads modules that nobody has to sign"
            return Problem(path, message, "load the module by moduleLoader")
    return None


def _mounting(review: Review, container: Part) -> Problem | None:
    folders = {
        volume.text("name"): path
        for volume in review.module.volumes
        if (path := volume.map("hostPath").text("path")) and shows_modules(path)
    }
    for mount in container.maps("volumeMounts") if folders else ():
        if found := folders.get(mount.text("name")):
            message = f"{found} of the node in a privileged container: it may load modules that nobody has to sign"
            return mount.problem("name", message, "load the module by moduleLoader, and mount no modules")
    return None
