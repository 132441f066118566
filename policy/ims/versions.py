"""Releases of the Image Management Service (IMS), which CSM release ships which, and what each release changed.

Sources: git tags of Cray-HPE/ims (src/server, kubernetes/cray-ims), and manifests/sysmgmt.yaml of Cray-HPE/csm at its
release tags for the table of CSM releases.
"""

from __future__ import annotations

from functools import cache

from kmodgate.policy.data_class import dataclass

CSM_RELEASES = {
    "1.3.0": "3.7.1",
    "1.3.1": "3.7.1",
    "1.3.2": "3.7.1",
    "1.3.3": "3.7.1",
    "1.3.4": "3.7.2",
    "1.3.5": "3.7.2",
    "1.4.0": "3.8.3",
    "1.4.1": "3.8.3",
    "1.4.2": "3.8.3",
    "1.4.3": "3.8.3",
    "1.4.4": "3.8.3",
    "1.5.0": "3.12.0",
    "1.5.1": "3.14.1",
    "1.5.2": "3.15.0",
    "1.6.0": "3.20.0",
}
"""CSM release → release of IMS in it."""

IMS_VERSIONS = (
    *(f"3.7.{patch}" for patch in range(1, 4)),
    *(f"3.8.{patch}" for patch in range(8)),
    *(f"3.9.{patch}" for patch in range(9)),
    "3.10.0",
    "3.10.1",
    "3.11.0",
    "3.12.0",
    "3.13.0",
    *(f"3.14.{patch}" for patch in range(3)),
    *(f"3.15.{patch}" for patch in range(3)),
    *(f"3.16.{patch}" for patch in range(3)),
    *(f"3.17.{patch}" for patch in range(3)),
    "3.18.0",
    "3.19.0",
    "3.20.0",
    "3.21.0",
    "3.22.0",
    "3.22.1",
    "3.23.0",
    *(f"3.24.{patch}" for patch in range(4)),
    *(f"3.{minor}.0" for minor in range(25, 32)),
    "3.32.0",
    "3.32.1",
    "3.33.0",
)
"""Tags of IMS, oldest first. Only `FIRST_WITH_DKMS` and later ones know DKMS and Kata."""

FIRST_WITH_DKMS = "3.8.0"
NEWEST = IMS_VERSIONS[-1]


class UnknownReleaseError(ValueError):
    """A release that is not in the tables, or one without DKMS; the text names the known ones."""


