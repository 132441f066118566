"""The keys of the operator's configuration, as each release of KMM ships and knows them."""

from __future__ import annotations

import pytest

from kmodgate.policy.kmm.operator_config import is_strict, key_in_config_map, unknown_keys, wrong_values
from kmodgate.policy.kmm.versions import REDHAT, UPSTREAM, Release

_LEADER = {"enabled": True, "resourceID": "kmm.sigs.x-k8s.io"}
_OLD = {"healthProbeBindAddress": ":8081", "metricsBindAddress": "127.0.0.1:8080", "leaderElection": _LEADER}
_METRICS = {"bindAddress": "0.0.0.0:8443", "enableAuthnAuthz": True, "secureServing": True}
_WORKER = {"runAsUser": 0, "seLinuxType": "spc_t"}
_NEW = {"healthProbeBindAddress": ":8081", "leaderElection": _LEADER, "metrics": _METRICS, "worker": _WORKER}
_WEBHOOK = {"disableHTTP2": True, "port": 9443}

SHIPPED = [
    (Release("1.1"), {**_OLD, "webhookPort": 9443}),
    (Release("2.0"), {**_NEW, "webhookPort": 9443}),
    (Release("2.3"), {**_NEW, "webhookPort": 9443, "worker": {**_WORKER, "firmwareHostPath": "/lib/firmware"}}),
    (Release("2.0", redhat=True), {**_OLD, "webhook": _WEBHOOK, "worker": _WORKER}),
    (
        Release("2.3", redhat=True),
        {**_NEW, "webhook": _WEBHOOK, "metrics": {**_METRICS, "disableHTTP2": True}, "job": {"gcDelay": "1h"}},
    ),
]
"""What lies in config/manager/ of each release; from 2.4 on the defaults stand in the code."""


@pytest.mark.parametrize(("release", "config"), SHIPPED, ids=lambda value: str(value)[:24])
def test_knows_what_a_release_ships(release: Release, config: dict[str, object]) -> None:
    assert list(unknown_keys(config, release)) == []
    assert list(wrong_values(config)) == []


@pytest.mark.parametrize(
    ("release", "key", "fix"),
    [
        (Release("2.0"), "metricsBindAddress", "use metrics.bindAddress"),
        (Release("2.0", redhat=True), "metrics.bindAddress", "use metricsBindAddress"),
        (Release("2.1", redhat=True), "metricsBindAddress", "use metrics.bindAddress"),
        (Release("2.0"), "job.gcDelay", "KMM 2.1 brought it"),
        (Release("2.1"), "worker.firmwareHostPath", "use worker.setFirmwareClassPath"),
        (Release("2.2"), "worker.setFirmwareClassPath", "use worker.firmwareHostPath"),
        (Release("1.1"), "worker.setFirmwareClassPath", "KMM 2.0 brought it"),
        (Release("2.6"), "webhook.port", "use webhookPort"),
        (Release("2.6"), "webhook.disableHTTP2", "only Red Hat's KMM"),
        (Release("2.7", redhat=True), "webhookPort", "use webhook.port"),
        (Release("2.6"), "worker.runAsUsr", "did you mean worker.runAsUser?"),
        (Release("2.6"), "workers", "did you mean worker?"),
        (Release("2.6"), "Worker", "did you mean worker?"),
        (
            Release("2.6"),
            "logLevel",
            "known here: healthProbeBindAddress, webhookPort, job, leaderElection, metrics, worker",
        ),
        (
            Release("1.1"),
            "workers",
            "known here: healthProbeBindAddress, metricsBindAddress, webhookPort, leaderElection",
        ),
    ],
    ids=lambda value: str(value)[:28],
)
def test_names_the_key_of_the_release(release: Release, key: str, fix: str) -> None:
    section, _, name = key.partition(".")
    [(path, text)] = unknown_keys({section: {name: "x"}} if name else {section: "x"}, release)
    assert ".".join(map(str, path)) == key
    assert fix in text


@pytest.mark.parametrize(
    "release", [*map(Release, UPSTREAM), *(Release(line, redhat=True) for line in REDHAT)], ids=str
)
def test_a_fix_never_names_a_key_that_the_release_does_not_know(release: Release) -> None:
    for wrong in (
        "metricsBindAddress",
        "worker.setFirmwareClassPath",
        "worker.firmwareHostPath",
        "webhookPort",
        "typo",
    ):
        section, _, name = wrong.partition(".")
        for _, fix in unknown_keys({section: {name: ""}} if name else {section: ""}, release):
            if fix.startswith("use "):
                section, _, name = fix.removeprefix("use ").split(",")[0].partition(".")
                assert not list(unknown_keys({section: {name: ""}} if name else {section: ""}, release))


def test_old_releases_read_another_key_and_pass_over_what_they_do_not_know() -> None:
    assert key_in_config_map(Release("1.1")) == "controller_manager_config.yaml"
    assert key_in_config_map(Release("2.0")) == "controller_config.yaml"
    assert [is_strict(Release(line)) for line in ("2.3", "2.4")] == [False, True]
    assert is_strict(Release("2.4", redhat=True))
    assert not list(unknown_keys({"kind": "ControllerManagerConfig"}, Release("1.1", redhat=True)))
