"""Whether the running pod of `cray-ims` has the settings that it is to have, by dumps and its log.

A container keeps the environment that it started with, so that a ConfigMap alone says nothing of the pod.
Sources: kubernetes/cray-ims of Cray-HPE/ims; src/server/app.py there, for the line of the log; EnvFromSource of the
Kubernetes API.
"""

from __future__ import annotations

import re

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.cluster.ims_site import DEPLOYMENT
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.ims.rollout.expected_service import ExpectedService
from kmodgate.renderer.ims.rollout.given_state import GivenState, items, moment
from kmodgate.renderer.ims.rollout.rollout_answer import Answer
from kmodgate.renderer.ims.rollout.service_pod import ServicePod, service_pods
from kmodgate.renderer.wording import clipped, listed

SWITCH = "JOB_ENABLE_DKMS"
_LOGGED = lazy_regex(r"DKMS enabled: ?(.*?)\r?$", re.MULTILINE)
_NOT_SET = "Not Set"


def verify(state: GivenState, expected: ExpectedService | None, log: str | None) -> Answer:
    """Compare the pod with what is expected, or with the ConfigMaps of the dump where nothing is.

    Raises Unusable where no pod of the service is in the dump, which may have one.
    """
    answer = Answer()
    pods = service_pods(state)
    if len(pods) > 1:
        answer.problems.append(f"{len(pods)} pods write one store: {listed([pod.name for pod in pods])}")
    if not pods and state.has_all("Pod"):
        answer.problems.append(f"no pod of {DEPLOYMENT} runs")
    elif not pods:
        fix = "give what kubectl -n services get pods,configmaps -o yaml writes"
        raise Unusable(f"no pod of {DEPLOYMENT} in the dump", fix)
    if expected is None:
        answer.missing.append("what is expected (--expected handover/CLUSTER/cray-ims)")
    for pod in pods:
        _pod(pod, expected, answer)
    _log(log, pods[0].settings if pods else None, expected, answer)
    return answer


def _pod(pod: ServicePod, expected: ExpectedService | None, answer: Answer) -> None:
    _readiness(pod, answer)
    _freshness(pod, answer)
    if expected is None:
        answer.facts.append(f"pod {pod.name}: environment of {', '.join(pod.sources)}")
        return
    if pod.sources != expected.sources:
        seen = f"envFrom is {', '.join(pod.sources)}, expected {', '.join(expected.sources)}"
        answer.problems.append(f"pod {pod.name}: {seen}: of several sources the last one wins")
    for key, text in sorted(expected.annotations.items()):
        seen = pod.annotations.get(key, "not there")
        if seen != text:
            answer.problems.append(f"pod {pod.name}: annotation {key} is {seen}, expected {text}: roll it out")
        else:
            answer.facts.append(f"pod {pod.name}: annotation {key} is as expected")
    if not expected.annotations:
        answer.missing.append("the checksum that is expected (customizations.yaml of the handover has it)")
    settings = pod.settings
    if settings is None:
        answer.missing.append("the ConfigMaps of the environment (kubectl -n services get configmaps -o yaml)")
        return
    _config_maps(pod, expected, answer)
    _differences(settings, expected, answer, is_whole=not pod.missing or pod.state.has_all("ConfigMap"))


def _readiness(pod: ServicePod, answer: Answer) -> None:
    if pod.is_ready is None:
        answer.missing.append(f"the status of pod {pod.name}: whether it is ready")
    elif not pod.is_ready:
        answer.problems.append(f"pod {pod.name} is not ready")


def _config_maps(pod: ServicePod, expected: ExpectedService, answer: Answer) -> None:
    """Name the ConfigMaps of the environment that are not in the dump: one of the handover may not be applied."""
    is_whole = pod.state.has_all("ConfigMap")
    for name in pod.missing:
        apply = f"kubectl apply -f {expected.files[name]}" if name in expected.files else ""
        if is_whole and apply:
            answer.problems.append(f"ConfigMap {name} does not exist: {apply}, and roll it out")
        elif apply:
            seen = "is not in the input, so none of its settings is seen"
            answer.problems.append(f"ConfigMap {name} {seen}: give it, or if it does not exist {apply}")
        elif not is_whole:
            answer.missing.append(f"ConfigMap {name} (kubectl -n services get configmap {name} -o yaml)")


def _differences(settings: dict[str, str], expected: ExpectedService, answer: Answer, *, is_whole: bool) -> None:
    """Compare each setting; those that are not there only if the input has every ConfigMap (`is_whole`)."""
    compared = {key: text for key, text in expected.settings.items() if is_whole or key in settings}
    wrong = {key: text for key, text in sorted(compared.items()) if settings.get(key) != text}
    for key, text in wrong.items():
        shown = repr(clipped(settings[key], 200)) if key in settings else "not there"
        answer.problems.append(f"{key} is {shown}, expected {text!r}")
    answer.facts.append(f"{len(compared) - len(wrong)} of {len(expected.settings)} settings are as expected")


def _freshness(pod: ServicePod, answer: Answer) -> None:
    """Say whether a ConfigMap was written after the container had read it; only managedFields tell when."""
    started = pod.started
    for name in pod.sources if started else ():
        fields = items(metadata_of(pod.config(name) or {}).get("managedFields"))
        written = max((time for item in fields if (time := moment(item.get("time")))), default=None)
        if written and started and written > started:
            when = f"{written:%Y-%m-%d %H:%M:%S}, and pod {pod.name} started {started:%Y-%m-%d %H:%M:%S}"
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
