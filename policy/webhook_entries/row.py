"""One webhook entry: what the API server asks about, and what it does when nobody answers."""

from __future__ import annotations

from typing import Literal

from kmodgate.policy.config import Platform, Policy
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Mode
from kmodgate.policy.review import Operation
from kmodgate.policy.rule import RULES, Rule, load_rules
from kmodgate.policy.webhook_entries.conditions import Condition, FailurePolicy
from kmodgate.policy.webhook_entries.namespaces import Where

Path = Literal["/validate", "/mutate"]


@dataclass(frozen=True, slots=True)
class Resources:
    """Some resources of one group, subresources after a slash, and the operations that matter on them."""

    group: str
    versions: tuple[str, ...]
    names: tuple[str, ...]
    operations: tuple[Operation, ...]

    def covers(self, group: str, resource: str, operation: str) -> bool:
        """Whether these are among them; the name `*` stands for every resource, and for no subresource."""
        is_named = resource in self.names or ("*" in self.names and "/" not in resource)
        return group == self.group and is_named and operation in self.operations


@dataclass(frozen=True, slots=True)
class Row:
    """One webhook entry: `timeout` in seconds, `families` are how the ids of the rules begin that it is for.

    Rules that find something of what it is asked may be of several families, and one in force is enough for it. A row
    with a `platform` is for clusters of that one only, and one with a `parameter` for policies that set it. One that
    `needs_kmm` lets everything through that nobody answers for while it is not known who KMM is, so that KMM itself
    never waits. `reports` is whether an answer may leave an Event in the cluster.
    """

    name: str
    path: Path
    where: Where
    failure: FailurePolicy
    timeout: int
    families: tuple[str, ...]
    resources: tuple[Resources, ...]
    condition: Condition | None = None
    platform: Platform | None = None
    parameter: str = ""
    needs_kmm: bool = False
    reports: bool = False

    @property
    def is_for_dkms(self) -> bool:
        """Whether it is about DKMS work alone, which there is without KMM, too."""
        return self.where in ("dkms", "dkms labels", "dkms alone")

    def is_wanted(self, policy: Policy, platform: Platform | None = None) -> bool:
        """Whether the policy leaves a rule of the families in force at admission, on a platform if one is given."""
        if None not in (platform, self.platform) and platform != self.platform:
            return False
        if self.parameter and not getattr(policy.parameters, self.parameter):
            return False
        load_rules()
        return any(rule.id.startswith(self.families) and _is_in_force(rule, policy) for rule in RULES.values())


def _is_in_force(rule: Rule, policy: Policy) -> bool:
    held = not rule.parameter or getattr(policy.parameters, rule.parameter)
    return bool(held) and policy.mode(rule.id, rule.severity, "admit") is not Mode.DISABLED
