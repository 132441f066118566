"""The ServiceAccounts whose pods load drivers without KMM → approved in the policy of each cluster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.specs import KernelDriver
from kmodgate.renderer.fleet.targets.targets import targets
from kmodgate.renderer.manifests import service_accounts

Account = tuple[str, str]
"""Namespace and name."""

_DELIVERY = "daemonset"


def loading_accounts(fleet: Fleet) -> Mapping[str, tuple[Account, ...]]:
    """Return the accounts of drivers that DaemonSets load, by the name of the cluster, sorted."""
    if not any(map(_may_have_daemon_sets, fleet.drivers)):
        return {}
    found: dict[str, set[Account]] = defaultdict(set)
    for target in targets(fleet, []):
        variant = target.variant
        if variant.spec.get("delivery") == _DELIVERY and not target.is_absent:
            accounts = service_accounts.accounts(variant.driver.name, variant.spec)
            found[target.cluster.name] |= {(variant.namespace, account.name) for account in accounts if account.name}
    return {cluster: tuple(sorted(accounts)) for cluster, accounts in found.items()}


def _may_have_daemon_sets(driver: KernelDriver) -> bool:
    levels = (driver.spec, *(override.patch for override in driver.overrides))
    return any(level.get("delivery") == _DELIVERY for level in levels)
