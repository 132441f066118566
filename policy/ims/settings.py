"""What the Image Management Service (IMS) makes of each key of its ConfigMap `ims-config`.

The service takes the keys as environment variables (`envFrom`): every value is text, and a key that is absent is not
the same as an empty one. Nothing is told to the administrator about a value that is replaced or taken for another.
Sources: Cray-HPE/ims src/server/config.py, app.py, models/jobs.py, v3/resources/jobs.py and config/gunicorn.py; the
chart's kubernetes/cray-ims/templates/configmap.yaml and values.yaml; botocore and gunicorn as its constraints.txt pins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kmodgate.policy.ims import setting_values as values
from kmodgate.policy.ims.setting_values import DEFAULT_CLASS, Effect, Reader, Reading
from kmodgate.policy.ims.versions import ImsRelease

CONFIG_MAP = "ims-config"

OVERLAY = "ims-config-site"
"""The ConfigMap of our own that comes after `ims-config`, for what no value of the chart reaches; no chart has it."""


CHECKSUM = "checksum/ims-config"
"""The annotation with a checksum of the settings: on the pods of the service, and on the ims-config of a handover."""


def keys(release: ImsRelease) -> tuple[str, ...]:
    """The keys that the chart of a release writes into ims-config, in its order."""
    return tuple(chart_values(release))


def chart_values(release: ImsRelease) -> dict[str, str]:
    """The ims-config that the chart of a release renders from its own values."""
    rendered = {
        "API_GATEWAY_HOSTNAME": "istio-ingressgateway.istio-system.svc.cluster.local",
        "CA_CERT": "/mnt/ca-vol/certificate_authority.crt",
        "DEFAULT_IMS_IMAGE_SIZE": str(release.chart_image_size),
        "DEFAULT_IMS_JOB_NAMESPACE": "ims",
    }
    if release.has_volume_claims:
        rendered["DEFAULT_IMS_JOB_MEM_SIZE"] = str(release.chart_memory_size)
    if release.has_remote_heartbeat:
        rendered["DEFAULT_IMS_JOB_REMOTE_TIMEOUT_COUNT"] = "12"
    rendered |= {
        "JOB_CUSTOMER_ACCESS_NETWORK_DOMAIN": "shasta.local",
        "JOB_CUSTOMER_ACCESS_SUBNET_NAME": "cmn",
        "JOB_CUSTOMER_ACCESS_NETWORK_ACCESS_POOL": "customer-management",
        "JOB_ENABLE_DKMS": "true" if release.dkms_is_default else "false",
        "JOB_KATA_RUNTIME": DEFAULT_CLASS,
    }
    if not release.only_ims_config_decides:
        rendered["JOB_AARCH64_RUNTIME"] = release.chart_aarch64_class
    return rendered | {
        "S3_IMS_BUCKET": "ims",
        "S3_BOOT_IMAGES_BUCKET": "boot-images",
        "S3_CONNECT_TIMEOUT": "60",
        "S3_READ_TIMEOUT": "60",
        "GUNICORN_WORKER_TIMEOUT": "3600",
    }


CHART_LITERALS = frozenset(
    {"CA_CERT", "DEFAULT_IMS_IMAGE_SIZE", "DEFAULT_IMS_JOB_MEM_SIZE", "DEFAULT_IMS_JOB_REMOTE_TIMEOUT_COUNT"}
)
"""Keys that the chart writes as literal text: no value of Helm reaches them."""


def readings(config: Mapping[str, str], release: ImsRelease) -> Iterator[Reading]:
    """Read every key that the service knows, present or absent, and then the others that are in the ConfigMap."""
    for key in (*_READERS, *(key for key in config if key not in _READERS)):
        yield read(key, config.get(key), release, environment=config.get("FLASK_ENV"))


def read(key: str, text: str | None, release: ImsRelease, *, environment: str | None = None) -> Reading:
    """Return what the service makes of one key; `text` is None where it is absent.

    `environment` is the text of FLASK_ENV, which decides whether the service reads LOG_LEVEL.
    """
    if key == "LOG_LEVEL" and environment in values.DEBUGGING:
        return Reading(key, text, "DEBUG", Effect.UNUSED, f"FLASK_ENV {environment!r} sets the level DEBUG")
    reader = _READERS.get(key)
    if reader is not None:
        return reader(key, text, release)
    if text is None:
        return Reading(key, text, None)
    return Reading(key, text, text, Effect.UNKNOWN, "no release of IMS reads this key")


def is_expression(text: str) -> bool:
    """Whether a text is a Jinja expression, which only the site's customizations can resolve."""
    return "{{" in text


def start_errors(config: Mapping[str, str], release: ImsRelease) -> Iterator[Reading]:
    """The keys with which the service does not start."""
    return (reading for reading in readings(config, release) if reading.effect is Effect.STOPS_START)


_READERS: dict[str, Reader] = {
    "API_GATEWAY_HOSTNAME": values.unused,
    "CA_CERT": values.unused,
    "DEFAULT_IMS_IMAGE_SIZE": values.image_size,
    "DEFAULT_IMS_JOB_NAMESPACE": values.namespace,
    "DEFAULT_IMS_JOB_MEM_SIZE": values.memory_size,
    "DEFAULT_IMS_JOB_REMOTE_TIMEOUT_COUNT": values.heartbeats,
    "JOB_CUSTOMER_ACCESS_NETWORK_DOMAIN": values.network_name("shasta.local"),
    "JOB_CUSTOMER_ACCESS_SUBNET_NAME": values.network_name("cmn"),
    "JOB_CUSTOMER_ACCESS_NETWORK_ACCESS_POOL": values.network_name("customer-management"),
    "JOB_ENABLE_DKMS": values.switch,
    "JOB_KATA_RUNTIME": values.kata_class,
    "JOB_AARCH64_RUNTIME": values.aarch64_class,
    "S3_IMS_BUCKET": values.plain_text("ims"),
    "S3_BOOT_IMAGES_BUCKET": values.plain_text("boot-images"),
    "S3_CONNECT_TIMEOUT": values.start_integer(60, 1),
    "S3_READ_TIMEOUT": values.start_integer(60, 1),
    "GUNICORN_WORKER_TIMEOUT": values.start_integer(3600, 0),
    "S3_URL_EXPIRATION": values.start_integer(432000, None),
    "MAX_IMAGE_MANIFEST_SIZE_BYTES": values.start_integer(1048576, None),
    "IMS_JOB_TEMPLATE_PATH": values.template_folder,
    "FLASK_ENV": values.environment,
    "LOG_LEVEL": values.log_level,
    "WEB_CONCURRENCY": values.worker_count,
    "GUNICORN_CMD_ARGS": values.gunicorn_arguments,
}
"""Who reads a key: those of the chart, then those that the service knows besides."""

KNOWN_KEYS = tuple(_READERS)
"""The keys that some release reads, in the order of `readings`."""
