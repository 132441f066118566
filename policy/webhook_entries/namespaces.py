"""The namespaces that entries are for: those that are never looked at, the platform's own, those of DKMS work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from kmodgate.policy.config import PLATFORM_PREFIXES, Platform, Policy

Where = Literal[
    "everywhere", "drivers", "labelled namespaces", "labelled contents", "others", "unlabelled", "dkms", "dkms labels",
    "dkms alone", "elsewhere", "platform", "hubs", "olm",
]  # fmt: skip
"""`drivers`: the namespaces of the drivers, with what lies in them. `labelled …`: namespaces that KMM's own label
protects and no fleet knows, and what lies in such. `others`: all but the drivers'. `unlabelled`: those of them without
KMM's label. `dkms`: the pods of IMS where it runs its jobs, and all where other DKMS work is that the policy names;
`dkms labels`: wherever pods have the labels that it names; `dkms alone`: the namespaces of DKMS work, on clusters where
nothing else is asked about. `elsewhere`: all but the platform's own. `platform`: those, but
NEVER. `hubs`, `olm`: everywhere on a hub, or on a cluster with the Operator Lifecycle Manager, and nowhere else."""

NEVER = ("kube-node-lease", "kube-public", "kube-system")
"""Namespaces in which nothing but the kinds of KMM is looked at, whatever fleet, policy and labels say."""


def is_of_platform(namespace: str, platform: Platform) -> bool:
    """Whether a namespace is the platform's own by its name, so that no workload of it is looked at for ring 0."""
    return namespace in NEVER or namespace.startswith(PLATFORM_PREFIXES[platform])


def dkms_namespaces(policy: Policy) -> tuple[str, ...]:
    """Where every pod may be DKMS work: the policy names the namespace, or a ServiceAccount in it."""
    work = policy.parameters.kata.work
    accounts = (name.partition("/")[0] for name in work.service_accounts)
    return tuple(sorted({*work.namespaces, *accounts}))


def reachable(namespaces: Iterable[str], own: str) -> list[str]:
    """The namespaces, sorted, without those that are never looked at and the webhook's own."""
    return sorted(set(namespaces) - {*NEVER, own})


def unreachable(namespaces: Iterable[str], own: str) -> list[str]:
    """Those of the namespaces, sorted, that are never looked at, or are the webhook's own."""
    return sorted(set(namespaces) & {*NEVER, own})
