"""What the chart cray-ims makes of a site's customizations, release by release: a table of our own, and no text of it.

Written from what is known of the chart's values and of its ConfigMap (keys, sources, defaults and literals at every tag
from v3.8.0 to v3.33.0). Helm merges maps, replaces lists, and prints a value into text between quotes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Version = tuple[int, ...]

VALUES = {
    "api_gw.api_gw_service_name": "istio-ingressgateway",
    "api_gw.api_gw_service_namespace": "istio-system",
    "ims_config.cray_ims_job_namespace": "ims",
    "customer_access.shasta_domain": "shasta.local",
    "customer_access.subnet_name": "cmn",
    "customer_access.access_pool": "customer-management",
    "jobs.kata_runtime": "kata-qemu",
    "s3.ims_bucket": "ims",
    "s3.boot_images_bucket": "boot-images",
    "s3.connect_timeout": "60",
    "s3.read_timeout": "60",
    "gunicorn.worker_timeout": "3600",
}

KEYS = {
    "DEFAULT_IMS_JOB_NAMESPACE": "ims_config.cray_ims_job_namespace",
    "JOB_CUSTOMER_ACCESS_NETWORK_DOMAIN": "customer_access.shasta_domain",
    "JOB_CUSTOMER_ACCESS_SUBNET_NAME": "customer_access.subnet_name",
    "JOB_CUSTOMER_ACCESS_NETWORK_ACCESS_POOL": "customer_access.access_pool",
    "JOB_ENABLE_DKMS": "jobs.enable_dkms",
    "JOB_KATA_RUNTIME": "jobs.kata_runtime",
    "S3_IMS_BUCKET": "s3.ims_bucket",
    "S3_BOOT_IMAGES_BUCKET": "s3.boot_images_bucket",
    "S3_CONNECT_TIMEOUT": "s3.connect_timeout",
    "S3_READ_TIMEOUT": "s3.read_timeout",
    "GUNICORN_WORKER_TIMEOUT": "gunicorn.worker_timeout",
}


def number(version: str) -> Version:
    return tuple(int(part) for part in version.split("."))


def rendered(version: str, customizations: Mapping[str, Any]) -> dict[str, str]:
    """The data of ims-config after `loftsman ship` of a release with a site's customizations."""
    release = number(version)
    own = customizations["spec"]["kubernetes"]["services"]["cray-ims"]
    defaults = {**VALUES, "jobs.enable_dkms": release >= (3, 17, 0)}
    keys = dict(KEYS)
    if release >= (3, 9, 0):
        keys["JOB_AARCH64_RUNTIME"] = "jobs.aarch64_runtime"
        defaults["jobs.aarch64_runtime"] = "kata-qemu" if release >= (3, 9, 2) else ""
    data = {key: printed(value(own, place, defaults)) for key, place in keys.items()}
    name, namespace = (printed(value(own, f"api_gw.api_gw_service_{part}", defaults)) for part in ("name", "namespace"))
    return {**data, "API_GATEWAY_HOSTNAME": f"{name}.{namespace}.svc.cluster.local", **literals(release)}


def literals(release: Version) -> dict[str, str]:
    """The text that no value reaches."""
    size = 60 if release >= (3, 18, 0) else 30 if release >= (3, 12, 0) else 15
    found = {"CA_CERT": "/mnt/ca-vol/certificate_authority.crt", "DEFAULT_IMS_IMAGE_SIZE": str(size)}
    if release >= (3, 10, 0):
        memory = 8 if release >= (3, 11, 0) else 5 if release >= (3, 10, 1) else 3
        found["DEFAULT_IMS_JOB_MEM_SIZE"] = str(memory)
    if release >= (3, 32, 0):
        found["DEFAULT_IMS_JOB_REMOTE_TIMEOUT_COUNT"] = "12"
    return found


def value(own: Mapping[str, Any], place: str, defaults: Mapping[str, Any]) -> Any:
    """The site's value, or else the chart's. A place that neither has is a mistake of the fragment, or of this table."""
    first, second = place.split(".")
    return own.get(first, {}).get(second, defaults[place])


def printed(found: Any) -> str:
    """A value as Go's templates print it; a large number would get an exponent, since Helm reads a float."""
    if isinstance(found, bool):
        return "true" if found else "false"
    assert isinstance(found, str), f"{found!r} is not of the type that the chart has there"
    return found


def places(version: str) -> set[str]:
    """The values that a release knows."""
    known = {*VALUES, "jobs.enable_dkms"}
    return known | {"jobs.aarch64_runtime"} if number(version) >= (3, 9, 0) else known


def environment(sources: list[dict[str, Any]], config_maps: Mapping[str, dict[str, str]]) -> dict[str, str]:
    """What a container sees: sources in their order, of which the last one wins; an optional one may be missing."""
    found: dict[str, str] = {}
    for source in sources:
        reference = source["configMapRef"]
        if reference["name"] in config_maps or not reference.get("optional"):
            found |= config_maps[reference["name"]]
    return found
