"""Whether the running pod of `cray-ims` has the settings that it is to have, by dumps and its log.

A container keeps the environment that it started with, so that a ConfigMap alone says nothing of the pod.
Sources: kubernetes/cray-ims of Cray-HPE/ims; src/server/app.py there, for the line of the log; EnvFromSource of the
Kubernetes API.
"""

from __future__ import annotations

import re
from typing import Any

from kmodgate.policy.cluster.facts import Object, as_map, metadata_of
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.ims.rollout.answer import Answer
from kmodgate.renderer.ims.rollout.expected_service import SERVICE, ExpectedService
from kmodgate.renderer.ims.rollout.given_state import GivenState, items, moment, name_of, texts
from kmodgate.renderer.wording import clipped, listed

SWITCH = "JOB_ENABLE_DKMS"
_LOGGED = re.compile(r"DKMS enabled: ?(.*?)\r?$", re.MULTILINE)
_NOT_SET = "Not Set"


def verify(state: GivenState, expected: ExpectedService | None, log: str | None) -> Answer:
    """Compare the pod with what is expected, or with the ConfigMaps of the dump where nothing is.

    Raises Unusable where no pod of the service is in the dump, which may have one.
    """
    answer = Answer()
    pods = [pod for pod in state.objects("Pod") if _container(pod) and not metadata_of(pod).get("deletionTimestamp")]
    pods = [pod for pod in pods if as_map(pod.get("status")).get("phase") not in ("Succeeded", "Failed")]
    if len(pods) > 1:
        answer.problems.append(f"{len(pods)} pods write one store: {listed([name_of(pod) for pod in pods])}")
    if not pods and state.has_all("Pod"):
        answer.problems.append(f"no pod of {SERVICE} runs")
    elif not pods:
        raise Unusable(
            f"no pod of {SERVICE} in the dump", "give what kubectl -n services get pods,configmaps -o yaml writes"
        )
    if expected is None:
        answer.missing.append("what is expected (--expected handover/CLUSTER/cray-ims)")
    for pod in pods:
        _pod(pod, state, expected, answer)
    _log(log, _settings(pods, state), expected, answer)
    return answer


def _container(pod: Object) -> Object | None:
    containers = items(as_map(pod.get("spec")).get("containers"))
    return next((item for item in containers if item.get("name") == SERVICE), None)


def _pod(pod: Object, state: GivenState, expected: ExpectedService | None, answer: Answer) -> None:
    status = _container_status(pod)
    if status.get("ready") is not True:
        answer.problems.append(f"pod {name_of(pod)} is not ready")
    sources = _sources(pod)
    _freshness(pod, status, sources, state, answer)
    if expected is None:
        answer.facts.append(f"pod {name_of(pod)}: environment of {', '.join(sources)}")
        return
    if sources != expected.sources:
        seen = f"envFrom is {', '.join(sources)}, expected {', '.join(expected.sources)}"
        answer.problems.append(f"pod {name_of(pod)}: {seen}: of several sources the last one wins")
    annotations = texts(metadata_of(pod).get("annotations"))
    for key, text in sorted(expected.annotations.items()):
        if annotations.get(key) != text:
            seen = annotations.get(key, "not there")
            answer.problems.append(f"pod {name_of(pod)}: annotation {key} is {seen}, expected {text}: roll it out")
        else:
            answer.facts.append(f"pod {name_of(pod)}: annotation {key} is as expected")
    if not expected.annotations:
        answer.missing.append("the checksum that is expected (customizations.yaml of the handover has it)")
    _differences(_settings([pod], state), expected, answer)


def _differences(settings: dict[str, str] | None, expected: ExpectedService, answer: Answer) -> None:
    if settings is None:
        answer.missing.append("the ConfigMaps of the environment (kubectl -n services get configmaps -o yaml)")
        return
    same = 0
    for key, text in sorted(expected.settings.items()):
        seen = settings.get(key)
        if seen != text:
            shown = "not there" if seen is None else repr(clipped(seen, 200))
            answer.problems.append(f"{key} is {shown}, expected {text!r}")
        same += seen == text
    answer.facts.append(f"{same} of {len(expected.settings)} settings are as expected")


def _sources(pod: Object) -> list[str]:
    references = items(as_map(_container(pod)).get("envFrom"))
    return [str(as_map(item.get("configMapRef") or item.get("secretRef")).get("name")) for item in references]


def _settings(pods: list[Object], state: GivenState) -> dict[str, str] | None:
    """Return the environment of the first pod, secrets apart; None where one of its ConfigMaps is not in the dump."""
    settings: dict[str, str] = {}
    for pod in pods[:1]:
        for reference in items(as_map(_container(pod)).get("envFrom")):
            source = as_map(reference.get("configMapRef"))
            found = _config(state, str(metadata_of(pod).get("namespace", "")), source.get("name"))
            if found is None and source and not (source.get("optional") is True and state.has_all("ConfigMap")):
                return None
            settings |= {str(reference.get("prefix", "")) + key: text for key, text in _data(found).items()}
        for item in items(as_map(_container(pod)).get("env")):
            if isinstance(item.get("value"), str):  # which wins over every source
                settings[str(item.get("name"))] = item["value"]
    return settings if pods else None


def _config(state: GivenState, namespace: str, name: Any) -> Object | None:
    found = (item for item in state.objects("ConfigMap") if name_of(item) == name)
    return next((item for item in found if metadata_of(item).get("namespace", namespace) == namespace), None)


def _data(config: Object | None) -> dict[str, str]:
    return texts(as_map(config).get("data"))


def _container_status(pod: Object) -> Object:
    statuses = items(as_map(pod.get("status")).get("containerStatuses"))
    return next((item for item in statuses if item.get("name") == SERVICE), {})


def _freshness(pod: Object, status: Object, sources: list[str], state: GivenState, answer: Answer) -> None:
    """Say whether a ConfigMap was written after the container had read it; only managedFields tell when."""
    started = moment(as_map(as_map(status.get("state")).get("running")).get("startedAt"))
    if started is None:
        return
    for name in sources:
        found = _config(state, str(metadata_of(pod).get("namespace", "")), name)
        times = [moment(item.get("time")) for item in items(metadata_of(found or {}).get("managedFields"))]
        written = max((time for time in times if time), default=None)
        if written and written > started:
            when = f"{written:%Y-%m-%d %H:%M:%S}, and pod {name_of(pod)} started {started:%Y-%m-%d %H:%M:%S}"
            answer.problems.append(f"{name} was written {when}: the pod has older settings, roll it out")


def _log(log: str | None, live: dict[str, str] | None, expected: ExpectedService | None, answer: Answer) -> None:
    if log is None:
        answer.missing.append("the log (kubectl -n services logs deployment/cray-ims -c cray-ims, as --log)")
        return
    lines = _LOGGED.findall(log)
    if not lines:
        answer.missing.append("the line `DKMS enabled:` in the log, which is written at the start")
        return
    wanted = expected.settings.get(SWITCH) if expected else None
    if wanted is None and live is not None:
        wanted = live.get(SWITCH, _NOT_SET)
    if wanted is None:
        answer.facts.append(f"the service logged DKMS enabled: {lines[-1]}")
    elif lines[-1] == wanted:
        answer.facts.append(f"the service started with {SWITCH} {wanted!r}")
    else:
        answer.problems.append(f"the service started with {SWITCH} {lines[-1]!r}, expected {wanted!r}: roll it out")
