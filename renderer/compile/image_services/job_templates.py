"""The ConfigMaps of job templates of our own, where the spec says that kmodgate makes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kmodgate.policy.findings import Finding
from kmodgate.policy.ims.templates import SITE_SUFFIX, XATTR, XATTR_VALUES
from kmodgate.renderer.compile.image_services.argocd import service_namespace
from kmodgate.renderer.compile.image_services.ims_config import GATEWAY, ImsConfig
from kmodgate.renderer.fleet.image_services.service_targets import ServiceTarget
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.job_templates.config_maps import JobTemplateSettings, template_config_maps
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY


def template_objects(target: ServiceTarget, config: ImsConfig, findings: list[Finding]) -> list[JsonMap]:
    """Return the three ConfigMaps; a release for which there are none is a finding."""
    templates: dict[str, Any] = target.spec.get("templates", {})
    if not templates.get("managed"):
        return []
    images = templates["images"]
    settings = JobTemplateSettings(
        utils_image=images["utils"],
        sshd_image=images["sshd"],
        kiwi_builder_image=images["kiwiBuilder"],
        packer_builder_image=images["packerBuilder"],
        api_gateway=config.chart[GATEWAY],
        namespace=service_namespace(target),
        annotations=_annotations(target.spec.get("kata", {})),
    )
    try:
        found: list[Any] = template_config_maps(target.release, settings)
    except ValueError as error:
        fix = "set templates.managed: false; kmodgate check judges the live templates"
        findings.append(target.merged.finding(("templates", "managed"), "IMS502", str(error), fix))
        return []
    for item in found:
        item["metadata"]["labels"] = {**MANAGED_BY, "app.kubernetes.io/name": "cray-ims"}
    return found


def _annotations(kata: dict[str, Any]) -> dict[str, str]:
    """The annotations of the Jobs' pods. Where the spec does not say what nodes permit, it is what HPE's own have."""
    asked = kata.get("xattr", "permits" not in kata)
    return {XATTR: XATTR_VALUES[kata.get("flavour", "go")]} if asked else {}


def as_own(objects: list[JsonMap]) -> Iterator[tuple[str, JsonMap]]:
    """Yield volume and ConfigMap under names of our own, so that the chart keeps its own and mounts these."""
    for item in objects:
        metadata: Any = item["metadata"]
        name = metadata["name"]
        volume = f"{name.removeprefix('cray-configmap-ims-')}-job-template-vol"
        yield volume, {**item, "metadata": {**metadata, "name": f"{name}{SITE_SUFFIX}"}}
