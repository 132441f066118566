"""What rules with a choice are to hold: the parameters of a DriverPolicy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, Literal

from kmodgate.policy.data_class import dataclass

ImsJobs = Literal["dkms", "all"]


@dataclass(frozen=True)
class DkmsWork:
    """Which pods build kernel modules, beside those that the Image Management Service says of itself."""

    namespaces: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    """`namespace/name` each."""
    pod_labels: tuple[Mapping[str, str], ...] = ()
    """A pod that has all of one entry."""


@dataclass(frozen=True)
class Kata:
    """Where DKMS work runs: in pods of one of the RuntimeClasses, of which the first is given to those without.

    `annotations` are those that the nodes permit, with their values; None where the policy says nothing of them.
    `handlers` are those that a RuntimeClass must have to be Kata, by its name; for others the usual ones count.
    `ims_jobs` are the jobs of IMS that run there: those with DKMS or emulation, or all that are not remote.
    """

    runtime_classes: tuple[str, ...] = ("kata-qemu",)
    annotations: Mapping[str, str] | None = None
    work: DkmsWork = DkmsWork()
    ims_namespace: str = "ims"
    handlers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ims_jobs: ImsJobs = "dkms"

    @property
    def takes_all_jobs(self) -> bool:
        """Whether every job of IMS runs in Kata that is not remote."""
        return self.ims_jobs == "all"


@dataclass(frozen=True)
class SignedElsewhere:
    """A Module whose images are signed although it has no `sign`: `namespace/name`, and its images as specs have them.

    `fingerprint` is that of the key, where the certificate is known; without it the entry satisfies `requireSigning`
    only for `modules`, the kernel modules that a hub signs before it makes the Module. `writer` is the only user who
    may write the Module.
    """

    driver: str
    images: tuple[str, ...]
    fingerprint: str = ""
    modules: tuple[str, ...] = ()
    writer: str = ""


MAX_MAPPINGS = 1000
"""Kernel mappings that a Module may have where the policy gives no number; the largest in use have some dozens."""

MAX_OVERRIDE_HOURS = 24


@dataclass(frozen=True)
class Parameters:
    """What rules with a choice are to hold; empty means that they hold nothing.

    `kernel_access` are the ServiceAccounts (namespace, name) that may load kernel modules beside those that every
    cluster has, `controllers` the users that count as KMM's, `max_node_share` percent of a cluster's nodes (0: all).
    `enforced_since` is the time from which the policy refuses workloads (None: nobody knows): what is older goes on,
    unless the policy `refuses_existing`. `inline_drivers` are CSI drivers that pods may ask for inline. With
    `machine_configs` the webhook is asked about MachineConfigs that load kernel modules at boot.
    """

    allowed_registries: tuple[str, ...] = ()
    require_digest: bool = False
    signing_selectors: tuple[Mapping[str, str], ...] = ()
    signing_namespaces: tuple[str, ...] = ()
    signing_fingerprints: tuple[str, ...] = ()
    plugin_images: tuple[str, ...] = ()
    signed_elsewhere: tuple[SignedElsewhere, ...] = ()
    forbidden_host_paths: tuple[str, ...] = ()
    kata: Kata = Kata()
    kernel_access: tuple[tuple[str, str], ...] = ()
    refuses_existing: bool = False
    enforced_since: datetime | None = None
    inline_drivers: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ()
    max_node_share: int = 0
    max_mappings: int = MAX_MAPPINGS
    max_override_hours: int = MAX_OVERRIDE_HOURS
    machine_configs: bool = False

    @property
    def signing(self) -> bool:
        """Whether some Modules must be signed."""
        return bool(self.signing_selectors or self.signing_namespaces)

    @property
    def names_kata_annotations(self) -> bool:
        """Whether the policy says which annotations of Kata the nodes permit."""
        return self.kata.annotations is not None


NO_PARAMETERS = Parameters()


def read_parameters(spec: Mapping[str, Any]) -> Parameters:
    """The parameters of a DriverPolicy, which its schema has passed. Raises ValueError for a time that is none."""
    signing = spec.get("requireSigning", {})
    access = spec.get("kernelAccess", {})
    since = access.get("enforcedSince")
    return Parameters(
        tuple(spec.get("allowedRegistries", ())),
        spec.get("requireDigest", False),
        tuple(signing.get("nodeSelectors", ())),
        tuple(signing.get("namespaces", ())),
        tuple(signing.get("fingerprints", ())),
        tuple(signing.get("pluginImages", ())),
        tuple(
            SignedElsewhere(
                item["driver"],
                tuple(item["images"]),
                item.get("fingerprint", ""),
                tuple(item.get("modules", ())),
                item.get("writer", ""),
            )
            for item in spec.get("signedElsewhere", ())
        ),
        tuple(spec.get("forbiddenHostPaths", ())),
        kata=_kata(spec.get("kata", {})),
        kernel_access=tuple((item["namespace"], item["serviceAccount"]) for item in access.get("approved", ())),
        refuses_existing=access.get("existing") == "refuse",
        enforced_since=datetime.fromisoformat(since) if since else None,
        inline_drivers=tuple(access.get("inlineDrivers", ())),
        controllers=tuple(spec.get("controllers", ())),
        max_node_share=spec.get("maxNodeShare", 0),
        max_mappings=spec.get("maxMappings", MAX_MAPPINGS),
        max_override_hours=spec.get("override", {}).get("maxHours", MAX_OVERRIDE_HOURS),
        machine_configs=spec.get("admitMachineConfigs", False),
    )


def _kata(spec: Mapping[str, Any]) -> Kata:
    work = spec.get("work", {})
    return Kata(
        tuple(spec.get("runtimeClasses", ())) or Kata.runtime_classes,
        spec.get("annotations"),
        DkmsWork(
            tuple(work.get("namespaces", ())), tuple(work.get("serviceAccounts", ())), tuple(work.get("podLabels", ()))
        ),
        spec.get("imsNamespace", Kata.ims_namespace),
        {name: tuple(handlers) for name, handlers in spec.get("handlers", {}).items()},
        spec.get("imsJobs", Kata.ims_jobs),
    )
