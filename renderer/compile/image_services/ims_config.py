"""The ConfigMap `ims-config` of a service: what the chart makes of an ImageService, and what only an overlay can say.

Source: Cray-HPE/ims, kubernetes/cray-ims/templates/configmap.yaml and values.yaml, at every tag from v3.8.0 to v3.33.0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, value_at
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.ims.settings import CHART_LITERALS, chart_values
from kmodgate.renderer.fleet.image_services.service_targets import ServiceTarget

GATEWAY = "API_GATEWAY_HOSTNAME"
_CLUSTER_DOMAIN = "svc.cluster.local"


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of ims-config: the field of the spec that says it, and the value of the chart that reaches it.

    `value` is empty for a key that the chart writes as literal text.
    """

    key: str
    field: FieldPath
    value: tuple[str, ...] = ()
    default: Json = None
    """What counts where the spec says nothing; None leaves the key to the chart and to the site."""


SETTINGS = (
    Setting("DEFAULT_IMS_IMAGE_SIZE", ("sizes", "imageGiB")),
    Setting("DEFAULT_IMS_JOB_NAMESPACE", ("namespaces", "jobs"), ("ims_config", "cray_ims_job_namespace")),
    Setting("DEFAULT_IMS_JOB_MEM_SIZE", ("sizes", "memoryGiB")),
    Setting("DEFAULT_IMS_JOB_REMOTE_TIMEOUT_COUNT", ("timeouts", "remoteHeartbeats")),
    Setting("JOB_CUSTOMER_ACCESS_NETWORK_DOMAIN", ("network", "domain"), ("customer_access", "shasta_domain")),
    Setting("JOB_CUSTOMER_ACCESS_SUBNET_NAME", ("network", "subnet"), ("customer_access", "subnet_name")),
    Setting("JOB_CUSTOMER_ACCESS_NETWORK_ACCESS_POOL", ("network", "accessPool"), ("customer_access", "access_pool")),
    Setting("JOB_ENABLE_DKMS", ("dkms", "enabled"), ("jobs", "enable_dkms")),
    Setting("JOB_KATA_RUNTIME", ("kata", "runtimeClass"), ("jobs", "kata_runtime"), "kata-qemu"),
    Setting("JOB_AARCH64_RUNTIME", ("kata", "aarch64RuntimeClass"), ("jobs", "aarch64_runtime"), "kata-qemu"),
    Setting("S3_IMS_BUCKET", ("s3", "imsBucket"), ("s3", "ims_bucket")),
    Setting("S3_BOOT_IMAGES_BUCKET", ("s3", "bootImagesBucket"), ("s3", "boot_images_bucket")),
    Setting("S3_CONNECT_TIMEOUT", ("timeouts", "s3ConnectSeconds"), ("s3", "connect_timeout")),
    Setting("S3_READ_TIMEOUT", ("timeouts", "s3ReadSeconds"), ("s3", "read_timeout")),
    Setting("GUNICORN_WORKER_TIMEOUT", ("timeouts", "workerSeconds"), ("gunicorn", "worker_timeout")),
)
"""Every key but that of the gateway, which the chart makes of two values, and CA_CERT, which nothing reads."""


@dataclass(frozen=True, slots=True)
class ImsConfig:
    """The environment of the service, as far as it comes from ConfigMaps.

    `chart` is ims-config as the chart renders it, `overlay` what differs from the chart's literals, `left` the keys
    that the spec leaves to the site's own customizations. `origins` has the fields of the spec by key.
    """

    chart: dict[str, str]
    overlay: dict[str, str]
    left: tuple[str, ...]
    origins: dict[str, FieldPath]

    @property
    def whole(self) -> dict[str, str]:
        """What the service sees: of several sources the last one wins."""
        return {**self.chart, **self.overlay}

    @property
    def checksum(self) -> str:
        """SHA-256 of what the service sees, one `KEY=value` a line, sorted: another one makes new pods."""
        lines = "".join(f"{key}={value}\n" for key, value in sorted(self.whole.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


def stated(setting: Setting, spec: Mapping[str, Json]) -> Json:
    """Return what a spec says of a key, or what counts in its place; None where the chart and the site decide."""
    value: Json = value_at(spec, setting.field, setting.default)
    return value


def gateway(spec: Mapping[str, Json]) -> tuple[str, str]:
    """Return Service and namespace of the API gateway, each empty where the spec does not say it."""
    found = [value_at(spec, ("network", "gateway", name), "") for name in ("service", "namespace")]
    return str(found[0]), str(found[1])


def ims_config(target: ServiceTarget) -> ImsConfig:
    """The environment of the service of one cluster."""
    values = chart_values(target.release)
    chart, overlay, left = dict(values), dict[str, str](), list[str]()
    origins: dict[str, FieldPath] = {GATEWAY: ("network", "gateway")}
    service, namespace, *_ = values[GATEWAY].split(".")
    given = gateway(target.spec)
    chart[GATEWAY] = f"{given[0] or service}.{given[1] or namespace}.{_CLUSTER_DOMAIN}"
    if not all(given):
        left.append(GATEWAY)
    for setting in SETTINGS:
        if setting.key not in values:
            continue
        origins[setting.key] = setting.field
        value = stated(setting, target.spec)
        if setting.key in CHART_LITERALS:
            if value is not None and as_text(value) != values[setting.key]:
                overlay[setting.key] = as_text(value)
        elif value is None:
            left.append(setting.key)
        else:
            chart[setting.key] = as_text(value)
    return ImsConfig(chart, overlay, tuple(sorted(left)), origins)


def as_text(value: Json) -> str:
    """A value as Helm prints it into the ConfigMap."""
    return str(value).lower() if isinstance(value, bool) else str(value)
