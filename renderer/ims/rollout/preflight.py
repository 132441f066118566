"""Whether now is a good time to roll `cray-ims`, by what a person gives of the cluster.

While the service restarts (strategy Recreate, one pod), jobs cannot report their status, and CFS cannot start one.
Sources: src/server/v3/resources/jobs.py of Cray-HPE/ims; scripts/helper.sh and package_and_upload.sh of
Cray-HPE/ims-utils; src/cray/cfs/inventory/image/__init__.py of Cray-HPE/cfs-operator.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from kmodgate.policy.cluster.facts import Object, as_map
from kmodgate.policy.cluster.ims_site import DEPLOYMENT
from kmodgate.policy.ims.settings import CONFIG_MAP, read
from kmodgate.policy.ims.versions import NEWEST, ims_release
from kmodgate.renderer.ims.rollout.cray_lists import EMPTY, JOBS, SESSIONS
from kmodgate.renderer.ims.rollout.given_state import GivenState, description, items, moment, name_of, texts
from kmodgate.renderer.ims.rollout.rollout_answer import Answer
from kmodgate.renderer.wording import counted, listed

ENDED = ("success", "error")
"""The statuses after which a job sends no other."""

OLD = timedelta(days=1)
"""The age from which an open job is worth a look."""

_OPEN_SESSION = ("pending", "running")
_CLASS_KEYS = ("JOB_KATA_RUNTIME", "JOB_AARCH64_RUNTIME")


def preflight(state: GivenState, now: datetime) -> Answer:
    """Answer with the jobs and sessions that a roll-out would disturb, and what the new pod needs and does not have."""
    answer = Answer()
    if state.jobs is None:
        answer.problems.append("nobody can tell without the jobs: give the output of cray ims jobs list --format json")
        answer.missing.append("jobs (cray ims jobs list --format json)")
    else:
        _jobs(state.jobs, state.sessions, now, answer)
    _sessions(state.sessions, answer)
    _deployment(state, answer)
    _classes(state, answer)
    answer.unused += _unused(state)
    return answer


_ANY_NAME = (JOBS, SESSIONS, EMPTY, "RuntimeClass", "Node")
_BY_NAME = (("Deployment", DEPLOYMENT), ("ConfigMap", CONFIG_MAP))


def _unused(state: GivenState) -> Iterator[str]:
    """Yield each file that holds nothing of what is asked for, with what it holds."""
    for name, found in state.files.items():
        if not any(item.get("kind") in _ANY_NAME or (item.get("kind"), name_of(item)) in _BY_NAME for item in found):
            held = list(dict.fromkeys(map(description, found))) or ["nothing"]
            yield f"{name} holds {listed(held, 3)}"


def _jobs(jobs: list[dict[str, Any]], sessions: list[dict[str, Any]] | None, now: datetime, answer: Answer) -> None:
    still_open = [job for job in jobs if job["status"] not in ENDED]
    statuses = None if sessions is None else {str(session["name"]): _status(session) for session in sessions}
    for job in sorted(still_open, key=lambda job: str(job.get("created"))):
        what = f"{job['job_type']}, {job['status']}{_whose(job, statuses)}{_age(job, now)}"
        answer.problems.append(f"open job {job['id']}: {what}")
    answer.facts.append(f"{counted(len(jobs), 'job')} in the list, {len(still_open)} open")


def _whose(job: dict[str, Any], statuses: dict[str, str] | None) -> str:
    """Return the CFS session that a customize job is for: its only SSH container has the session's name, in a jail.

    `statuses` are those of the sessions that there are, or None where no list of them was given.
    """
    names = [str(item.get("name")) for item in items(job.get("ssh_containers")) if item.get("jail") is True]
    if not names:
        return ""
    status = "" if statuses is None else f" ({statuses.get(names[0], 'which does not exist')})"
    return f", of CFS session {names[0]}{status}"


def _status(session: dict[str, Any]) -> str:
    """Return the status of a session: pending, running or complete."""
    return str(as_map(as_map(session.get("status")).get("session")).get("status"))


def _age(job: dict[str, Any], now: datetime) -> str:
    created = moment(job.get("created"))
    if created is None:
        return ""
    age = now - created
    hint = ": older than a day, look whether its pod still runs" if age > OLD else ""
    minutes = max(int(age.total_seconds()) // 60, 0)
    days, hours = divmod(minutes // 60, 24)
    shown = f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min"
    return f", for {shown}{hint}"


def _sessions(sessions: list[dict[str, Any]] | None, answer: Answer) -> None:
    if sessions is None:
        answer.missing.append("CFS sessions (cray cfs sessions list --format json), which may start a job meanwhile")
        return
    for session in sessions:
        status = _status(session)
        if as_map(session.get("target")).get("definition") == "image" and status in _OPEN_SESSION:
            answer.problems.append(f"CFS session {session['name']} is {status}: it fails if it starts a job meanwhile")


def _deployment(state: GivenState, answer: Answer) -> None:
    found = [item for item in state.objects("Deployment") if name_of(item) == DEPLOYMENT]
    if not found:
        answer.missing.append("the Deployment (kubectl -n services get deployment cray-ims -o yaml)")
    for spec in (as_map(item.get("spec")) for item in found):
        strategy = as_map(spec.get("strategy")).get("type", "RollingUpdate")
        if strategy != "Recreate":
            answer.problems.append(f"Deployment cray-ims has the strategy {strategy}: two pods would write one store")
        if spec.get("replicas", 1) != 1:
            answer.problems.append(
                f"Deployment cray-ims has replicas {spec.get('replicas')}: one pod may write the store"
            )


def _classes(state: GivenState, answer: Answer) -> None:
    configs = [texts(item.get("data")) for item in state.objects("ConfigMap") if name_of(item) == CONFIG_MAP]
    if not configs:
        answer.missing.append(
            "ims-config (kubectl -n services get configmap ims-config -o yaml), which names the class"
        )
        return
    for name in sorted({name for config in configs for name in _named(config)}):
        found = next((item for item in state.objects("RuntimeClass") if name_of(item) == name), None)
        if found is not None:
            _nodes(state, found, answer)
        elif state.has_all("RuntimeClass"):
            answer.problems.append(f"RuntimeClass {name} does not exist: pods of jobs with DKMS would be refused")
        else:
            answer.missing.append(f"RuntimeClass {name} (kubectl get runtimeclass -o yaml)")


def _named(config: dict[str, str]) -> Iterator[str]:
    """Yield the classes that jobs get by an ims-config."""
    for key in _CLASS_KEYS:
        value = read(key, config.get(key), ims_release(NEWEST)).value
        if value:
            yield str(value)


def _nodes(state: GivenState, runtime_class: Object, answer: Answer) -> None:
    name, wanted = name_of(runtime_class), texts(as_map(runtime_class.get("scheduling")).get("nodeSelector"))
    if not state.has_all("Node"):
        answer.missing.append(f"nodes for RuntimeClass {name} (kubectl get nodes -o yaml)")
        return
    matching = [node for node in state.objects("Node") if wanted.items() <= _labels(node).items()]
    usable = [name_of(node) for node in matching if _takes_pods(node)]
    seen = f"{counted(len(matching), 'node')} with its labels, ready and schedulable: {listed(usable)}"
    line = f"RuntimeClass {name}: {seen}"
    (answer.facts if usable else answer.problems).append(line)


def _labels(node: Object) -> dict[str, str]:
    return texts(as_map(node.get("metadata")).get("labels"))


def _takes_pods(node: Object) -> bool:
    conditions = items(as_map(node.get("status")).get("conditions"))
    is_ready = any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)
    return is_ready and as_map(node.get("spec")).get("unschedulable") is not True
