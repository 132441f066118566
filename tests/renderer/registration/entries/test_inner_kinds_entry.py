"""The entry of KMM's own records, and who counts as KMM in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.command import run
from tests.fleets import FleetFolder
from tests.renderer.registration.reaching import Request
from tests.renderer.registration.registering import CONTROLLERS, FINALIZED, KMM_GROUP, answer, generated, made


@pytest.mark.parametrize("resource", ["nodemodulesconfigs", "moduleimagesconfigs", "modulebuildsignconfigs"])
@pytest.mark.parametrize("part", ["", "/status"])
def test_row_inner_kinds_fails_for_all_but_the_controllers(fleet: FleetFolder, resource: str, part: str) -> None:
    objects = generated(fleet)
    for operation in ("CREATE", "UPDATE", "DELETE"):
        for content in ({"spec": 1}, {"status": 1}, FINALIZED):
            request = Request(operation, f"{resource}{part}", KMM_GROUP, "v1beta1", old={}, content=content)
            assert answer(objects, request) == [("inner-kinds", "Fail")]


def test_while_nobody_says_who_kmm_is_its_records_wait_for_nobody(tmp_path: Path) -> None:
    done = run("webhook-config", "--namespace=drivers", cwd=tmp_path)
    assert "nor --facts says who KMM is" in done.stderr
    request = Request("UPDATE", "nodemodulesconfigs", KMM_GROUP, "v1beta1", old={}, content={"spec": 1})
    assert answer(made(done), request) == [("inner-kinds", "Ignore")]


KMM_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: gpu-kmm-controller, namespace: gpu}
spec:
  template:
    spec:
      serviceAccountName: gpu-kmm-controller
      containers: [{name: manager, image: "docker.io/rocm/kernel-module-management-operator:v1.3.0"}]
"""


def test_a_dump_shows_who_kmm_is(tmp_path: Path) -> None:
    (tmp_path / "dump.yaml").write_text(KMM_DEPLOYMENT)
    done = run("webhook-config", "--namespace=drivers", "--facts=dump.yaml", cwd=tmp_path)
    objects = made(done)
    assert "put system:serviceaccount:gpu:gpu-kmm-controller under parameters.controllers" in done.stderr

    def asked(user: str) -> list[tuple[str, str]]:
        content = {"spec": 1}
        return answer(
            objects, Request("UPDATE", "nodemodulesconfigs", KMM_GROUP, "v1beta1", content=content, user=user)
        )

    assert asked("system:serviceaccount:gpu:gpu-kmm-controller") == []
    assert asked("alice") == [("inner-kinds", "Fail")]


POLICY = """\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {name: site}
spec: {parameters: {controllers: ["system:serviceaccount:site:kmm"]}}
"""


def test_where_the_policy_says_who_kmm_is_who_usually_is_it_is_asked_about(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    done = run("webhook-config", "--namespace=drivers", "--policy=policy.yaml", cwd=tmp_path)
    objects, named, usual = made(done), "system:serviceaccount:site:kmm", CONTROLLERS[0]
    assert f"KMM is {named}; the accounts of its usual installations do not count" in done.stderr
    changed: dict[str, Any] = {"old": {}, "content": {"spec": 1}}
    records = ("UPDATE", "nodemodulesconfigs", KMM_GROUP, "v1beta1")
    secret: dict[str, Any] = {"namespace": "drivers", "old": {}}
    for user, guarded in ((named, False), (usual, True), ("alice", True)):
        assert answer(objects, Request(*records, user=user, **changed)) == [("inner-kinds", "Fail")] * guarded
        assert answer(objects, Request("DELETE", "secrets", user=user, **secret)) == [("protection", "Fail")] * guarded
    finalized = Request("UPDATE", "modules", KMM_GROUP, "v1beta1", old={}, content=FINALIZED, user=usual)
    assert answer(objects, finalized) == []
