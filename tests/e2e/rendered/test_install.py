"""manifests/webhook.yaml and the steps of docs/webhook.md, on a real API server."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from tests.conftest import ROOT
from tests.e2e.admission.test_self_managed import KINDS, by_name
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.waiting import eventually
from tests.e2e.webhook import generated, process

Json: TypeAlias = dict[str, Any]

SPACE = "kmodgate-system"
MANIFEST: list[Json] = list(yaml.safe_load_all((ROOT / "manifests" / "webhook.yaml").read_text(encoding="utf-8")))
STEPS = (ROOT / "docs" / "webhook.md").read_text(encoding="utf-8").partition("\n## Install\n")[2]
QUESTION = STEPS.partition("<<'END'\n")[2].partition("END\n")[0]
"""The Module of the docs that must be refused."""


def restricted(item: Json) -> Json:
    """The object; a namespace holds its pods to the strictest of Kubernetes' standards."""
    result = copy.deepcopy(item)
    if item["kind"] == "Namespace":
        result["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "restricted"
    return result


def pods(control_plane: ControlPlane) -> list[Json]:
    found: list[Json] = control_plane.get("pods", "-n", SPACE, "-l", "app.kubernetes.io/name=kmodgate-webhook")["items"]
    return found


def asked(control_plane: ControlPlane) -> str:
    """What kubectl says to the Module that must be refused."""
    done = control_plane.kubectl("create", "--dry-run=server", "-f", "-", input=QUESTION)
    return done.stderr if done.returncode else ""


def arguments() -> list[str]:
    """The arguments of the Deployment, but for where the API server and the policy are."""
    (deployment,) = (item for item in MANIFEST if item["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    elsewhere = ("serve", "--in-cluster", "--policy=")
    return [argument for argument in container["args"] if not argument.startswith(elsewhere)]


def apply_generated(control_plane: ControlPlane, objects: Sequence[Json]) -> None:
    control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}, *objects)


def test_the_manifest_is_accepted_and_makes_two_pods_that_need_no_right_on_the_node(controllers: ControlPlane) -> None:
    quota = [item for item in MANIFEST if item["kind"] == "ResourceQuota"]  # which no controller of the tests counts
    controllers.apply(*(restricted(item) for item in MANIFEST if item not in quota))
    try:
        eventually(lambda: len(pods(controllers)) == 2, "the Deployment has its pods")
        assert {pod["spec"]["priority"] for pod in pods(controllers)} == {2_000_000_000}
        controllers.apply(*quota)
    finally:
        for kind in ("deployment", "resourcequota", "poddisruptionbudget", "service"):
            controllers.kubectl("delete", kind, "kmodgate-webhook", "-n", SPACE, "--ignore-not-found", check=True)


@pytest.mark.timing
def test_it_is_ready_by_its_rights_alone_and_answers_once_it_is_registered(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    apply_generated(control_plane, generated("drivers", arguments=["--only", "rights"]))
    own = [*arguments(), "--certificate-name=localhost"]
    with process(control_plane, tmp_path, *own) as webhook:
        eventually(webhook.is_ready, "it is ready before anybody may ask it")
        assert asked(control_plane) == ""
        configurations = generated("drivers", arguments=["--only", "configurations"])
        control_plane.apply(*(by_name(item, webhook.port) for item in configurations))
        try:
            eventually(lambda: "INJ102" in asked(control_plane), "the Module of the docs is refused")
            eventually(
                lambda: {json.dumps(line["denied"]) for line in webhook.decisions()} == {'["INJ102"]'}, "it is logged"
            )
        finally:
            for kind in KINDS:
                control_plane.kubectl("delete", kind, "kmodgate", check=True)
        eventually(partial(is_admitted, control_plane), "nobody is asked any more")


def is_admitted(control_plane: ControlPlane) -> bool:
    return asked(control_plane) == ""
