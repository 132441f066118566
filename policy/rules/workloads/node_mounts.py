"""What rules about pods and their nodes look at: the containers that are judged, and what they mount of the node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps

from kmodgate.policy.cluster.controllers import fix_for
from kmodgate.policy.findings import NOT_CHECKED, Problem, Severity
from kmodgate.policy.node_access.existing_workloads import Leniency
from kmodgate.policy.node_access.module_loaders import is_approved
from kmodgate.policy.node_access.node_files import (
    is_device,
    is_on_windows,
    mounted_below,
    socket_in,
    why_dangerous,
    why_harmless,
)
from kmodgate.policy.review import Review
from kmodgate.policy.rule import Check, Needs, rule
from kmodgate.policy.views.part import Part
from kmodgate.policy.views.pod import EPHEMERAL, POD_KINDS, is_below

APPROVE = "take the right away, or approve the ServiceAccount: parameters.kernelAccess"


def prv(id: str, needs: Needs | None = None, *, facts: bool = False) -> Callable[[Check], Check]:
    """Registers a rule about what workloads can do to their nodes; the review's leniency caps what problems do."""

    def register(check: Check) -> Check:
        @wraps(check)
        def lenient(review: Review) -> Iterator[Problem]:
            return (_capped(addressed(problem, review), review.leniency) for problem in check(review))

        return rule(id, kinds=POD_KINDS, severity=Severity.INFO, needs=needs, facts=facts)(lenient)

    return register


def addressed(problem: Problem, review: Review) -> Problem:
    """The problem with a fix that tells who may be KMM, and is not named, how to be known."""
    return problem if review.is_by_kmm else problem._replace(fix=fix_for(review.user, problem.fix))


def _capped(problem: Problem, leniency: Leniency | None) -> Problem:
    if leniency is None or problem.message.startswith(NOT_CHECKED):
        return problem
    return problem._replace(message=f"{problem.message}; {leniency.why}", most=leniency.most)


def judged(review: Review) -> list[Part]:
    """The containers that a request adds and that nobody has approved; of a running pod the ephemeral ones."""
    pod = review.pod
    if review.subresource not in ("", "ephemeralcontainers") or _is_running(review):
        return []
    found = _added(review) if review.subresource else pod.containers
    access, platform = review.parameters.kernel_access, review.cluster.platform
    if not found or is_approved(pod, review.user, access, is_by_kmm=review.is_by_kmm, platform=platform):
        return []
    return found


def host_mounts(review: Review) -> Iterator[tuple[str, Part, Part]]:
    """The paths of the node that the judged containers mount: path, container, mount."""
    mounts = review.pod.host_mounts
    wanted = {id(container) for container in judged(review)} if mounts else ()
    return (item for item in mounts if id(item[1]) in wanted)


def problem_of_mount(path: str, mount: Part) -> Problem | None:
    """What a container can do to a node with a path of it; None where that is nothing, or a device reaches further."""
    if is_on_windows(path):
        return None
    if socket := socket_in(path):
        which = path if socket.path == path or path.endswith(".sock") else f"{path}, with {socket.path},"
        return mount.problem("name", f"{which} orders the node: who does {socket.reason}", APPROVE)
    if mount.value.get("readOnly") is True:
        return None if mount.text("recursiveReadOnly") == "Enabled" else _of_mounts_below(path, mount)
    if is_device(path) or why_harmless(path):
        return None
    reason = why_dangerous(path)
    message = f"the container may write to {path} of the node{f': {reason}' if reason else ''}"
    fix = "mount it with readOnly: true, or approve the ServiceAccount: parameters.kernelAccess"
    return mount.problem("name", message, fix)


def _of_mounts_below(path: str, mount: Part) -> Problem | None:
    if (place := mounted_below(path)) is None:
        return None
    where = place.path if is_below(place.path, path) else path
    message = f"readOnly is not recursive: {where} of the node stays writable, and {place.reason}"
    fix = "set recursiveReadOnly: Enabled, mount a narrower folder, or approve the ServiceAccount"
    return mount.problem("name", message, f"{fix}: parameters.kernelAccess")


def _added(review: Review) -> list[Part]:
    """The ephemeral containers that were not there before."""
    holder = review.old.get("spec") if review.old is not None else None
    before = holder.get(EPHEMERAL) if isinstance(holder, dict) else None
    return [item for item in review.pod.ephemeral if not isinstance(before, list) or item.value not in before]


def _is_running(review: Review) -> bool:
    """Whether the pod is there already, and nothing is added that was not judged."""
    return not (review.operation == "CREATE" or review.pod.is_template or review.in_tree or review.subresource)
