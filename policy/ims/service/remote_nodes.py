"""Which remote build node a job goes to.

Sources: find_remote_node_for_job in src/server/models/jobs.py and getStatus in src/server/models/remote_build_nodes.py
of Cray-HPE/ims.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_UNKNOWN_COUNT = 10000


class UnusableNodeError(ValueError):
    """A node with which the service answers 500 to every job."""


def choose_node(nodes: Iterable[Mapping[str, object]], arch: str, *, is_tolerant: bool = True) -> str:
    """Return the xname of the node with the fewest jobs, the first of several; "" where none can take the job.

    A node has `xname`, `uname` (the answer of `uname -i`), `podman` (the answer of `which podman`), `jobs` (the number
    of job folders) and `reachable`; an answer of None is a command that failed.

    :param is_tolerant: whether the release bears a podman elsewhere, and a count that it does not know
    :raises UnusableNodeError: a node with podman, of any architecture, answers something else than a number
    """
    best, fewest = "", 0
    for node in nodes:
        if node.get("reachable") is False or not _can_run_jobs(node, is_tolerant=is_tolerant):
            continue
        count = _count(node)
        if _arch(node) != arch:
            continue
        if best and not is_tolerant and _UNKNOWN_COUNT in (count, fewest):
            raise UnusableNodeError(f"node {node.get('xname')} or {best} does not tell its count of jobs")
        if not best or count < fewest:
            best, fewest = str(node.get("xname") or ""), count
    return best


def _arch(node: Mapping[str, object]) -> str:
    answer = str(node.get("uname") or "")
    return "aarch64" if "aarch64" in answer else "x86_64" if "x86" in answer else ""


def _can_run_jobs(node: Mapping[str, object], *, is_tolerant: bool) -> bool:
    podman = node.get("podman")
    if not _arch(node) or podman is None:
        return False
    has_podman = "/usr/bin/podman" in str(podman)
    if not has_podman and not is_tolerant:
        raise UnusableNodeError(f"node {node.get('xname')} has its podman at {podman!r}")
    return has_podman


def _count(node: Mapping[str, object]) -> int:
    answer = node.get("jobs")
    if answer is None:
        return _UNKNOWN_COUNT
    try:
        count = int(str(answer))
    except ValueError as error:
        raise UnusableNodeError(f"node {node.get('xname')} answers {answer!r} as its count of jobs") from error
    return _UNKNOWN_COUNT if count == -1 else count