@dataclass(frozen=True, slots=True)
class ImsRelease:
    """One release of IMS, and what it has of the things that changed over time."""

    version: str
    csm: str = ""
    """The CSM release that was asked for; empty where a version of IMS was."""

    def __str__(self) -> str:
        return f"CSM {self.csm} (IMS {self.version})" if self.csm else f"IMS {self.version}"

    def is_at_least(self, version: str) -> bool:
        """Whether this release is the given one or a later one."""
        return _numbers(self.version) >= _numbers(version)

    @property
    def only_ims_config_decides(self) -> bool:
        """Neither a job nor a recipe has `require_dkms`, and nothing has an architecture."""
        return not self.is_at_least("3.9.0")

    @property
    def ims_config_counts(self) -> bool:
        """Whether JOB_ENABLE_DKMS decides anything: 3.9.0 to 3.9.5 read the key and do not use it (CASMCMS-8687)."""
        return self.only_ims_config_decides or self.is_at_least("3.9.6")

    @property
    def recipe_overrides_ims_config(self) -> bool:
        """A recipe's `false` takes a create job out of its VM; before, one of ims-config and the recipe was enough."""
        return self.is_at_least("3.17.0")

    @property
    def dkms_is_default(self) -> bool:
        """What a job, a recipe and ims-config say that say nothing about DKMS (CASMINST-6602)."""
        return self.is_at_least("3.17.0")

    @property
    def default_aarch64_class(self) -> str:
        """The runtime class of aarch64 jobs where JOB_AARCH64_RUNTIME is absent."""
        return "kata-qemu" if self.is_at_least("3.9.3") else "kata-qemu-aarch64"

    @property
    def takes_yes_for_true(self) -> bool:
        """Whether the API takes `yes`, `y`, `no` and `n` for booleans: marshmallow 3.21 does, 3.0.0b16 did not."""
        return self.is_at_least("3.16.0")

    @property
    def has_remote_nodes(self) -> bool:
        return self.is_at_least("3.14.0")

    @property
    def is_tolerant_of_remote_nodes(self) -> bool:
        """Whether a remote node with its podman elsewhere, or one of several without a count of jobs, fails no job."""
        return self.is_at_least("3.17.0")

    @property
    def has_image_metadata(self) -> bool:
        """Whether images have the field `metadata`."""
        return self.is_at_least("3.16.0")

    @property
    def prepare_is_privileged(self) -> bool:
        """Whether container `prepare` of customize jobs is always privileged."""
        return self.is_at_least("3.14.0")

    @property
    def capabilities_placeholder(self) -> str:
        """The name that the service has in job templates for added capabilities; it was misspelt at first."""
        return "security_capabilities" if self.is_at_least("3.17.2") else "security_capabilites"

    @property
    def customize_has_xattr_annotation(self) -> bool:
        """Whether customize jobs carry the virtio_fs_extra_args annotation; create jobs never do (CASMTRIAGE-9170)."""
        return self.is_at_least("3.9.5")

    @property
    def has_volume_claims(self) -> bool:
        """Whether a job builds on a PersistentVolumeClaim, and has a size of memory of its own."""
        return self.is_at_least("3.10.0")

    @property
    def memory_limit_factor(self) -> int:
        """The memory limit of a container, as a multiple of its request."""
        return 5 if self.is_at_least("3.11.0") else 3

    @property
    def image_size_comes_from_ims_config(self) -> bool:
        """Whether DEFAULT_IMS_IMAGE_SIZE has an effect; not so from 3.16.0 to 3.18 (CASMTRIAGE-7327)."""
        return not self.is_at_least("3.16.0") or self.is_at_least("3.19.0")

    @property
    def memory_size_comes_from_ims_config(self) -> bool:
        """Whether DEFAULT_IMS_JOB_MEM_SIZE has an effect; not so from 3.16.0 to 3.16.2 (CASMTRIAGE-7169)."""
        return self.has_volume_claims and (not self.is_at_least("3.16.0") or self.is_at_least("3.17.0"))

    @property
    def image_size_without_ims_config(self) -> int:
        """GiB of `build_env_size` where neither the job nor ims-config says one."""
        return 60 if self.is_at_least("3.18.0") else 15

    @property
    def memory_size_without_ims_config(self) -> int:
        """GiB of `job_mem_size` where neither the job nor ims-config says one."""
        return 8 if self.is_at_least("3.18.0") else 1

    @property
    def chart_image_size(self) -> int:
        """GiB that the chart writes into DEFAULT_IMS_IMAGE_SIZE, as literal text."""
        return 60 if self.is_at_least("3.18.0") else 30 if self.is_at_least("3.12.0") else 15

    @property
    def chart_memory_size(self) -> int:
        """GiB that the chart writes into DEFAULT_IMS_JOB_MEM_SIZE, as literal text."""
        return 8 if self.is_at_least("3.11.0") else 5 if self.is_at_least("3.10.1") else 3

    @property
    def chart_aarch64_class(self) -> str:
        """The chart's JOB_AARCH64_RUNTIME."""
        return "kata-qemu" if self.is_at_least("3.9.2") else ""

    @property
    def log_level_comes_from_ims_config(self) -> bool:
        """Whether LOG_LEVEL is the service's; before, it was gunicorn's only."""
        return self.is_at_least("3.22.0")

    @property
    def cpu_limits_are_cut(self) -> bool:
        """CPU limits of job containers are 8 at most; before, they summed up to 56 (CASMTRIAGE-7274)."""
        return self.is_at_least("3.19.0")

    @property
    def has_ims_job_label(self) -> bool:
        """Whether pods of kiwi-ng and customize jobs carry `app.kubernetes.io/name: ims-job`."""
        return self.is_at_least("3.20.0")

    @property
    def undelete_keeps_recipe_flag(self) -> bool:
        """Whether a recipe that was soft-deleted comes back with its `require_dkms` (CASMCMS-9396)."""
        return self.is_at_least("3.24.2")

    @property
    def has_signing_keys(self) -> bool:
        """Whether a job mounts a copy of Secret services/hpe-signing-key (CASMCMS-9024)."""
        return self.is_at_least("3.30.0")

    @property
    def has_remote_heartbeat(self) -> bool:
        """Whether DEFAULT_IMS_JOB_REMOTE_TIMEOUT_COUNT exists (CASMTRIAGE-8568)."""
        return self.is_at_least("3.32.0")


@cache
def ims_release(version: str) -> ImsRelease:
    """Return a release by its version of IMS.

    :raises UnknownReleaseError: the version is not known, or has no DKMS
    """
    if version not in IMS_VERSIONS:
        known = known_ims_versions()
        meant = _meant(version, known)
        raise UnknownReleaseError(
            f"IMS {version!r} is not a known release{meant}; known ones: {known[0]} to {known[-1]}"
        )
    return _with_dkms(ImsRelease(version))


@cache
def csm_release(csm: str) -> ImsRelease:
    """Return the release of IMS that a CSM release ships.

    :raises UnknownReleaseError: the CSM release is not in the table, or its IMS has no DKMS
    """
    if csm not in CSM_RELEASES:
        known = known_csm_releases()
        raise UnknownReleaseError(
            f"CSM {csm!r} is not a known release{_meant(csm, known)}; known ones: {', '.join(known)}; for another one "
            f"give the version of IMS (chart cray-ims), up to {NEWEST}"
        )
    return _with_dkms(ImsRelease(CSM_RELEASES[csm], csm))


def _meant(text: str, known: tuple[str, ...]) -> str:
    """Return a question for the known release that a text comes near to: another form of it, or of the same line."""
    numbers = text.strip().removeprefix("v").split(".")
    for start in (numbers, numbers[:2] if len(numbers) > 2 else []):
        near = [release for release in known if start and release.split(".")[: len(start)] == start]
        if near:
            return f" (did you mean {near[-1]}?)"
    return ""


def known_ims_versions() -> tuple[str, ...]:
    """The versions of IMS that have DKMS, oldest first."""
    return tuple(version for version in IMS_VERSIONS if ImsRelease(version).is_at_least(FIRST_WITH_DKMS))


def known_csm_releases() -> tuple[str, ...]:
    """The CSM releases whose IMS has DKMS, oldest first."""
    return tuple(csm for csm, ims in CSM_RELEASES.items() if ImsRelease(ims).is_at_least(FIRST_WITH_DKMS))


def _with_dkms(release: ImsRelease) -> ImsRelease:
    if not release.is_at_least(FIRST_WITH_DKMS):
        known = ", ".join(known_csm_releases())
        raise UnknownReleaseError(
            f"{release} has no DKMS (IMS has it from {FIRST_WITH_DKMS} on); CSM releases that have it: {known}"
        )
    return release


@cache
def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))
