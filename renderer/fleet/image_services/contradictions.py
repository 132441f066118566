"""Fields of an ImageService that its release does not know or ignores, and fields that contradict each other.

Sources: Cray-HPE/ims at its tags (kubernetes/cray-ims/templates/configmap.yaml, src/server/v3/resources/jobs.py);
CASMCMS-8687, CASMTRIAGE-7169 and -7327; Cray-HPE/config-framework-service, api/openapi.yaml.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from kmodgate.policy.findings import FieldPath, Finding, Mode, Severity, format_path, value_at
from kmodgate.policy.ims.settings import is_expression
from kmodgate.policy.ims.templates import XATTR
from kmodgate.policy.ims.versions import ImsRelease
from kmodgate.renderer.fleet.targets.targets import MergedSpec

_XATTR = XATTR.rpartition(".")[2]
"""The annotation of Kata with which extended attributes are asked for, as `kata.permits` names it."""

_FROM_CUSTOMIZATIONS: tuple[FieldPath, ...] = (
    ("network", "domain"),
    ("network", "subnet"),
    ("network", "accessPool"),
    ("s3", "imsBucket"),
    ("s3", "bootImagesBucket"),
)
"""The fields that may be a Jinja expression of the site's customizations."""


def service_findings(merged: MergedSpec, release: ImsRelease) -> Iterator[Finding]:
    """Yield what is wrong with the spec of a service beside its schema."""
    yield from _unknown_to(merged, release)
    yield from _ignored_sizes(merged, release)
    yield from _owner(merged)
    yield from _kata(merged)
    yield from _recipe_flags(merged, release)
    yield from _without_effect(merged, release)


def dkms_is_on(spec: dict[str, Any], release: ImsRelease) -> bool:
    """Whether ims-config says that jobs need DKMS: what the spec says, or else what the chart does."""
    return bool(spec.get("dkms", {}).get("enabled", release.dkms_is_default))


def _unknown_to(merged: MergedSpec, release: ImsRelease) -> Iterator[Finding]:
    """Fields that mean nothing to the release."""
    early = release.only_ims_config_decides
    fields: list[tuple[FieldPath, bool, str, str]] = [
        (("kata", "aarch64RuntimeClass"), early, "has no JOB_AARCH64_RUNTIME", "3.9.0"),
        (("recipes",), early, "has no flag require_dkms at recipes", "3.9.0"),
        (("cfs",), early, "comes with a CFS without ims_require_dkms at layers", "3.9.0"),
        (("sizes", "memoryGiB"), not release.has_volume_claims, "has no DEFAULT_IMS_JOB_MEM_SIZE", "3.10.0"),
        (
            ("timeouts", "remoteHeartbeats"),
            not release.has_remote_heartbeat,
            "has no DEFAULT_IMS_JOB_REMOTE_TIMEOUT_COUNT",
            "3.32.0",
        ),
        (
            ("dkms", "enabled"),
            not release.ims_config_counts,
            "reads JOB_ENABLE_DKMS and does not use it (CASMCMS-8687): recipes and layers decide",
            "3.9.6",
        ),
    ]  # fmt: skip
    for path, is_unknown, what, since in fields:
        if is_unknown and value_at(merged.spec, path) is not None:
            fix = f"remove {format_path(path)}, or take a release from IMS {since} on"
            yield merged.finding(path, "IMS502", f"{release} {what}", fix)
    if release.csm == "1.5.0":
        for index, item in enumerate(_items(merged.spec.get("cfs"))):
            if item.get("api", "v3") == "v3":
                place: FieldPath = ("cfs", index, "api") if "api" in item else ("cfs", index)
                message = f"the v3 API of CFS in {release} refuses layers with special_parameters"
                fix = "write the file for v2 and set api: v2, or upgrade to CSM 1.5.1"
                yield merged.finding(place, "IMS502", message, fix)


def _ignored_sizes(merged: MergedSpec, release: ImsRelease) -> Iterator[Finding]:
    sizes = cast(dict[str, int], merged.spec.get("sizes", {}))
    for name, key, counts, instead, since in (
        (
            "imageGiB",
            "DEFAULT_IMS_IMAGE_SIZE",
            release.image_size_comes_from_ims_config,
            release.image_size_without_ims_config,
            "3.19.0",
        ),
        (
            "memoryGiB",
            "DEFAULT_IMS_JOB_MEM_SIZE",
            release.memory_size_comes_from_ims_config or not release.has_volume_claims,
            release.memory_size_without_ims_config,
            "3.17.0",
        ),
    ):
        if not counts and sizes.get(name, instead) != instead:
            message = f"{release} ignores {key}, and takes {instead} GiB (CASMTRIAGE-7169, -7327)"
            fix = f"remove sizes.{name}, or take a release from IMS {since} on"
            yield merged.finding(("sizes", name), "IMS502", message, fix)


