"""Settings of a site and a release of IMS → the three ConfigMaps of job templates.

The texts are written twice over: what begins with `@` is filled in here, what begins with `$` by IMS for each job.

Sources: kubernetes/cray-ims/templates of Cray-HPE/ims at the tags 3.12.0 to 3.33.0, for the containers, their commands,
variables and mounts, which belong to the images of the release.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from string import Template

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.ims.templates import HOLDERS, KINDS, XATTR, XATTR_VALUES, Holder, Resource
from kmodgate.policy.ims.versions import IMS_VERSIONS, ImsRelease

FIRST = "3.12.0"
"""The first release with templates of our own: the one of CSM 1.5.0."""

_FOLDER = Path(__file__).resolve().parent
_SINCE = "#@since "
_END = "#@end"


@dataclass(frozen=True, slots=True)
class JobTemplateSettings:
    """What the templates of a site say beside what IMS fills in.

    Images have their tags. `annotations` are those of the pods, which the nodes must permit.
    """

    utils_image: str
    sshd_image: str
    kiwi_builder_image: str
    packer_builder_image: str
    pull_policy: str = "IfNotPresent"
    api_gateway: str = "istio-ingressgateway.istio-system.svc.cluster.local"
    admin_client_secret: str = "admin-client-auth"
    namespace: str = "services"
    annotations: Mapping[str, str] = field(default_factory=lambda: {XATTR: XATTR_VALUES["go"]})


class _SiteTemplate(Template):
    """A text with the placeholders of a site."""

    delimiter = "@"


def releases_with_templates() -> list[str]:
    """Return the releases of IMS for which there are templates, oldest first."""
    return [version for version in IMS_VERSIONS if ImsRelease(version).is_at_least(FIRST)]


def template_config_maps(release: ImsRelease, settings: JobTemplateSettings) -> list[dict[str, object]]:
    """Return the ConfigMaps of job templates for a release, under the names that IMS reads.

    Raises ValueError for a release without templates; the message names those that have some.
    """
    known = releases_with_templates()
    if release.version not in known:
        raise ValueError(f"there are job templates for IMS {known[0]} to {known[-1]}, and not for {release}")
    return [_config_map(name, holder, release, settings) for name, holder in HOLDERS.items()]


def _config_map(name: str, holder: Holder, release: ImsRelease, settings: JobTemplateSettings) -> dict[str, object]:
    values = _values(holder, release, settings)
    texts = {
        holder.key(resource): _SiteTemplate(_of_release(_text(resource, holder), release)).substitute(values)
        for resource in KINDS
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": settings.namespace},
        "data": texts,
    }


def _values(holder: Holder, release: ImsRelease, settings: JobTemplateSettings) -> dict[str, str]:
    texts = {
        "utils_image": settings.utils_image,
        "sshd_image": settings.sshd_image,
        "kiwi_builder_image": settings.kiwi_builder_image,
        "packer_builder_image": settings.packer_builder_image,
        "pull_policy": settings.pull_policy,
        "api_gateway": settings.api_gateway,
        "admin_client_secret": settings.admin_client_secret,
    }
    lines = (f"\n        {json.dumps(key)}: {json.dumps(value)}" for key, value in settings.annotations.items())
    annotations = "".join(lines) or " {}"
    inside = {name: json.dumps(value)[1:-1] for name, value in texts.items()}
    escaped = {name: value.replace("$", "$$") for name, value in {**inside, "annotations": annotations}.items()}
    return {**escaped, "job": holder.job, "capabilities": release.capabilities_placeholder}


def _text(resource: Resource, holder: Holder) -> str:
    name: str = resource
    if resource == "job":
        name = "-".join(filter(None, ("job", holder.job, holder.recipe)))
    elif resource == "configmap" and holder.recipe == "kiwi-ng":
        name = "configmap-kiwi-ng"
    return (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def _of_release(text: str, release: ImsRelease) -> str:
    return "".join(_kept_lines(text, release))


def _kept_lines(text: str, release: ImsRelease) -> Iterator[str]:
    """Yield the lines that a release has: those between `#@since VERSION` and `#@end` from that version on."""
    is_kept = True
    for line in text.splitlines(keepends=True):
        if line.startswith(_SINCE):
            is_kept = release.is_at_least(line.removeprefix(_SINCE).strip())
        elif line.startswith(_END):
            is_kept = True
        elif is_kept:
            yield line
