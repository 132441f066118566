"""Properties of the patch, for any pod at all."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kmodgate.policy.config import read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.kata.view import HYPERVISOR, Reason
from kmodgate.policy.parameters import Parameters
from kmodgate.policy.review import Review
from tests.objects.json_patch import applied
from tests.policy.kata.kata_pods import FACTS, MEMORY, SECCOMP, XATTR, dkms_pod, injection, parameters

_KEYS = st.sampled_from(
    "name namespace labels annotations ownerReferences spec metadata containers initContainers ephemeralContainers env value "
    "securityContext privileged capabilities add volumes hostPath path volumeMounts mountPath runtimeClassName hostPID "
    "nodeSelector resources limits cpu template jobTemplate controller apiVersion kind app".split()
)

_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from(["ims", "kata-qemu", "/dev", "8"])
)

_ANY = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5), max_leaves=25
)

_KINDS = st.sampled_from([("v1", "Pod"), ("batch/v1", "Job"), ("batch/v1", "CronJob"), ("apps/v1", "DaemonSet")])


@st.composite
def _objects(draw: st.DrawFn) -> dict[str, Any]:
    """Anything, some of it in the place of a good pod's parts."""
    version, kind = draw(_KINDS)
    pod = {**dkms_pod(), "apiVersion": version, "kind": kind}
    for path in draw(
        st.lists(
            st.sampled_from(
                [
                    ("metadata",),
                    ("spec",),
                    ("metadata", "annotations"),
                    ("metadata", "labels"),
                    ("spec", "containers"),
                    ("spec", "runtimeClassName"),
                    ("spec", "volumes"),
                    ("spec", "template"),
                ]
            ),
            max_size=3,
        )
    ):
        target: Any = pod
        for step in path[:-1]:
            target = target.get(step) if isinstance(target, dict) else None
        if isinstance(target, dict):
            target[path[-1]] = draw(_ANY)
    return pod


_ANNOTATIONS = st.dictionaries(
    st.sampled_from([XATTR, MEMORY, SECCOMP, f"{HYPERVISOR}a/b", f"{HYPERVISOR}a~b", "example.com/x"]),
    st.text(max_size=3),
)

_POLICIES = st.builds(
    lambda annotations, work: parameters(work=work, **({} if annotations is None else {"annotations": annotations})),
    st.none() | _ANNOTATIONS,
    st.sampled_from([{}, {"namespaces": ["ims", ""]}]),
)


def _check(pod: dict[str, Any], policy: Parameters) -> None:
    before = copy.deepcopy(pod)
    patch = injection(pod, parameters=policy).patch
    assert pod == before
    after = applied(patch, pod)
    assert injection(after, parameters=policy).patch == []
    for index in range(len(patch)):
        assert applied(patch[:index] + patch[index + 1 :], pod) != after
    for path in (item["path"] for item in patch):
        assert path == "/spec/runtimeClassName" or path.startswith("/metadata/annotations"), path


@given(_objects(), _POLICIES)
def test_the_patch_is_valid_minimal_and_empty_the_second_time_whatever_the_object(
    pod: dict[str, Any], policy: Parameters
) -> None:
    _check(pod, policy)


@given(st.none() | _ANNOTATIONS, st.sampled_from([None, "", "kata-qemu", "gvisor"]), _POLICIES)
def test_so_it_is_for_a_good_pod_with_any_annotations(present: Any, name: Any, policy: Parameters) -> None:
    pod = dkms_pod(runtimeClassName=name)
    pod["metadata"]["annotations"] = present
    _check(pod, policy)
    reasons = {Reason.INJECTED, Reason.ALREADY_KATA, Reason.ANNOTATED, Reason.OTHER_CLASS}
    assert injection(pod, parameters=policy).reason in reasons


_STRICT = Engine(
    read_policy({
        "profile": "strict",
        "parameters": {"kata": {"work": {"namespaces": ["ims", ""]}, "annotations": {}}, "allowedRegistries": ["a.b"]},
    })
)  # fmt: skip


@given(_objects(), st.sampled_from(["CREATE", "UPDATE"]), st.sampled_from(["", "ephemeralcontainers"]))
def test_no_rule_fails_whatever_the_object(pod: dict[str, Any], operation: Any, subresource: str) -> None:
    review = Review(pod, operation=operation, subresource=subresource, facts=FACTS)
    assert not [finding for finding in _STRICT.evaluate(review) if finding.message.startswith("the rule failed")]
