"""What each rule's findings do: profiles, and the DriverPolicy that changes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from policy.findings import Mode, Severity

Profile = Literal["parity", "default", "strict"]

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


@dataclass(frozen=True)
class Policy:
    """A profile and what a DriverPolicy says differently; the most specific entry decides."""

    profile: Profile = "default"
    modes: Mapping[str, Mode] = field(default_factory=dict)

    def mode(self, rule: str, severity: Severity) -> Mode:
        for modes in (self.modes, PROFILES[self.profile]):
            for key in (rule, rule[:3], "*"):
                if key in modes:
                    return modes[key]
        return _BY_SEVERITY[self.profile][severity]

    @property
    def judges_the_deleted(self) -> bool:
        """Whether an update of an object that is being deleted is judged as KMM does it, which can deadlock."""
        return self.profile == "parity"
