"""Rules about IMS over objects and lists of any shape: they find something or nothing, and never fail."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import Policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.formats.object_files import Wrapped
from kmodgate.policy.ims.given_records import wrapped
from kmodgate.policy.review import Review

TEXTS = st.sampled_from(
    ["", "ims-config", "cray-ims", "kata-qemu", "true", "60", " ", "#kata", "a: b", "x\n", "%", "é"]
)
KEYS = st.sampled_from(
    ["apiVersion", "kind", "metadata", "name", "namespace", "data", "spec", "template", "containers", "envFrom", "env", "image",
     "configMapRef", "replicas", "strategy", "scheduling", "nodeSelector", "tolerations", "handler", "labels", "taints",
     "recipes", "recipe_type", "require_dkms", "arch", "configurations", "layers", "special_parameters", "specialParameters",
     "ims_require_dkms", "imsRequireDkms", "clone_url", "xname", "id", "JOB_ENABLE_DKMS", "JOB_KATA_RUNTIME",
     "JOB_AARCH64_RUNTIME", "DEFAULT_IMS_IMAGE_SIZE", "S3_READ_TIMEOUT", "FLASK_ENV", "results", "title", "status"]
)  # fmt: skip
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers(-2, 99),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
MAPS = st.dictionaries(KEYS, VALUES, max_size=5)
NAMES = st.sampled_from(["ims-config", "ims-config-site", "other"])


def config_map(name: str, data: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "services"}, "data": data}


def deployment(spec: Any) -> dict[str, Any]:
    container = {"name": "cray-ims", **spec}
    metadata = {"name": "cray-ims", "namespace": "services"}
    template = {"spec": {"containers": [container]}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {**spec, "template": template}}


def failed(object: dict[str, Any], facts: list[dict[str, Any]]) -> list[str]:
    known = SnapshotFacts(facts, {"ConfigMap", "RuntimeClass", "Node", "Deployment"})
    return [
        item.message for item in Engine(Policy()).evaluate(Review(object, facts=known)) if "rule failed" in item.message
    ]


@given(NAMES, MAPS, MAPS, MAPS)
def test_no_rule_fails_whatever_stands_in_objects(name: str, data: Any, spec: Any, class_: Any) -> None:
    runtime = {**class_, "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "kata-qemu"}}
    node = {**spec, "apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    facts = [config_map("ims-config", data), deployment(spec), runtime, node]
    for item in (config_map(name, data), deployment(spec)):
        assert failed(item, facts) == []


@given(VALUES | st.lists(MAPS, max_size=3) | st.builds(lambda one: {"configurations": one}, st.lists(MAPS, max_size=2)))
def test_no_rule_fails_whatever_stands_in_a_list(value: Any) -> None:
    found = wrapped(value)
    if isinstance(found, Wrapped):
        assert failed(found.value, [config_map("ims-config", {"JOB_ENABLE_DKMS": "true"})]) == []
