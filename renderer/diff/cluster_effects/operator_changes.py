"""Changes of the objects that install and configure KMM's operator → what becomes of its pods; drivers stay loaded.

Sources: docs/mkdocs/documentation/{configure,uninstall}.md of Kernel Module Management; doc/design of
operator-framework/operator-lifecycle-manager (a ClusterServiceVersion outlives its Subscription).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kmodgate.policy.cluster.controllers import HUB_PACKAGE, PACKAGE
from kmodgate.policy.findings import FieldPath, value_at
from kmodgate.policy.kmm.operator_config import CONFIG_MAPS
from kmodgate.renderer.diff.effects.affected import Objects, Sums
from kmodgate.renderer.diff.effects.changed_fields import Kind, ObjectChange
from kmodgate.renderer.diff.effects.effect import Effect

_VERSION: FieldPath = ("spec", "startingCSV")
_SOURCE: FieldPath = ("resources", 0)
_CONFIG: FieldPath = ("spec", "config")


def add_operators(changes: Iterable[ObjectChange], objects: Objects, sums: Sums) -> None:
    """Add what happens to the operators of the clusters."""
    for change in changes:
        identity = change.manifest.identity
        if identity.kind in ("Subscription", "Kustomization") and identity.name in (PACKAGE, HUB_PACKAGE):
            path = _VERSION if identity.kind == "Subscription" else _SOURCE
            _installation(change, path, sums)
        elif identity.kind == "ConfigMap" and identity.name in CONFIG_MAPS:
            _configuration(change, objects, sums)


def _installation(change: ObjectChange, path: FieldPath, sums: Sums) -> None:
    was, now = (value_at(_value(side), path, "") for side in (change.before, change.after))
    if change.kind is Kind.ADDED:
        detail = f"installs|{now}"
    elif change.kind is Kind.REMOVED:
        detail = "leaves|"
    elif was != now:
        detail = f"upgrades|{was}|{now}"
    elif value_at(_value(change.before), _CONFIG, None) != value_at(_value(change.after), _CONFIG, None):
        detail = "restarts|its tolerations or environment change"
    else:
        return
    sums.add(Effect.OPERATOR, change, detail, path, _CONFIG).clusters.update(change.clusters)


def _configuration(change: ObjectChange, objects: Objects, sums: Sums) -> None:
    if change.kind is Kind.CHANGED and not any(field.path[:1] == ("data",) for field in change.fields):
        return
    for name in change.clusters:
        is_restarted = change.kind is not Kind.REMOVED and any(_restarts(item) for item in objects(name))
        detail = "restarts|its configuration changes" if is_restarted else "waits|"
        sums.add(Effect.OPERATOR, change, detail, ("data",)).clusters.add(name)


def _restarts(value: Any) -> bool:
    """Whether an object restarts the operator when its configuration changes."""
    name = str(value_at(value, ("metadata", "name"), ""))
    return value.get("kind") == "Kustomization" or (value.get("kind") == "Job" and name.startswith("kmodgate-restart-"))


def _value(side: Any) -> Any:
    return {} if side is None else side.value
