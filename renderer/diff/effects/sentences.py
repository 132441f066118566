"""What happens on nodes, in one sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from kmodgate.renderer.diff.effects import cluster_sentences
from kmodgate.renderer.diff.effects.effect import BY_DAEMON_SETS, FOR_ALL, Effect
from kmodgate.renderer.wording import counted, listed


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
    old, new, kernel_module, plugins, how = detail.split("|")
    name = old.rpartition("/")[2]
    pods = f"; its {plugins} pods stop, and those of the new one start" if plugins else ""
    if how in _HANDED_OVER:
        what = f"hands {old} over {_HANDED_OVER[how].format(where, name)}"
    else:
        what = (
            f"replaces {old} by {new.removeprefix('Module ') if old.startswith('Module ') else new} on {where}: the "
            f"new one is there first, the unload of the old one takes the kernel module {kernel_module} along, and "
            f"{_REPLACED[how].format(name)}"
        )
    return f"{what}{pods}; do it in two merges (docs/change.md)"


_REPLACED = {
    "module": "the new one says ready all the same until a reboot or a change: after this the nodes have no {}",
    "daemonsets": "the pods of the new one are not ready from then on: the nodes have no {} until these are deleted",
}

_HANDED_OVER = {
    "from hub": "from its hub to the cluster's own tree on {0}: it is one object, and the ManifestWork by which KMM "
    "made it deletes it after Argo CD has taken it over: the nodes have no {1} until Argo CD makes it again",
    "to hub": "from the cluster's own tree to its hub on {0}: it is one object, and Argo CD deletes it after the hub "
    "has taken it over: the nodes have no {1} until the hub's work agent makes it again",
    "between hubs": "from one hub to another on {0}: it is one object, and goes as the cluster leaves the former hub: "
    "the nodes have no {1} until the work agent of the other hub makes it again",
}
"""What follows where one Module takes the place of another, and where another one delivers the same Module."""


def _lose(driver: str, detail: str, where: str, _: int) -> str:
    how = "unload it when their version label changes" if detail else "unload it"
    return f"loses {driver} on {where}: the nodes {how}, and Secure Boot refuses the new one, which is not signed"


def _refused(driver: str, _detail: str, where: str, _: int) -> str:
    return f"{driver} does not load on {where}: it is not signed, and Secure Boot refuses unsigned modules"


def _kept(driver: str, detail: str, where: str, _: int) -> str:
    if detail.startswith(FOR_ALL):
        stays = f"{driver} stays as it is on {where}, and comes to no other node"
        return f"{stays}: KMM fails at the Module for all its nodes, {detail.removeprefix(FOR_ALL)}"
    if detail:
        return f"{driver} stays as it is on {where}: KMM fails there, {detail}"
    return (
        f"{driver} stays loaded on {where}, also over reboots, until the Module is deleted: without moduleLoader KMM "
        f"neither loads nor removes a driver"
    )


def _unload(driver: str, detail: str, where: str, _: int) -> str:
    what = "its DaemonSets go" if detail.startswith(BY_DAEMON_SETS) else "the Module goes"
    how = detail.removeprefix(BY_DAEMON_SETS)
    why = {"gone": what, "confirmed": f"{what}, once its removal is confirmed"}.get(how, detail)
    return f"unloads {driver} from {where}: {why}"


def _reload(driver: str, detail: str, where: str, _: int) -> str:
    if detail.startswith(BY_DAEMON_SETS):
        how, _sep, most = detail.removeprefix(BY_DAEMON_SETS).rpartition("|")
        if how == "older":
            return (
                f"unloads and reloads {driver} on those of {where} whose pod is older than the last change of its "
                f"DaemonSet: OnDelete left it there, and RollingUpdate replaces it, at most {most} at a time of each "
                f"DaemonSet and without a drain"
            )
        return (
            f"unloads and reloads {driver} on {where}, node by node without a drain: at most {most} at a time of each "
            f"DaemonSet, and each kernel has one"
        )
    if detail:
        return f"unloads and reloads {driver} on {where}, one after the other: the DaemonSets of KMM 1.x roll"
    return f"unloads and reloads {driver} on {where}, all at once (not ordered)"


def _unknown(driver: str, _detail: str, where: str, _: int) -> str:
    return f"other nodes may load {driver} in {where}"


def _in_order(driver: str, detail: str, where: str, _: int) -> str:
    if detail.startswith(BY_DAEMON_SETS):
        return f"{driver} changes on {where} when its pod there is deleted (updateStrategy: OnDelete), and not before"
    return f"{driver} {detail} waits on {where}: each node changes when its version label does"


def _version(driver: str, detail: str, where: str, _: int) -> str:
    return (
        f"{driver} {detail} reloads nothing on {where}, for only the version differs; a node whose version label asks "
        f"for another version does not get {driver} again after a cordon"
    )


def _load(driver: str, _detail: str, where: str, _: int) -> str:
    return f"loads {driver} on {where}"


def _stays_away(driver: str, detail: str, where: str, _: int) -> str:
    return (
        f"in-tree module {detail} is not loaded again on unload of {driver}: it stays away until a reboot, on {where}"
    )


def _restart(driver: str, detail: str, where: str, _: int) -> str:
    what, _sep, how = detail.rpartition(" ")
    return f"{what} pods of {driver} {_PODS[how].format(where)}"


_PODS = {
    "start": "start on {}",
    "stop": "stop on {}; no new workload gets a device",
    "restart": "restart on {}; running workloads keep their devices",
    "move": "move on {}, node by node with the version label; running workloads keep their devices",
    "wait": "stop on {} until the driver is loaded there; no new workload gets a device before",
    "stay": "stay on {}: before KMM head and Red Hat's 2.7 nothing deletes their DaemonSet until the Module goes; "
    "delete it by its label kmm.node.kubernetes.io/module.name",
    "spread": "restart and spread, on {}: without moduleLoader they run on all nodes of the selector, "
    "with the driver or without it",
}
"""What pods of a plugin do, and where."""


def _device_class(_driver: str, detail: str, where: str, _: int) -> str:
    verb, _sep, name = detail.partition(" ")
    after = {
        "creates": "; one of that name that is there already is taken over",
        "changes": "; claims are matched by the new one from now on",
        "deletes": "; claims that name it get no device any more",
    }
    return f"{verb} DeviceClass {name} for all namespaces in {where}{after[verb]}"


def _build(driver: str, detail: str, where: str, images: int) -> str:
    verbs = " and ".join(f"{verb}s" for verb in detail.split(" and "))
    return f"{verbs} {counted(images, 'image')} of {driver} in {where}"


def _made_again(driver: str, detail: str, where: str, images: int) -> str:
    what, kept = f"{counted(images, 'image')} of {driver}", "nodes keep the unsigned one until they load it again"
    if detail == "in place":
        return f"signs {what} in place in {where} if KMM has built it there; {kept}"
    return (
        f"builds and signs {what} anew under the same name in {where} if KMM has built it there, after the signing has "
        f"failed for want of the intermediate image, which was not pushed; {kept}"
    )


def _run_job(driver: str, detail: str, where: str, _: int) -> str:
    if detail == "added":
        return f"runs the Job {driver} in {where}"
    return f"re-runs the Job {driver} in {where}"


def _stuck(driver: str, _detail: str, where: str, _: int) -> str:
    return f"Job {driver} cannot be changed in {where}: give it another name, or the sync option Replace=true"


def _not_done(driver: str, detail: str, where: str, _: int) -> str:
    if detail == "image":
        return (
            f"nothing of {driver} is rebuilt in {where}: the image reference did not change (one whose build or "
            f"signing failed or is still running is made again)"
        )
    if detail == "trigger":
        return f"looks for the images of {driver} again in {where}; one whose tag exists is not rebuilt"
    if detail == "unsigned":
        return (
            f"nodes keep the signed image of {driver} on {where}; images of other kernels are not signed any more, and "
            f"Secure Boot refuses them"
        )
    how, _sep, what = detail.partition("|")
    after = "the new one takes effect at the next load" if how == "replaced" else "nothing takes its place"
    return f"{what} is still needed to unload {driver} in {where}; {after}"


_DRAINS = "the Machine Config Operator drains every node of every pool, one after the other: {}"


def _cordon(_driver: str, detail: str, where: str, _: int) -> str:
    drivers = detail.split("|")
    verb = "does not tolerate the cordon and is" if len(drivers) == 1 else "do not tolerate the cordon and are"
    unloaded = f"{counted(len(drivers), 'driver')} {verb} unloaded meanwhile ({listed(drivers, 6)})"
    return f"{_DRAINS.format(where)}; {unloaded}"


def _drain(_driver: str, detail: str, where: str, _: int) -> str:
    told = (
        "the specs have no driver for them"
        if detail
        else "every driver of the clusters tolerates the cordon and stays loaded"
    )
    return f"{_DRAINS.format(where)}; {told}"


_UNDRAINED = {
    "single": "the Machine Config Operator changes the mirrors of the one node of {} without a drain",
    "digests": "the Machine Config Operator drains no node of {}: an ImageDigestMirrorSet only gains sources",
}


def _nothing(driver: str, detail: str, where: str, _: int) -> str:
    if detail in _UNDRAINED:
        return _UNDRAINED[detail].format(where)
    if detail == "retained":
        return f"Argo CD leaves {driver} behind in {where}: its removal is retain, and nothing is unloaded"
    if detail.startswith(BY_DAEMON_SETS):
        return _other_daemon_sets(driver, detail.removeprefix(BY_DAEMON_SETS), where)
    if detail.startswith("boot|"):
        kind = detail.partition("|")[2]
        return f"nothing happens to {driver} at boot: only labels or annotations of the {kind} change, in {where}"
    if detail == "spec":
        return f"nothing happens to {driver} on the nodes of {where}: KMM does not reload for what changes"
    return f"nothing happens to {driver} on the nodes: only labels or annotations of the Module change, in {where}"


def _other_daemon_sets(driver: str, detail: str, where: str) -> str:
    """What it means that kernels lose or get their DaemonSets while no node runs them."""
    gone, _sep, come = detail.partition("|")
    parts = []
    if come:
        parts.append(f"{driver} is ready for kernel {come}: the DaemonSet waits for nodes that run it")
    if gone:
        parts.append(f"the DaemonSet of {driver} for kernel {gone} goes, which unloads nothing: no node runs it")
    return f"{'; '.join(parts) or f'nothing happens to {driver} on the nodes'}, in {where}"


_SENTENCES = {
    Effect.IN_TREE: cluster_sentences.in_tree,
    Effect.REBOOT: cluster_sentences.reboot,
    Effect.LEFT_BEHIND: cluster_sentences.left_behind,
    Effect.NEXT_BOOT: cluster_sentences.next_boot,
    Effect.PAUSED: cluster_sentences.paused,
    Effect.STUCK: _stuck,
    Effect.RECREATE: _recreate,
    Effect.RENAME: _rename,
    Effect.LOSE: _lose,
    Effect.REFUSED: _refused,
    Effect.KEPT: _kept,
    Effect.UNLOAD: _unload,
    Effect.RELOAD: _reload,
    Effect.ORDERED: _in_order,
    Effect.VERSION: _version,
    Effect.LOAD: _load,
    Effect.AWAY: _stays_away,
    Effect.RESTART: _restart,
    Effect.DEVICE_CLASS: _device_class,
    Effect.NEW_CLASS: _device_class,
    Effect.BUILD: _build,
    Effect.MADE_AGAIN: _made_again,
    Effect.JOB: _run_job,
    Effect.STALE: _not_done,
    Effect.UNKNOWN: _unknown,
    Effect.NOTHING: _nothing,
    Effect.CORDON: _cordon,
    Effect.DRAIN: _drain,
    Effect.OPERATOR: cluster_sentences.operator,
}
