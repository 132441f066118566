"""What happens to a cluster beside its Modules, in one sentence each: the operator, and what loads at boot.

An effect at boot has a detail of the change, the kind and name of the object, and the pool, between bars.
"""

from __future__ import annotations


def operator(name: str, detail: str, where: str, _: int) -> str:
    what, _sep, more = detail.partition("|")
    if what == "installs":
        return f"installs KMM's operator ({more}) in {where}"
    if what == "upgrades":
        was, _sep, now = more.partition("|")
        return f"replaces KMM's operator {was} by {now} in {where}: its pods restart, and drivers stay loaded"
    if what == "leaves":
        return (
            f"KMM's operator leaves the tree of {where}: Argo CD asks before it removes what installs it, its "
            f"ClusterServiceVersion runs until somebody deletes it, and without it nothing is loaded or unloaded"
        )
    if what == "restarts":
        return f"restarts KMM's operator in {where}: {more}; drivers stay loaded"
    return (
        f"KMM's operator goes on with its old configuration ({name}) in {where} until a person restarts its pods "
        f"(docs/operator.md)"
    )


def reboot(driver: str, detail: str, where: str, _: int) -> str:
    word, kind, name, pool = detail.split("|")
    successor = word.removeprefix("replaced by ")
    if kind == "ConfigMap":
        if successor != word:
            listed = f"{_listed_by(pool, name)}, which must not name it any more"
            return f"rolls out {where}: {listed}: {successor} loads the same kernel module at boot"
        return f"rolls out {where}: {_listed_by(pool, name)}, and then loads {driver} at boot"
    if successor != word:
        return (
            f"reboots {where}, node by node: once its removal is confirmed, {kind} {name} leaves pool {pool}, and "
            f"{successor} loads the same kernel module at boot from then on"
        )
    what = "loads" if word == "added" else "changes what it loads of"
    return (
        f"reboots {where}, node by node: pool {pool} applies MachineConfig {name}, which {what} {driver} at boot, and "
        f"each node boots once more when it has pulled an image that was missing"
    )


def in_tree(driver: str, detail: str, where: str, _: int) -> str:
    _word, kind, name, pool = detail.split("|")
    if kind == "ConfigMap":
        return f"takes {driver} from {where} at boot: {_listed_by(pool, name)}, which must not name it any more"
    return (
        f"reboots {where}, node by node: once its removal is confirmed, MachineConfig {name} leaves pool {pool}, and "
        f"the kernel's own driver comes in place of {driver}"
    )


def _listed_by(pool: str, name: str) -> str:
    return f"NodePool {pool} names ConfigMap {name} in its config"


def left_behind(driver: str, detail: str, where: str, _: int) -> str:
    return f"{driver} stays on {where} at boot: the BootModuleConfig goes, and nobody deletes its MachineConfig"


def next_boot(driver: str, detail: str, where: str, _: int) -> str:
    word = "loads" if detail.startswith("added") else "loads what changes of"
    return f"{word} {driver} at the next boot of {where}: KMM writes the MachineConfig, and no node reboots for it"


def paused(driver: str, detail: str, where: str, _: int) -> str:
    return f"changes nothing of {driver} at boot of {where}: pool {detail.split('|')[3]} is paused, until it is resumed"
