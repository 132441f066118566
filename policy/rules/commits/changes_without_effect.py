"""GIT: what a change does not do, or does later, although the diff looks as if it did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kmodgate.policy.cluster.facts import Facts, as_map
from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.kmm.resolution.reload_triggers import Blocks, has_loader_daemonsets, signing_added
from kmodgate.policy.kmm.resolution.resolve import IMAGE_INPUTS
from kmodgate.policy.review import Operation, Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.part import Part

_UPDATE: tuple[Operation, ...] = ("UPDATE",)


def _old_module(review: Review) -> object:
    return review.old_module


@rule("GIT101", operations=_UPDATE, severity=Severity.WARNING, needs=_old_module)
def nothing_is_rebuilt(review: Review) -> Iterator[Problem]:
    """Dockerfile, arguments, keys or files changed, and the image has kept its name.

    KMM looks whether the image exists, and never builds or signs one again that does: nothing happens. Only a build or
    signing that failed or is still running is made again. `sign` that comes to an image which KMM built is an exception
    since KMM 2.4: the image is signed, up to KMM 2.6 after it was built once more. Nodes keep the unsigned one.

    Fix: change the tag along, or set `contentTag: true` in the spec.
    Source: internal/controllers/mic_reconciler.go and internal/buildsign/manager.go of Kernel Module Management.
    """
    old, new = review.old_module, review.module
    if old is None or not old.loader or not new.loader:
        return
    before = {_key(mapping): mapping for mapping in old.mappings}
    shared = {
        block: {key for key in keys if _own(old.container, block, key) != _own(new.container, block, key)}
        for block, keys in IMAGE_INPUTS.items()
    }
    for mapping in new.mappings:
        was = before.get(_key(mapping))
        if was is None or was.image != mapping.image:
            continue
        part = mapping.part if mapping.own_image else new.container
        signing = signing_added(_blocks(old, was.part), _blocks(new, mapping.part), review.cluster.release)
        if signing:
            message = f"sign is new and the image is not: {_SIGNED[signing]}; nodes keep the unsigned one"
            yield part.problem("containerImage", message, "change the tag, too")
        for block, keys in IMAGE_INPUTS.items():
            changed = [
                key
                for key in keys
                if key in shared[block] or _own(was.part, block, key) != _own(mapping.part, block, key)
            ]
            if changed and not (signing == "anew" or (signing and block == "sign")):
                what = "the Dockerfile" if changed[0] == "dockerfileConfigMap" else f"{block}.{changed[0]}"
                message = f"{what} changed and the image did not: {_NOTHING}"
                yield part.problem("containerImage", message, "change the tag, too")


_NOTHING = "KMM builds and signs nothing again while the image exists"

_SIGNED = {
    "in place": "where KMM built it, KMM signs it in place",
    "anew": "where KMM built it, its signing fails, and KMM builds and signs it once more",
}


def _blocks(module: ModuleView, mapping: Part) -> Blocks:
    """`build` and `sign` of an image: the mapping's own, or else the container's."""
    build, sign = (mapping.optional(block) or module.container.optional(block) for block in ("build", "sign"))
    return None if build is None else build.value, None if sign is None else sign.value


@rule("GIT102", operations=_UPDATE, severity=Severity.WARNING, needs=_old_module)
def identity_renamed(review: Review) -> Iterator[Problem]:
    """The ServiceAccount or the pull secret of a living Module has another name.

    KMM does not load again for it, and unloads with the old one: that must stay until every node has been through. (The
    DaemonSets of KMM 1.x unload and load with the new one at once.)

    Fix: keep the old object in the cluster until the Module has been loaded anew.
    Source: internal/controllers/nmc_reconciler.go of Kernel Module Management.
    """
    old, new = review.old_module, review.module
    if old is None or not old.loader or not new.loader or has_loader_daemonsets(review.cluster.release):
        return
    pairs = (
        (
            new.loader,
            "serviceAccountName",
            old.loader.text("serviceAccountName"),
            new.loader.text("serviceAccountName"),
        ),
        (
            new.spec,
            "imageRepoSecret",
            old.spec.map("imageRepoSecret").text("name"),
            new.spec.map("imageRepoSecret").text("name"),
        ),
    )
    for part, key, was, now in pairs:
        if was and was != now:
            yield part.problem(
                key, f"{was} is still needed to unload what runs now", f"keep {was} until nodes have reloaded"
            )


@rule("GIT103", operations=_UPDATE, severity=Severity.WARNING, needs=_old_module)
def in_tree_module_stays_away(review: Review) -> Iterator[Problem]:
    """A module of the kernel is newly removed, or not removed any more. KMM never loads one again, not even on unload.

    After the driver has gone the device has none, until the node boots: a network driver takes the node along.

    Fix: plan a reboot, or load the module of the kernel yourself.
    Source: internal/worker of Kernel Module Management.
    """
    old, new = review.old_module, review.module
    if old is None or old.loader is None or new.loader is None:  # without a loader KMM unloads nothing
        return
    was, now = ({name for _, names in module.to_remove for _, name in names} for module in (old, new))
    for name in sorted(was ^ now):
        what = "is removed now, and does not come back on unload" if name in now else "is not removed any more"
        message = f"{name} {what}: it stays away until the node boots"
        yield new.container.problem("inTreeModulesToRemove", message, "plan a reboot of the nodes")


@rule("GIT104", kinds=("Module",), severity=Severity.WARNING, facts=True, needs=lambda review: review.before)
def dockerfile_changed_in_its_place(review: Review) -> Iterator[Problem]:
    """The Dockerfile in a ConfigMap changed, while the ConfigMap and the image that is built from it kept their names.

    KMM looks whether the image exists, and never builds one again that does: nothing happens, unless its build failed
    or is still running. What GIT101 sees in the Module itself, this rule sees in the ConfigMap beside it.

    Fix: change the tag along; or set `dockerfile` in the spec, which names the ConfigMap after its content, and
    `contentTag: true`.
    Source: internal/controllers/mic_reconciler.go of Kernel Module Management.
    """
    facts, before = review.known, review.before
    assert before is not None  # `needs` asks only with those of before
    module = review.module
    namespace = module.metadata.text("namespace")
    old = ModuleView(as_map(before.find("Module", namespace, module.metadata.text("name"))))
    images = {_key(mapping): mapping.image for mapping in old.mappings}
    told: set[int] = set()
    changed: dict[str, bool] = {}
    for mapping in module.mappings:
        part = mapping.part if mapping.own_image else module.container
        name = _dockerfile_of(module, mapping.part)
        if name not in changed:
            was, now = (_dockerfile_in(known, namespace, name) for known in (before, facts))
            changed[name] = bool(was and now and was != now)
        if changed[name] and images.get(_key(mapping)) == mapping.image and id(part.value) not in told:
            told.add(id(part.value))
            message = f"the Dockerfile in ConfigMap {name} changed and the image did not: {_NOTHING}"
            yield part.problem("containerImage", message, "change the tag, too")


def _dockerfile_of(module: ModuleView, mapping: Part) -> str:
    """The name of the ConfigMap that an image is built from; the mapping's own comes first."""
    names = (level.map("build").map("dockerfileConfigMap").text("name") for level in (mapping, module.container))
    return next(filter(None, names), "")


def _dockerfile_in(facts: Facts, namespace: str, name: str) -> object:
    found = facts.find("ConfigMap", namespace, name) if name else None
    return as_map(as_map(found).get("data")).get("dockerfile")


def _key(mapping: Any) -> tuple[str, str]:
    return mapping.literal, mapping.regexp


def _own(level: Part, block: str, key: str) -> object:
    """One input of a build or a signing, as the container or a mapping has it; an empty one counts as none."""
    return level.map(block).value.get(key) or None
