"""The part of a site's `customizations.yaml` that an ImageService says, at `spec.kubernetes.services.cray-ims`.

Values have the types that the chart takes. A value that the spec does not say is not written, so that the site's own
stays. Helm merges maps and replaces lists: the list of ConfigMaps is written whole, and only where it differs.

Sources: Cray-HPE/ims, kubernetes/cray-ims/values.yaml; Cray-HPE/base-charts, kubernetes/cray-service
(_pod-annotations.tpl, _common-container.tpl); Cray-HPE/docs-csm, Redeploying_a_Chart.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.ims.settings import CHECKSUM as CHECKSUM
from kmodgate.policy.ims.settings import CONFIG_MAP, OVERLAY, chart_values, is_expression
from kmodgate.renderer.compile.image_services.ims_config import SETTINGS, ImsConfig, gateway, stated
from kmodgate.renderer.fleet.image_services.service_targets import ServiceTarget
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.manifests.emit_yaml import AsWritten

CONTAINER = "cray-ims"


def fragment(target: ServiceTarget, config: ImsConfig, volumes: Mapping[str, str]) -> JsonMap:
    """The fragment; `volumes` are the ConfigMaps that take the place of the chart's, by the name of the volume."""
    values: JsonMap = {}
    known = chart_values(target.release)
    for setting in SETTINGS:
        value = stated(setting, target.spec)
        if setting.value and value is not None and setting.key in known:
            _put(values, setting.value, value)
    for name, value in zip(("api_gw_service_name", "api_gw_service_namespace"), gateway(target.spec), strict=True):
        if value:
            _put(values, ("api_gw", name), value)
    service: JsonMap = {"podAnnotations": {CHECKSUM: config.checksum}}
    if config.overlay:
        service["containers"] = {CONTAINER: {"envFrom": env_from()}}
    if volumes:
        service["volumes"] = {name: {"configMap": {"name": source}} for name, source in volumes.items()}
    values["cray-service"] = service
    return {"spec": {"kubernetes": {"services": {"cray-ims": values}}}}


def env_from() -> list[Json]:
    """The sources of the container's environment: for a key that several have, the last one wins."""
    return [
        {"configMapRef": {"name": CONFIG_MAP}},
        {"configMapRef": {"name": OVERLAY, "optional": True}},
    ]


def _put(values: JsonMap, path: tuple[str, ...], value: Json) -> None:
    for step in path[:-1]:
        values = values.setdefault(step, {})  # type: ignore[assignment]
    values[path[-1]] = _typed(value)


def _typed(value: Json) -> Json:
    """A value as the chart has its own: switches are booleans, and numbers are text."""
    if isinstance(value, str) and is_expression(value):
        return AsWritten(value)
    return value if isinstance(value, bool) else str(value)
