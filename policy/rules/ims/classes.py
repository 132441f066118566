"""The RuntimeClasses that jobs with DKMS run in, by ims-config, and the nodes that these are for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from kmodgate.policy.cluster.facts import UNKNOWN, Facts, Object, Unknown, as_map
from kmodgate.policy.cluster.ims_site import ImsSite
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.ims.settings import CONFIG_MAP, read
from kmodgate.policy.ims.template_values import as_yaml
from kmodgate.policy.ims.versions import NEWEST, ims_release
from kmodgate.policy.kata.view import HANDLERS
from kmodgate.policy.kmm.nodes.node_selection import CORDON_TAINT, KEEPS_OFF, Node, tolerates
from kmodgate.policy.review import Review
from kmodgate.policy.rules.ims.readings import data

KEYS = {"x86_64": "JOB_KATA_RUNTIME", "aarch64": "JOB_AARCH64_RUNTIME"}
"""Architecture of a job → the key with its RuntimeClass."""


class JobClass(NamedTuple):
    """The RuntimeClass of local jobs of one architecture; `name` is empty where they get none."""

    arch: str
    key: str
    name: str


def job_class(site: ImsSite, arch: str) -> JobClass | None:
    """Return the class that jobs get; None where it is unknown or no name, or the release knows no architectures."""
    release, key = site.release or ims_release(NEWEST), KEYS[arch]
    if key in site.unresolved or (arch == "aarch64" and release.only_ims_config_decides):
        return None
    value = as_yaml(str(read(key, site.environment.get(key), release).value))
    return JobClass(arch, key, value or "") if value is None or isinstance(value, str) else None


def own_classes(review: Review) -> Iterator[tuple[JobClass, FieldPath]]:
    """Yield the classes that the object is the source of, or that are the default for want of a key in ims-config."""
    settings = data(review)
    for arch, key in KEYS.items() if review.ims.is_config else ():
        found = job_class(review.ims, arch)
        is_own = key in settings and not review.ims.is_overridden(key)
        is_default = key not in review.ims.environment and review.ims.name == CONFIG_MAP
        if found is not None and (is_own or is_default):
            yield found, ("data", key) if is_own else ("data",)


def runtime_class(facts: Facts, name: str) -> Object | Unknown | None:
    """Return a RuntimeClass, None if it does not exist, UNKNOWN if nobody knows."""
    return facts.find("RuntimeClass", "", name) if name else UNKNOWN


def has_handler_of_kata(review: Review, name: str) -> bool:
    """Whether a RuntimeClass is known to have a handler of Kata, by its name or by the policy."""
    item = review.facts.find("RuntimeClass", "", name) if review.facts else None
    handler = item.get("handler") if isinstance(item, Mapping) else None
    if not isinstance(handler, str):
        return False
    return "kata" in handler or handler in HANDLERS or handler in review.parameters.kata.handlers.get(name, ())


def selected(item: Object, nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes that a RuntimeClass is for."""
    wanted = node_selector(item)
    return [node for node in nodes if all(node.labels.get(key) == value for key, value in wanted.items())]


def node_selector(item: Object) -> Mapping[str, str]:
    return as_map(as_map(item.get("scheduling")).get("nodeSelector"))


def labels_of(item: Object) -> str:
    """Return the labels that a RuntimeClass wants of its nodes, as kubectl takes them."""
    return ",".join(f"{key}={value}" for key, value in node_selector(item).items())


def schedulable(item: Object, nodes: Sequence[Node], facts: Facts) -> list[Node]:
    """Return the nodes that take new pods of a RuntimeClass: not cordoned, and with no taint that it cannot stand."""
    listed = as_map(item.get("scheduling")).get("tolerations")
    tolerations = [as_map(one) for one in listed] if isinstance(listed, list) else []
    found = []
    for node in nodes:
        known = facts.find("Node", "", node.name)
        is_cordoned = isinstance(known, Mapping) and as_map(known.get("spec")).get("unschedulable") is True
        taints = [*node.taints, *((CORDON_TAINT,) if is_cordoned else ())]
        kept = (taint for taint in taints if taint[2] in KEEPS_OFF)
        if all(any(tolerates(one, taint) for one in tolerations) for taint in kept):
            found.append(node)
    return found


class Obstacle(NamedTuple):
    """Why jobs of a class cannot run in a VM, and what to do."""

    reason: str
    fix: str


def obstacle(facts: Facts, wanted: JobClass) -> Obstacle | None:
    """Return what keeps jobs of a class from a VM, as far as it is known; None if nothing does, or nobody knows."""
    if not wanted.name:
        reason = f"{wanted.key} gives jobs of {wanted.arch} no RuntimeClass: they run privileged on the worker"
        return Obstacle(reason, f"write a class of Kata: {wanted.key} of ims-config")
    item = runtime_class(facts, wanted.name)
    if item is None:
        reason = f"there is no RuntimeClass {wanted.name}: pods are refused, and the job stays at `creating`"
        return Obstacle(reason, f"install it, or name one that exists: {wanted.key} of ims-config")
    nodes = facts.nodes()
    if isinstance(item, Mapping) and nodes and not selected(item, nodes):
        return Obstacle(
            f"no node has {labels_of(item)}, as RuntimeClass {wanted.name} wants: pods stay pending",
            f"label the workers that have Kata: {labels_of(item)}",
        )
    return None
