"""What each rule's findings do: profiles, and the DriverPolicy that changes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from datetime import date, timedelta
from typing import Any, Literal, get_args

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Mode, Severity
from kmodgate.policy.parameters import NO_PARAMETERS, Kata, Parameters, SignedElsewhere, read_parameters

Profile = Literal["parity", "default", "strict"]
Gate = Literal["render", "check", "admit"]
Modes = Mapping[str, Mode]
Platform = Literal["openshift", "kubernetes"]

PLATFORMS: tuple[Platform, ...] = get_args(Platform)

PLATFORM_PREFIXES: dict[Platform, tuple[str, ...]] = {"kubernetes": (), "openshift": ("openshift-",)}
"""How names of namespaces begin that nobody but the platform can make: its workloads are not looked at for ring 0.

OpenShift lets nobody request a project with such a name; plain Kubernetes keeps `kube-system` and its like alone.
"""

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
        if "signed_elsewhere" in differs.get("parameters", {}):
            entries = differs["parameters"]["signed_elsewhere"]
            differs["parameters"]["signed_elsewhere"] = [_without_new_fields(item) for item in entries]
        text = json.dumps(differs, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_new_fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without what is empty and came later, so that the hash of a policy which has none of it stays."""
    return {key: item for key, item in entry.items() if item or key not in ("modules", "writer")}


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
        parameters=read_parameters(spec.get("parameters", {})),
        exceptions=tuple(_exception(item) for item in spec.get("exceptions", ())),
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