def _owner(merged: MergedSpec) -> Iterator[Finding]:
    """What does not go with the owner of ims-config."""
    if merged.spec["owner"] == "loftsman":
        if "tools" in merged.spec:
            message = "tools are for the hooks of Argo CD, and owner loftsman has none"
            yield merged.finding(("tools",), "IMS503", message, "remove tools; kmodgate ims preflight looks at dumps")
        return
    for path in _FROM_CUSTOMIZATIONS:
        if isinstance(text := value_at(merged.spec, path), str) and is_expression(text):
            message = "a Jinja expression, which only the site's customizations resolve, and owner argocd has none"
            yield merged.finding(path, "IMS503", message, "write the value itself, or set owner: loftsman")
    if value_at(merged.spec, ("network", "domain")) is None:
        message = "network.domain is missing: with owner argocd nothing else says the domain, which is the site's"
        yield merged.finding(("owner",), "SCH103", message, "add network: {domain: …} with the domain of the site")


def _kata(merged: MergedSpec) -> Iterator[Finding]:
    kata = cast(dict[str, Any], merged.spec.get("kata", {}))
    if kata.get("xattr") and _XATTR not in kata.get("permits", ()):
        message = f"xattr is asked for by the annotation {_XATTR}, which is not among kata.permits"
        fix = f"add {_XATTR} to kata.permits if enable_annotations on the nodes has it, or remove xattr"
        yield merged.finding(("kata", "xattr"), "IMS503", message, fix)
    if kata.get("manageRuntimeClass") is False:
        for name in ("handler", "overhead", "nodeSelector"):
            if name in kata:
                message = f"{name} is of a RuntimeClass that kata.manageRuntimeClass: false leaves to others"
                yield merged.finding(("kata", name), "IMS503", message, f"remove {name}, or set it to true")


def _recipe_flags(merged: MergedSpec, release: ImsRelease) -> Iterator[Finding]:
    """Two flags for the same recipes, and flags that IMS makes nothing of."""
    recipes = cast(dict[str, Any], merged.spec.get("recipes", {}))
    first: dict[tuple[object, ...], int] = {}
    for index, flag in enumerate(recipes.get("flags", ())):
        key = tuple(flag.get(name) for name in ("id", "name", "pattern", "arch", "newest"))
        other = first.setdefault(key, index)
        path: FieldPath = ("recipes", "flags", index)
        if other != index:
            line = merged.origin(("recipes", "flags", other)).line
            message = f"the same recipes have a flag already, on line {line}"
            yield merged.finding(path, "IMS503", message, "remove one of the two")
        if flag.get("arch") == "aarch64" and not flag["requireDkms"] and not release.only_ims_config_decides:
            message = "IMS treats every job for aarch64 as one with DKMS, whatever its recipe says"
            yield _warning(merged.finding((*path, "requireDkms"), "IMS504", message, "remove the flag"))


def _without_effect(merged: MergedSpec, release: ImsRelease) -> Iterator[Finding]:
    """What `true` in ims-config makes void."""
    if release.only_ims_config_decides or not (release.ims_config_counts and dkms_is_on(merged.spec, release)):
        return
    fix = "set dkms.enabled: false, or remove it"
    for index, item in enumerate(_items(merged.spec.get("cfs"))):
        for layer, wanted in item["layers"].items():
            if not wanted:
                message = "CFS never sends false: while JOB_ENABLE_DKMS is true the job runs with DKMS all the same"
                yield _warning(merged.finding(("cfs", index, "layers", layer), "IMS504", message, fix))
    if release.recipe_overrides_ims_config:
        return
    recipes = cast(dict[str, Any], merged.spec.get("recipes", {}))
    places: list[tuple[FieldPath, dict[str, Any]]] = [(("recipes", "default"), recipes.get("default", {}))]
    places += [(("recipes", "flags", index), flag) for index, flag in enumerate(recipes.get("flags", ()))]
    for path, flag in places:
        if flag.get("requireDkms") is False and flag.get("arch") != "aarch64":
            message = f"in {release} JOB_ENABLE_DKMS: true is enough for DKMS, whatever the recipe says"
            yield _warning(merged.finding((*path, "requireDkms"), "IMS504", message, fix))


def _items(value: object) -> list[dict[str, Any]]:
    return value if isinstance(value, list) else []


def _warning(finding: Finding) -> Finding:
    return replace(finding, severity=Severity.WARNING, mode=Mode.WARN)
