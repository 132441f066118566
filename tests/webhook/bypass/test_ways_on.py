"""What the refusal of a change says of who may make it all the same, and of an account that may be KMM's."""

from __future__ import annotations

import base64

import pytest

from kmodgate.policy.cluster.controllers import controllers_of
from tests.webhook.bypass.test_who_is_kmm import USUAL, asked, cluster_of
from tests.webhook.reviews import Object, module, named, namespace, review

AMD = "system:serviceaccount:kube-amd-gpu:amd-gpu-operator-kmm-controller"
HOW = "have one who may override namespaces.kmodgate.io set kmodgate.io/override on"


def pull(text: str) -> Object:
    data = {".dockerconfigjson": base64.b64encode(text.encode()).decode()}
    return named("Secret", "pull", "drivers", data=data)


FULL, NOBODY = (f'{{"auths":{{"quay.io":{{"auth":"{auth}"}}}}}}' for auth in ("YWJjOmRlZg==", "Og=="))

WAYS = [
    ("REF204", ("DELETE", "Secret", None, pull(FULL)), "Namespace drivers"),
    ("REF212", ("UPDATE", "Secret", pull(NOBODY), pull(FULL)), "Namespace drivers"),
    ("REF201", ("DELETE", "Namespace", None, namespace("drivers")), "Namespace drivers"),
]


@pytest.mark.parametrize(("rule", "change", "where"), WAYS, ids=[rule for rule, *_ in WAYS])
@pytest.mark.parametrize(("user", "may_be_kmm"), [("alice", False), (USUAL, True), (AMD, True)])
def test_a_refusal_says_who_may_and_how_kmm_is_named(
    rule: str, change: tuple[str, str, Object | None, Object], where: str, user: str, may_be_kmm: bool
) -> None:
    item = module()
    item["metadata"] |= {"namespace": "drivers"}
    item["spec"]["imageRepoSecret"] = {"name": "pull"}
    cluster = cluster_of(item, namespace("drivers"))
    answer = asked(review(*change), cluster, *controllers_of("redhat"), user=user)
    (finding,) = (found for found in answer.findings if found.rule == rule)
    assert f"{HOW} {where}" in finding.fix
    named_first = f"if {user} is KMM here, name it under parameters.controllers; otherwise "
    assert finding.fix.startswith(named_first) is may_be_kmm
