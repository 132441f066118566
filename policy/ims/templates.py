"""The job templates of IMS: which ConfigMaps hold them, under which keys, and what each release fills in.

Sources: kubernetes/cray-ims/templates and src/server/v3/resources/jobs.py of Cray-HPE/ims at the tags 3.4.1 to 3.33.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from kmodgate.policy.data_class import dataclass

Job = Literal["create", "customize"]
Resource = Literal["configmap", "service", "job", "pvc"]
Version = tuple[int, ...]

KINDS: dict[Resource, str] = {
    "configmap": "ConfigMap",
    "service": "Service",
    "job": "Job",
    "pvc": "PersistentVolumeClaim",
}
"""Resource of a template → kind of the object, in the order in which IMS creates them."""

CLAIMS_SINCE: Version = (3, 10, 0)
"""The release that reads a template of a PersistentVolumeClaim for every job."""

ANNOTATION_SINCE: Version = (3, 9, 5)
"""The release whose customize jobs were the first with the annotation for extended attributes."""

XATTR = "io.katacontainers.config.hypervisor.virtio_fs_extra_args"
"""The annotation by which virtiofsd gets options, and so the guest extended attributes."""

XATTR_VALUES = {"go": '["-o", "xattr"]', "rust": "-o,xattr"}
"""Flavour of Kata's runtime → the value for extended attributes: a JSON list, or words between commas."""

CAPABILITIES = "security_capabilities"
OLD_CAPABILITIES = "security_capabilites"
"""The misspelt name of 3.8.0 to 3.17.1."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A ConfigMap of templates: the jobs that it is for, and the recipe type of create jobs."""

    job: Job
    recipe: str = ""

    def key(self, resource: Resource) -> str:
        return f"image_{resource}_{self.job}.yaml.template"


HOLDERS: dict[str, Holder] = {
    "cray-configmap-ims-v2-image-create-kiwi-ng": Holder("create", "kiwi-ng"),
    "cray-configmap-ims-v2-image-create-packer": Holder("create", "packer"),
    "cray-configmap-ims-v2-image-customize": Holder("customize"),
}


SITE_SUFFIX = "-site"
"""The end of the name of a ConfigMap that takes the place of one of the chart's."""


@dataclass(frozen=True, slots=True)
class Span:
    """The releases from `first` on and before `end`; without `end` all later ones."""

    first: Version = ()
    end: Version | None = None

    def holds(self, release: Version) -> bool:
        return self.first <= release and (self.end is None or release < self.end)

    def met(self, other: Span) -> Span:
        """Return the releases that are in both; with `first` at or after `end` there is none."""
        ends = [item.end for item in (self, other) if item.end is not None]
        return Span(max(self.first, other.first), min(ends, default=None))

    @property
    def is_empty(self) -> bool:
        return self.end is not None and self.first >= self.end


_ALWAYS = (
    "address_pool",
    "download_md5sum",
    "download_url",
    "enable_debug",
    "hostname",
    "id",
    "image_root_archive_name",
    "initrd_filename",
    "kernel_filename",
    "kernel_parameters_filename",
    "limit_gb",
    "namespace",
    "public_key",
    "s3_bucket",
    "size_gb",
    "ssh_jail",
)
_CREATE_ONLY = ("recipe_type", "template_dictionary")

VARIABLES: dict[str, Span] = {
    **dict.fromkeys((*_ALWAYS, *_CREATE_ONLY), Span()),
    **dict.fromkeys(("job_enable_dkms", "runtime_class", "security_privilege", "service_account"), Span((3, 8, 0))),
    OLD_CAPABILITIES: Span((3, 8, 0), (3, 17, 2)),
    "job_arch": Span((3, 9, 0)),
    "pvc_size": Span((3, 9, 4), (3, 9, 6)),
    **dict.fromkeys(("job_mem_limit", "job_mem_size", "pvc_gb"), Span((3, 10, 0))),
    "remote_build_node": Span((3, 14, 0)),
    CAPABILITIES: Span((3, 17, 2)),
    "remote_heartbeat_timeout_count": Span((3, 32, 0)),
}
"""Placeholder → the releases that fill it in. `$s3_host`, which HPE's packer template has, no release fills in."""

SIGNS: dict[str, Span] = {
    r"^[ \t]+namespaces:": Span((3, 19, 0)),
    r"-signing-keys[\"']?[ \t]*$": Span((3, 30, 0)),
}
"""Lines that HPE's own templates of a Job have from some release on, beside their placeholders."""

ARCHIVE_NAME, PUBLIC_KEY = "image_root_archive_name", "public_key"

FREE_TEXTS = (ARCHIVE_NAME, "initrd_filename", "kernel_filename", "kernel_parameters_filename", PUBLIC_KEY)
"""Placeholders that whoever asks for a job fills with any text."""


def version_of(release: str) -> Version:
    """Return the numbers of a release such as `3.20.0`."""
    return tuple(map(int, release.split(".")))


def supplied(job: Job, release: Version | None) -> frozenset[str]:
    """Return the placeholders that a release fills in for a kind of job; those of any release where it is unknown."""
    names = (name for name, span in VARIABLES.items() if release is None or span.holds(release))
    return frozenset(name for name in names if job == "create" or name not in _CREATE_ONLY)


def releases_of(names: Iterable[str]) -> Span:
    """Return the releases that fill in all of these placeholders; those that none fills in are left out."""
    span = Span()
    for name in names:
        span = span.met(VARIABLES.get(name, Span()))
    return span


def texts_of(config_map: Mapping[str, object], holder: Holder) -> dict[Resource, str]:
    """Return the templates that a ConfigMap holds under the keys that IMS reads."""
    data = config_map.get("data")
    data = data if isinstance(data, dict) else {}
    found = ((resource, data.get(holder.key(resource))) for resource in KINDS)
    return {resource: text for resource, text in found if isinstance(text, str)}


def holder_of(config_map: Mapping[str, object]) -> Holder | None:
    """Return the jobs whose templates an object holds by its name; None for any other object.

    A site's own have the names of the chart's and a suffix: the chart keeps its objects, and mounts these.
    """
    metadata = config_map.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    is_config_map = config_map.get("kind") == "ConfigMap" and config_map.get("apiVersion") == "v1"
    return HOLDERS.get(name.removesuffix(SITE_SUFFIX)) if is_config_map and isinstance(name, str) else None
