"""What happens on nodes, in one sentence each."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from kmodgate.policy.findings import Severity
from kmodgate.renderer.wording import counted, listed


class Effect(IntEnum):
    """What nodes do, the worst first."""

    STUCK = 0
    RECREATE = 1
    RENAME = 2
    UNLOAD = 3
    RELOAD = 4
    UNKNOWN = 5
    ORDERED = 6
    LOAD = 7
    AWAY = 8
    RESTART = 9
    BUILD = 10
    JOB = 11
    STALE = 12
    NOTHING = 13


SEVERITIES = {
    Effect.STUCK: Severity.ERROR,
    Effect.RECREATE: Severity.ERROR,
    Effect.RENAME: Severity.ERROR,
    Effect.UNLOAD: Severity.ERROR,
    Effect.RELOAD: Severity.WARNING,
    Effect.UNKNOWN: Severity.WARNING,
    Effect.ORDERED: Severity.INFO,
    Effect.LOAD: Severity.INFO,
    Effect.AWAY: Severity.WARNING,
    Effect.RESTART: Severity.WARNING,
    Effect.BUILD: Severity.INFO,
    Effect.JOB: Severity.INFO,
    Effect.STALE: Severity.WARNING,
    Effect.NOTHING: Severity.INFO,
}


def sentence(effect: Effect, driver: str, detail: str, where: str, images: int) -> str:
    """The sentence of an effect; `detail` is what tells two of its kind apart, `where` is made by `place`."""
    return _SENTENCES[effect](driver, detail, where, images)


def place(clusters: int, nodes: int, unknown: Sequence[str]) -> str:
    """`412 nodes in 20 clusters`, and what is not known of some of the clusters."""
    known = f"{counted(nodes, 'node')} in {counted(clusters, 'cluster')}" if nodes else counted(clusters, "cluster")
    if unknown and nodes:
        return f"{known}, and an unknown number of nodes in {listed(unknown, 2)}"
    return f"{known}, whose nodes or kernels are not known" if unknown else known


def _recreate(driver: str, detail: str, where: str, _: int) -> str:
    change = "gets its first version" if detail == "first" else "loses its version"
    return f"{driver} {change}: KMM refuses that for a Module that exists; delete it and create it again in {where}"


def _rename(driver: str, detail: str, where: str, _: int) -> str:
    old, new, kernel_module, plugins = detail.split("|")
    name = old.rpartition("/")[2]
    pods = f"; its {plugins} pods stop, and those of the new one start" if plugins else ""
    return (
        f"replaces Module {old} by {new} on {where}: the new one is there first, the unload of the old one takes the "
        f"kernel module {kernel_module} along, and the new one says ready all the same until a reboot or a change: "
        f"after this the nodes have no {name}{pods}; do it in two merges (docs/change.md)"
    )


def _unload(driver: str, detail: str, where: str, _: int) -> str:
    why = {"gone": "the Module goes", "confirmed": "the Module goes, once its removal is confirmed"}.get(detail, detail)
    return f"unloads {driver} from {where}: {why}"


def _reload(driver: str, _detail: str, where: str, _: int) -> str:
    return f"unloads and reloads {driver} on {where}, all at once (not ordered)"


def _unknown(driver: str, _detail: str, where: str, _: int) -> str:
    return f"other nodes may load {driver} in {where}"


def _in_order(driver: str, detail: str, where: str, _: int) -> str:
    return f"{driver} {detail} waits on {where}: each node changes when its version label does"


def _load(driver: str, _detail: str, where: str, _: int) -> str:
    return f"loads {driver} on {where}"


def _stays_away(driver: str, detail: str, where: str, _: int) -> str:
    return (
        f"in-tree module {detail} is not loaded again on unload of {driver}: it stays away until a reboot, on {where}"
    )


def _restart(driver: str, detail: str, where: str, _: int) -> str:
    what, _sep, how = detail.rpartition(" ")
    after = {"restart": "; running workloads keep their devices", "stop": "; no new workload gets a device"}
    return f"{what} pods of {driver} {how} on {where}{after.get(how, '')}"


def _build(driver: str, detail: str, where: str, images: int) -> str:
    verbs = " and ".join(f"{verb}s" for verb in detail.split(" and "))
    return f"{verbs} {counted(images, 'image')} of {driver} in {where}"


def _run_job(driver: str, detail: str, where: str, _: int) -> str:
    if detail == "added":
        return f"runs the Job {driver} in {where}"
    return f"re-runs the Job {driver} in {where}"


def _stuck(driver: str, _detail: str, where: str, _: int) -> str:
    return f"Job {driver} cannot be changed in {where}: give it another name, or the sync option Replace=true"


def _not_done(driver: str, detail: str, where: str, images: int) -> str:
    if detail == "image":
        return f"nothing of {driver} is rebuilt in {where}: the image reference did not change"
    if detail == "trigger":
        return f"looks for the images of {driver} again in {where}; one whose tag exists is not rebuilt"
    return f"{detail} is still needed to unload {driver} in {where}; its successor counts from the next load on"


def _nothing(driver: str, detail: str, where: str, _: int) -> str:
    if detail == "retained":
        return f"Argo CD leaves the Module {driver} behind in {where}: its removal is retain, and nothing is unloaded"
    if detail == "spec":
        return f"nothing happens to {driver} on the nodes of {where}: KMM does not reload for what changes"
    return f"nothing happens to {driver} on the nodes: only labels or annotations of the Module change, in {where}"


_SENTENCES = {
    Effect.STUCK: _stuck,
    Effect.RECREATE: _recreate,
    Effect.RENAME: _rename,
    Effect.UNLOAD: _unload,
    Effect.RELOAD: _reload,
    Effect.ORDERED: _in_order,
    Effect.LOAD: _load,
    Effect.AWAY: _stays_away,
    Effect.RESTART: _restart,
    Effect.BUILD: _build,
    Effect.JOB: _run_job,
    Effect.STALE: _not_done,
    Effect.UNKNOWN: _unknown,
    Effect.NOTHING: _nothing,
}
