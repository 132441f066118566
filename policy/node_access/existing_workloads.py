"""Workloads from before the policy refused such: what is only recorded or warned of, so that no node loses its agents.

A template that an update leaves as it was says nothing new. What a controller of Kubernetes writes for an owner that
exists was judged when somebody wrote the owner. Pods are judged whoever makes them; those of a controller that is older
than the policy's enforcement pass with a warning, because they were running before, until somebody approves them or the
policy says `existing: refuse`.

Whoever else writes a ReplicaSet, Job or pod is judged, whatever it says of its owner.
"""

from __future__ import annotations

from typing import NamedTuple

from kmodgate.policy.cluster.controllers import MAKERS
from kmodgate.policy.cluster.facts import Unknown
from kmodgate.policy.findings import Mode
from kmodgate.policy.node_access.owners import MODULE, Owners, controller_of
from kmodgate.policy.node_access.template_changes import grants_nothing_new
from kmodgate.policy.parameters import Parameters
from kmodgate.policy.views.part import Map
from kmodgate.policy.views.pod import PodView

_MADE_OF_TEMPLATES = {"apps/ReplicaSet": "apps/Deployment", "batch/Job": "batch/CronJob"}


class Leniency(NamedTuple):
    """The most that findings about a workload may do, and why: the end of their messages."""

    most: Mode
    why: str
    existing: str = ""
    """The controller whose pod is let through although nobody has approved it; empty where that is not why."""


class Request(NamedTuple):
    """What is asked, as far as it decides this. `owners` is None where the cluster was not asked about them."""

    object: Map
    old: Map | None
    pod: PodView
    user: str
    owners: Owners | None
    may_override: bool | Unknown


def is_made_by_controller(pod: PodView, object: Map, user: str) -> bool:
    """Whether the controller makes it whose kind the object names as its owner: only then the owner is looked up."""
    named = controller_of(object)
    if named is None or user not in MAKERS.get(named.kind, ()):
        return False
    return pod.kind == "Pod" or _MADE_OF_TEMPLATES.get(pod.kind) == named.kind


def is_debugging(object: Map, pod: PodView) -> bool:
    """Whether a pod is one for debugging a node, as `kubectl debug node/…` and `oc debug node/…` make it.

    It belongs to nobody, stands on one node, and sees all of that. Source: kubectl, pkg/cmd/debug; oc, pkg/cli/debug.
    """
    name = pod.object.text("name") or pod.object.text("generateName")
    is_named = name.startswith("node-debugger-") or name.endswith(("-debug", "-debug-")) or "-debug-" in name
    sees_all = any(path == "/" for _, path in pod.host_paths)
    alone = pod.kind == "Pod" and not pod.object.maps("ownerReferences")
    return alone and is_named and sees_all and bool(pod.spec.text("nodeName"))


def leniency(asked: Request, parameters: Parameters) -> Leniency | None:
    """Why findings about a workload do not refuse it; None where nothing keeps them from that."""
    pod = asked.pod
    if pod.is_template and _was_so_before(asked):
        return Leniency(Mode.AUDIT, "recorded only: the template was like that before")
    if asked.may_override is True and is_debugging(asked.object, pod):
        return Leniency(Mode.AUDIT, f"recorded only: {asked.user} may override, and debugs a node")
    owners = asked.owners
    if owners is None or owners.end == "gone" or not is_made_by_controller(pod, asked.object, asked.user):
        return None
    if pod.is_template:
        return Leniency(Mode.AUDIT, "recorded only: a controller wrote it for its owner, which was judged itself")
    if owners.found and owners.found[-1].kind == MODULE:
        return Leniency(Mode.AUDIT, f"recorded only: KMM runs it for {owners.found[-1].title}")
    return _of_existing(owners, parameters)


def _was_so_before(asked: Request) -> bool:
    """Whether an update grants a template nothing, and its pods nothing by another owner, who would answer for them.

    A Module, or a controller from before, is an owner whose pods pass: to be given one counts as new, but where the
    controller of that kind takes up what it finds.
    """
    if asked.old is None or not grants_nothing_new(asked.pod, PodView(asked.old, asked.pod.kind)):
        return False
    owner = controller_of(asked.object)
    return owner in (None, controller_of(asked.old)) or asked.user in MAKERS.get(owner.kind, ())


def _of_existing(owners: Owners, parameters: Parameters) -> Leniency | None:
    """The leniency for a pod of which the controller exists: not where that is newer than the enforcement."""
    if parameters.refuses_existing:
        return None
    oldest = owners.found[-1] if owners.found else None
    if owners.end == "unknown" or oldest is None:
        text = "let through, because it is not known how old its controller is"
        return Leniency(Mode.WARN, f"{text}: approve it", "unknown")
    since = parameters.enforced_since
    if since is not None and oldest.created is not None and oldest.created >= since:
        return None
    text = f"let through, because {oldest.title} is older than the policy's enforcement"
    return Leniency(Mode.WARN, f"{text}: approve it, before `existing: refuse` stops it", oldest.title)
