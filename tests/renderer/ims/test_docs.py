"""docs/ims.md: its CronJob is valid on an old Kubernetes, and calls the script with arguments that it takes."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from typing import Any

import kubernetes_validate
import pytest
import yaml

from kmodgate.renderer.ims import recipe_sync
from tests.conftest import ROOT

PAGE = (ROOT / "docs/ims.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def cron_job() -> dict[str, Any]:
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(apiVersion: batch/v1.*?)```", PAGE, re.DOTALL)]
    (found,) = [block for block in blocks if block["kind"] == "CronJob"]
    return found


def test_the_cron_job_is_valid_on_an_old_kubernetes(cron_job: dict[str, Any]) -> None:
    kubernetes_validate.validate(cron_job, "1.25", strict=True)  # the oldest one that there are schemas of


def test_the_cron_job_calls_the_script_with_arguments_that_it_takes(cron_job: dict[str, Any]) -> None:
    pod = cron_job["spec"]["jobTemplate"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    parser = ArgumentParser()
    parser.add_argument("--flags")
    recipe_sync.add_arguments(parser)
    args = parser.parse_args(container["command"][2:])
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {"/flags", args.token_file, args.ca_file.rpartition("/")[0]}
    assert pod["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"
