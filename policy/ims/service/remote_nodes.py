"""Which remote build node a job goes to.

Sources: find_remote_node_for_job in src/server/models/jobs.py and getStatus in src/server/models/remote_build_nodes.py
of Cray-HPE/ims.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_UNKNOWN_COUNT = 10000


class UncountableNodeError(ValueError):
    """A node whose count of jobs is no number: the service answers 500 to every job then."""


def choose_node(nodes: Iterable[Mapping[str, object]], arch: str) -> str:
    """Return the xname of the node with the fewest jobs, the first of several; "" where none can take the job.

    A node has `xname`, `uname` (the answer of `uname -i`), `podman` (the answer of `which podman`), `jobs` (the number
    of job folders) and `reachable`; an answer of None is a command that failed.

    :raises UncountableNodeError: a node with podman, of any architecture, answers something else than a number
    """
    best, fewest = "", 0
    for node in nodes:
        if node.get("reachable") is False or not _can_run_jobs(node):
            continue
        count = _count(node)
        if _arch(node) == arch and (not best or count < fewest):
            best, fewest = str(node.get("xname") or ""), count
    return best


def _arch(node: Mapping[str, object]) -> str:
    answer = str(node.get("uname") or "")
    return "aarch64" if "aarch64" in answer else "x86_64" if "x86" in answer else ""


def _can_run_jobs(node: Mapping[str, object]) -> bool:
    return bool(_arch(node)) and "/usr/bin/podman" in str(node.get("podman") or "")


def _count(node: Mapping[str, object]) -> int:
    answer = node.get("jobs")
    if answer is None:
        return _UNKNOWN_COUNT
    try:
        count = int(str(answer))
    except ValueError as error:
        raise UncountableNodeError(f"node {node.get('xname')} answers {answer!r} as its count of jobs") from error
    return _UNKNOWN_COUNT if count == -1 else count
