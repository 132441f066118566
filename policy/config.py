"""What each rule's findings do: profiles, and the DriverPolicy that changes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal, get_args

from kmodgate.policy.findings import Mode, Severity

Profile = Literal["parity", "default", "strict"]
Gate = Literal["render", "check", "admit"]
Modes = Mapping[str, Mode]
Platform = Literal["openshift", "kubernetes"]
ImsJobs = Literal["dkms", "all"]

PLATFORMS: tuple[Platform, ...] = get_args(Platform)

WITH_SCC: tuple[Platform, ...] = ("openshift",)
"""The platforms on which a SecurityContextConstraint has to allow privileged pods."""

NOTICE = timedelta(days=14)
"""How long before its end an exception is warned of."""

PROFILES: dict[Profile, dict[str, Mode]] = {
    "parity": {"*": Mode.DISABLED, "SCH": Mode.ENFORCE, "KMM": Mode.ENFORCE},
    "default": {},
    "strict": {},
}
"""Modes by rule, by prefix and by `*`; what no entry names follows from the severity."""

_BY_SEVERITY: dict[Profile, dict[Severity, Mode]] = {
    "parity": {},
    "default": {Severity.ERROR: Mode.ENFORCE, Severity.WARNING: Mode.WARN, Severity.INFO: Mode.AUDIT},
    "strict": {Severity.ERROR: Mode.ENFORCE, Severity.WARNING: Mode.ENFORCE, Severity.INFO: Mode.WARN},
}

_NOT_ASKED: dict[Gate, tuple[str, ...]] = {"admit": ("IMS",)}
"""The families of rules that a gate asks only where the policy names them."""


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
    """A Module whose images were signed before they were pushed: `namespace/name`, and its images as it has them.

    `fingerprint` is that of the key, where the certificate is known; only then the entry satisfies `requireSigning`.
    """

    driver: str
    images: tuple[str, ...]
    fingerprint: str = ""


MAX_MAPPINGS = 1000
"""Kernel mappings that a Module may have where the policy gives no number; the largest in use have some dozens."""

MAX_OVERRIDE_HOURS = 24


@dataclass(frozen=True)
class Parameters:
    """What rules with a choice are to hold; empty means that they hold nothing.

    `kernel_access` are the ServiceAccounts (namespace, name) that may load kernel modules beside those that every
    cluster has, `controllers` the users that count as KMM's, `max_node_share` percent of a cluster's nodes (0: all).
    `enforced_since` is the time from which the policy refuses workloads (None: nobody knows): what is older goes on,
    unless the policy `refuses_existing`. `inline_drivers` are CSI drivers that pods may ask for inline.
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

    @property
    def signing(self) -> bool:
        """Whether some Modules must be signed."""
        return bool(self.signing_selectors or self.signing_namespaces)

    @property
    def names_kata_annotations(self) -> bool:
        """Whether the policy says which annotations of Kata the nodes permit."""
        return self.kata.annotations is not None


NO_PARAMETERS = Parameters()


@dataclass(frozen=True)
class PolicyException:
    """An exception: findings of the rule on matching objects become `audit` until `expires`.

    Empty fields match any object.
    """

    rule: str
    kind: str
    namespace: str
    name: str
    owner: str
    ticket: str
    expires: date

    def holds_for(self, rule: str, kind: str, namespace: str, name: str, today: date) -> bool:
        return (
            self.rule == rule
            and self.kind in ("", kind)
            and self.namespace in ("", namespace)
            and self.name in ("", name)
            and today <= self.expires
        )


