"""Our mutation beside Kubernetes' RuntimeClass admission and another mutating webhook, in either order, and once more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.e2e.api_server.certificates import Authority
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.ims.ims_pods import CLASS, dry_run, pod_text
from tests.e2e.second_mutator import Patch, mutating
from tests.e2e.waiting import eventually
from tests.e2e.webhook import Webhook, in_force

pytestmark = pytest.mark.timing

Json: TypeAlias = dict[str, Any]

BEFORE, AFTER = "a-second", "z-second"
"""Names of configurations that are called before ours and after it."""

CONFIG_PATH = "io.katacontainers.config_path"
XATTR = "io.katacontainers.config.hypervisor.virtio_fs_extra_args"
POLICY = f"""\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {{name: p}}
spec:
  parameters: {{kata: {{imsJobs: all, annotations: {{{XATTR}: --xattr}}}}}}
"""


@pytest.fixture(scope="module")
def webhook(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    folder = tmp_path_factory.mktemp("webhook")
    (folder / "policy.yaml").write_text(POLICY)
    options = ("--policy", str(folder / "policy.yaml"))
    control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ims"}}, CLASS)
    with in_force(control_plane, folder, ["drivers"], *options, registration=options) as running:
        probe = pod_text(9)
        eventually(lambda: not control_plane.kubectl(*dry_run(), input=probe).returncode, "the class is seen")
        yield running


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki", "second-ca")


def labelling(pod: Json) -> list[Json]:
    """A label, the first time only."""
    is_there = "seen" in pod["metadata"]["labels"]
    return [] if is_there else [{"op": "add", "path": "/metadata/labels/seen", "value": "yes"}]


def with_class(pod: Json) -> list[Json]:
    if "runtimeClassName" in pod["spec"]:
        return []
    return [{"op": "add", "path": "/spec/runtimeClassName", "value": "kata-qemu"}]


def configuring(pod: Json) -> list[Json]:
    """The annotation by which Kata takes another configuration, however often it is asked."""
    annotations = {**pod["metadata"].get("annotations", {}), CONFIG_PATH: "/opt/own.toml"}
    return [{"op": "add", "path": "/metadata/annotations", "value": annotations}]


def made(control_plane: ControlPlane, text: str) -> Json:
    """The pod as the API server would store it."""
    done = control_plane.kubectl("create", "--filename=-", "--dry-run=server", "--output=json", input=text)
    assert done.returncode == 0, done.stderr
    found: Json = json.loads(done.stdout)
    return found


def is_whole(pod: Json) -> bool:
    """Whether it has the class with all that belongs to it, and the policy's annotation."""
    spec = pod["spec"]
    return (
        spec["runtimeClassName"] == "kata-qemu"
        and spec["overhead"] == {"memory": "160Mi"}
        and spec["nodeSelector"] == {"katacontainers.io/kata-runtime": "true"}
        and pod["metadata"]["annotations"] == {XATTR: "--xattr"}
    )


@pytest.mark.parametrize("name", [BEFORE, AFTER])
@pytest.mark.parametrize("patch", [labelling, with_class])
def test_the_order_among_webhooks_does_not_matter(
    control_plane: ControlPlane, webhook: Webhook, authority: Authority, name: str, patch: Patch
) -> None:
    with mutating(control_plane, authority, name, patch, "IfNeeded") as seen:
        pod = made(control_plane, pod_text(1))
    assert is_whole(pod)
    assert len(seen) == 2  # once more after what the others have changed
    assert pod["metadata"]["labels"].get("seen", "") == ("yes" if patch is labelling else "")


def test_what_another_webhook_sets_afterwards_is_taken_away_again(
    control_plane: ControlPlane, webhook: Webhook, authority: Authority
) -> None:
    before = len(webhook.decisions())
    with mutating(control_plane, authority, AFTER, configuring, "Never") as seen:
        assert is_whole(made(control_plane, pod_text(2)))
    assert len(seen) == 1

    def notes() -> list[str]:
        lines = [line for line in webhook.decisions()[before:] if line["path"] == "/mutate"]
        return [line["note"] for line in lines]

    eventually(lambda: notes() == ["injected", "annotations-changed"], "both calls are logged")


def test_what_another_webhook_sets_each_time_is_refused(
    control_plane: ControlPlane, webhook: Webhook, authority: Authority
) -> None:
    with mutating(control_plane, authority, AFTER, configuring, "IfNeeded"):
        done = control_plane.kubectl(*dry_run(), input=pod_text(3))
    assert "KTA115" in done.stderr


def test_a_pod_that_was_changed_stays_as_it_is_when_it_is_made_again(
    control_plane: ControlPlane, webhook: Webhook
) -> None:
    first = made(control_plane, pod_text(4))
    metadata = {key: first["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    again = made(control_plane, json.dumps({**first, "metadata": metadata, "status": {}}))
    assert again["spec"] == first["spec"]
    assert again["metadata"]["annotations"] == first["metadata"]["annotations"]


def test_a_change_of_annotations_alone_is_in_the_audit_log_of_the_api_server(
    control_plane: ControlPlane, webhook: Webhook
) -> None:
    pod = json.loads(pod_text(5, runtimeClassName="kata-qemu"))
    pod["metadata"]["annotations"] = {CONFIG_PATH: "/opt/own.toml"}
    assert is_whole(made(control_plane, json.dumps(pod)))

    def noted() -> bool:
        events = control_plane.audited(verb="create", resource="pods", namespace="ims", name=pod["metadata"]["name"])
        return any(event["annotations"].get("dkms-pods.kmodgate.io/note") == "annotations-changed" for event in events)

    eventually(noted, "the annotation is written")


def test_a_pod_without_dkms_is_put_there_where_the_policy_takes_all_jobs(
    control_plane: ControlPlane, webhook: Webhook
) -> None:
    assert is_whole(made(control_plane, pod_text(6, dkms=False)))
