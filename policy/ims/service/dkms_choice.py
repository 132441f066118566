"""Who decides whether a job of the Image Management Service (IMS) is one with DKMS, by release.

Sources: post() in src/server/v3/resources/jobs.py of Cray-HPE/ims at its tags.
"""

from __future__ import annotations

from typing import Literal

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.ims.service.records import AARCH64
from kmodgate.policy.ims.versions import ImsRelease

Source = Literal["architecture", "request", "recipe", "ims-config", "release"]
_RECIPE: tuple[Source, ...] = ("recipe",)


@dataclass(frozen=True, slots=True)
class DkmsChoice:
    """Whether a job is one with DKMS, and who decided.

    `value` may be the text that a PATCH left in a recipe: any text is true to the service, whatever it reports.
    """

    value: object
    decided_by: Source
    not_asked: tuple[Source, ...] = ()
    why: str = ""


def choose_dkms(
    release: ImsRelease, job_type: str, arch: str, *, request: bool | None, recipe: object, ims_config: bool
) -> DkmsChoice:
    """Return whether a job is one with DKMS.

    :param request: `require_dkms` of the request; None where it does not say
    :param recipe: `require_dkms` of the recipe, as the service has it in memory
    :param ims_config: what the service makes of JOB_ENABLE_DKMS
    """
    is_create = job_type == "create"
    recipe_too = _RECIPE if is_create else ()
    if release.only_ims_config_decides:
        return DkmsChoice(ims_config, "ims-config", why=f"{release} asks nothing else")
    if arch == AARCH64:
        return DkmsChoice(True, "architecture", ("request", *recipe_too, "ims-config"), "aarch64 always has DKMS")
    if request is not None:
        return DkmsChoice(request, "request", (*recipe_too, "ims-config"), _says("the request", request))
    if not release.recipe_overrides_ims_config:
        return _either(release, recipe if is_create else None, ims_config, recipe_too)
    if is_create:
        return DkmsChoice(recipe, "recipe", ("ims-config",), _says("the recipe", recipe))
    return DkmsChoice(ims_config, "ims-config", why=_says("ims-config", ims_config))


def _either(release: ImsRelease, recipe: object, ims_config: bool, recipe_too: tuple[Source, ...]) -> DkmsChoice:
    """Before 3.17 one of ims-config and the recipe was enough; some releases did not ask ims-config."""
    if release.ims_config_counts and ims_config:
        return DkmsChoice(True, "ims-config", recipe_too, _says("ims-config", True))
    ignored: tuple[Source, ...] = () if release.ims_config_counts else ("ims-config",)
    if recipe:
        return DkmsChoice(True, "recipe", ignored, _says("the recipe", True))
    if ignored:
        return DkmsChoice(False, "recipe" if recipe_too else "release", ignored, f"{release} ignores ims-config")
    both = "neither ims-config nor the recipe says true" if recipe_too else _says("ims-config", False)
    return DkmsChoice(False, "ims-config", why=both)


def _says(who: str, value: object) -> str:
    if isinstance(value, str):
        return f"{who} holds the text {value!r}, and any text is true to the service"
    return f"{who} says {'true' if value else 'false'}"
