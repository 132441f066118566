"""Node groups and drivers of one name: which of them an answer is about, and how to ask for the other."""

from __future__ import annotations

from collections.abc import Callable

from kmodgate.renderer.compile.compiler import CompiledFleet


def say_what_else(
    found: CompiledFleet, name: str, cluster: str | None, say: Callable[[str], None], *, is_node: bool
) -> None:
    """Say that the name, where it alone is the question, is that of a node group and of a driver as well."""
    drivers = {driver.name for driver in found.fleet.drivers}
    clusters = [
        item.name
        for item in found.fleet.clusters
        if cluster in (None, item.name) and any(group.name == name for group in item.nodes)
    ]
    if name not in drivers or not clusters:
        return
    if is_node:
        say(f"note: {name} is a driver, too; this is the node group of {cluster}; for the driver ask: Module/{name}")
    else:
        ask = f"node/{name} --cluster {clusters[0]}"
        say(f"note: {name} is a node group of {clusters[0]}, too; this is the driver; for the nodes ask: {ask}")
