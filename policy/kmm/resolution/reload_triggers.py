"""What KMM compares to tell whether nodes have to unload and load a Module again, or an image has to be made again.

KMM 2.0 and later compare the entry of a node (ModuleConfig in api/v1beta1/nodemodulesconfig_types.go) with what the
node has loaded (internal/controllers/nmc_reconciler.go). KMM 1.x writes a DaemonSet for each kernel, which rolls when
its pod template differs (internal/daemonset/daemonset.go of v1.1.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from kmodgate.policy.kmm.resolution.resolve import Resolution
from kmodgate.policy.kmm.versions import Release

_NEWEST = Release()

Signing = Literal["", "in place", "anew"]
"""What KMM does when `sign` comes to an image that it has built: nothing, sign it, or build and sign it once more."""

Blocks = tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]


def has_loader_daemonsets(release: Release) -> bool:
    """Whether this KMM loads with DaemonSets, and not with worker pods."""
    return not release.has("2.0")


def node_config(module: Mapping[str, Any], found: Resolution, release: Release = _NEWEST) -> dict[str, Any]:
    """Return what a node is told to load, by the names of the Module's fields.

    Tolerations are not part of it: a change of those reloads nothing. The other fields that worker pods of KMM 2.x take
    from the Module at the next load only (ServiceAccount, pull secret, version) are part of a DaemonSet of KMM 1.x, and
    so is the selector.
    """
    tls = found.registry_tls
    config = {
        "containerImage": found.image,
        "imagePullPolicy": module["spec"]["moduleLoader"]["container"].get("imagePullPolicy") or "",
        "registryTLS": bool(tls.get("insecure") or tls.get("insecureSkipTLSVerify")),
        "inTreeModulesToRemove": found.in_tree_modules_to_remove or [],
        "modprobe": as_stored(found.modprobe),
    }
    if has_loader_daemonsets(release):
        return {**config, "registryTLS": False, **daemonset_settings(module)}
    return config


def daemonset_settings(module: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a Module that only KMM 1.x writes into the pod template that loads it."""
    spec = module["spec"]
    return {
        "serviceAccountName": spec["moduleLoader"].get("serviceAccountName") or "",
        "imageRepoSecret": (spec.get("imageRepoSecret") or {}).get("name") or "",
        "selector": dict(spec.get("selector") or {}),
        "version": spec["moduleLoader"]["container"].get("version") or "",
    }


def as_stored(modprobe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of modprobe as KMM stores them for a node: empty strings and lists count as absent.

    An empty `args` or `rawArgs` is not absent: a Go pointer to nothing differs from no pointer.
    """
    kept = {key: value for key, value in modprobe.items() if value not in ("", [], None)}
    for key in ("args", "rawArgs"):
        if isinstance(kept.get(key), Mapping):
            kept[key] = {name: value for name, value in kept[key].items() if value}
    return kept


def reasons(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the fields whose change makes nodes reload; none where nothing is reloaded."""
    return [key for key in after if before[key] != after[key]]


def signing_added(before: Blocks, after: Blocks, release: Release) -> Signing:
    """Return what KMM does to an image of the same name that it built, and that is to be signed from now on.

    `before` and `after` are `build` and `sign` of the image. Since 2.4 KMM keeps the outcome of a build, and wants the
    image signed. Up to 2.6 the signing pod reads an intermediate image, which is pushed only by builds with `sign`: the
    pod fails, and the image counts as missing. Source: internal/controllers/mic_reconciler.go and internal/buildsign.
    """
    (old_build, old_sign), (build, sign) = before, after
    if old_build is None or old_sign is not None or sign is None or not release.has("2.4"):
        return ""
    is_one_image = release.has_next
    return "in place" if build is None or is_one_image else "anew"