@dataclass(frozen=True)
class Policy:
    """A profile and what a DriverPolicy says differently; the most specific entry decides, a gate's first."""

    profile: Profile = "default"
    modes: Modes = field(default_factory=dict)
    gates: Mapping[Gate, Modes] = field(default_factory=dict)
    parameters: Parameters = NO_PARAMETERS
    exceptions: tuple[PolicyException, ...] = ()

    def mode(self, rule: str, severity: Severity, gate: Gate = "check") -> Mode:
        """What a finding of the rule does at a gate."""
        for modes in (self.gates.get(gate, {}), self.modes, PROFILES[self.profile]):
            for key in (rule, rule[:3], "*"):
                if key in modes:
                    return modes[key]
        if rule[:3] in _NOT_ASKED.get(gate, ()):
            return Mode.DISABLED
        return _BY_SEVERITY[self.profile][severity]

    def mode_on_arrival(self, rule: str) -> Mode:
        """What a finding that rests on other objects does at admission, where the rule is to refuse.

        Whoever applies objects may do so in any order, and so it only warns, unless the policy names the rule for this
        gate.
        """
        modes = self.gates.get("admit", {})
        return Mode.ENFORCE if Mode.ENFORCE in (modes.get(rule), modes.get(rule[:3])) else Mode.WARN

    def with_profile(self, profile: Profile) -> Policy:
        """The same policy on another profile."""
        return replace(self, profile=profile)

    def with_signed_elsewhere(self, entries: tuple[SignedElsewhere, ...]) -> Policy:
        """The same policy with more Modules that were signed elsewhere."""
        if not entries:
            return self
        parameters = replace(self.parameters, signed_elsewhere=(*self.parameters.signed_elsewhere, *entries))
        return replace(self, parameters=parameters)

    def with_controllers(self, users: tuple[str, ...]) -> Policy:
        """The same policy with more users that count as KMM's."""
        more = tuple(user for user in users if user not in self.parameters.controllers)
        if not more:
            return self
        return replace(self, parameters=replace(self.parameters, controllers=(*self.parameters.controllers, *more)))

    def with_kernel_access(self, accounts: tuple[tuple[str, str], ...]) -> Policy:
        """The same policy with more ServiceAccounts (namespace, name) that may load kernel modules."""
        more = tuple(account for account in accounts if account not in self.parameters.kernel_access)
        if not more:
            return self
        return replace(self, parameters=replace(self.parameters, kernel_access=(*self.parameters.kernel_access, *more)))

    def with_kata(self, kata: Kata) -> Policy:
        """The same policy with other parameters of Kata."""
        if kata == self.parameters.kata:
            return self
        return replace(self, parameters=replace(self.parameters, kata=kata))

    @property
    def judges_the_deleted(self) -> bool:
        """Whether an update of an object that is being deleted is judged as KMM does it, which can deadlock."""
        return self.profile == "parity"

    @property
    def digest(self) -> str:
        """What tells two policies apart, in reports and in the cluster; what nobody has set has no part in it."""
        differs = _set(asdict(self), asdict(Policy()))
        if "exceptions" in differs:  # under their former name, so that no policy in a cluster has another hash
            differs["exemptions"] = differs.pop("exceptions")
        text = json.dumps(differs, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _set(value: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    """What differs from the default, so that a parameter that is new to kmodgate changes the hash of no policy."""
    return {
        key: _set(item, default[key]) if isinstance(item, dict) and isinstance(default.get(key), dict) else item
        for key, item in value.items()
        if key not in default or item != default[key]
    }


def read_policy(spec: Mapping[str, Any]) -> Policy:
    """The policy of a DriverPolicy's spec, which its schema has passed. Raises ValueError for a day that is none."""
    return Policy(
        profile=spec.get("profile", "default"),
        modes=_modes(spec.get("modes", {})),
        gates={gate: _modes(modes) for gate, modes in spec.get("gates", {}).items()},
        parameters=_parameters(spec.get("parameters", {})),
        exceptions=tuple(_exception(item) for item in spec.get("exceptions", ())),
    )


def _parameters(spec: Mapping[str, Any]) -> Parameters:
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
            SignedElsewhere(item["driver"], tuple(item["images"]), item.get("fingerprint", ""))
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


def _modes(spec: Mapping[str, str]) -> Modes:
    return {key: Mode(mode) for key, mode in spec.items()}


def _exception(item: Mapping[str, Any]) -> PolicyException:
    object = item["object"]
    return PolicyException(
        rule=item["rule"],
        kind=object.get("kind", ""),
        namespace=object.get("namespace", ""),
        name=object.get("name", ""),
        owner=item["owner"],
        ticket=item["ticket"],
        expires=date.fromisoformat(item["expires"]),
    )
