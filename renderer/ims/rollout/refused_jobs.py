"""Jobs of IMS that have no pod because admission refuses it, so that IMS shows them as `creating` for ever.

Such a Job has no failure either: only Events tell. Sources: pkg/controller/job of Kubernetes (FailedCreate);
plugin/pkg/admission/runtimeclass of Kubernetes; Event of core/v1 and events.k8s.io/v1.
"""

from __future__ import annotations

from typing import Any

from kmodgate.policy.cluster.facts import Object, as_map, metadata_of
from kmodgate.policy.kata.ims_jobs import ims_job
from kmodgate.policy.kata.refused_jobs import REASON
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.views.pod import PodView
from kmodgate.renderer.ims.rollout.given_state import GivenState, items, name_of
from kmodgate.renderer.ims.rollout.rollout_answer import Answer
from kmodgate.renderer.wording import clipped, counted

_REASONS = ("FailedCreate", REASON)
_MISSING = lazy_regex(
    r'RuntimeClass "([^"]+)" not found|there is no RuntimeClass ([a-z0-9][-a-z0-9.]*[a-z0-9]|[a-z0-9])'
)
_COUNTS = ("active", "succeeded", "failed")


def find_refused(state: GivenState, answer: Answer) -> None:
    """Add the Jobs of IMS that get no pod, with the RuntimeClass that is missing or with what the Event says."""
    jobs = [job for job in state.objects("Job") if _is_of_ims(job)]
    if not jobs and not state.has_all("Job"):
        answer.missing.append("the Jobs of IMS (kubectl -n ims get jobs,pods,events -o yaml)")
        return
    owned = {_owner(pod) for pod in state.objects("Pod")}
    messages = _messages(state)
    waiting = [job for job in jobs if _has_no_pod(job) and _key(job) not in owned]
    for job in waiting:
        found = messages.get(_key(job), "")
        why = _why(job, found, state) or clipped(found, 600) or "no Event in the input says why"
        answer.problems.append(f"Job {name_of(job)} has no pod, and IMS shows it as creating: {why}")
    answer.facts.append(f"{counted(len(jobs), 'Job')} of IMS, {len(waiting)} without a pod")


def _is_of_ims(job: Object) -> bool:
    view = PodView(job, "batch/Job")
    return ims_job(view, view.namespace) is not None


def _has_no_pod(job: Object) -> bool:
    status = as_map(job.get("status"))
    is_over = any(
        item.get("type") in ("Complete", "Failed", "Suspended") and item.get("status") == "True"
        for item in items(status.get("conditions"))
    )
    return not is_over and not any(status.get(key) for key in _COUNTS)


def _key(job: Object) -> tuple[str, str]:
    return str(metadata_of(job).get("namespace", "")), name_of(job)


def _owner(pod: Object) -> tuple[str, str]:
    """Return namespace and name of the Job that a pod belongs to; empty where it belongs to none."""
    owners = items(metadata_of(pod).get("ownerReferences"))
    name = next((str(item.get("name")) for item in owners if item.get("kind") == "Job"), "")
    return str(metadata_of(pod).get("namespace", "")), name


def _messages(state: GivenState) -> dict[tuple[str, str], str]:
    """Return the newest message about a Job that its pod could not be made, by the Job."""
    events = [item for item in state.objects("Event") if item.get("reason") in _REASONS]
    found: dict[tuple[str, str], str] = {}
    for event in sorted(events, key=_time):
        about = as_map(event.get("involvedObject") or event.get("regarding"))
        if about.get("kind") == "Job":
            text = event.get("message") or event.get("note") or ""
            found[str(about.get("namespace", "")), str(about.get("name", ""))] = str(text)
    return found


def _time(event: Object) -> str:
    series = as_map(event.get("series"))
    times: list[Any] = [series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime")]
    return next((time for time in times if isinstance(time, str)), "")


def _why(job: Object, message: str, state: GivenState) -> str:
    """Say which RuntimeClass is missing, by the Event or by the list of classes; nothing where neither says so."""
    named = _MISSING.search(message)
    if named:
        return f"RuntimeClass {named[1] or named[2]} is missing"
    wanted = PodView(job, "batch/Job").runtime_class
    known = {name_of(item) for item in state.objects("RuntimeClass")}
    if wanted and state.has_all("RuntimeClass") and wanted not in known:
        return f"RuntimeClass {wanted} is missing"
    return ""
