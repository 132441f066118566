"""`needs` is an optimisation: a rule that is not asked would have found nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import Policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.review import Review
from kmodgate.policy.rule import RULES, load_rules
from tests.draws import drawn
from tests.fleets import REPOSITORY
from tests.objects.modules import TRAITS
from tests.webhook.manifests import module

load_rules()

NEEDING = [(rule, rule.needs) for rule in RULES.values() if rule.needs is not None and "CREATE" in rule.operations]
EXAMPLES = [
    document
    for path in sorted((REPOSITORY / "tests").rglob("*.yaml"))
    if path.parent.parent.name == "rules" or path.name.startswith("module-")
    for document in yaml.safe_load_all(path.read_text())
    if isinstance(document, dict) and "kind" in document
]

FULL: dict[str, Any] = module(0)
FULL["metadata"] |= {"annotations": {"example.com/note": "n"}, "labels": {"app.kubernetes.io/name": "driver"}}
FULL["spec"]["devicePlugin"]["container"]["resources"] = {"limits": {"cpu": "1"}}
FULL["spec"]["devicePlugin"]["container"]["env"] = []
_container = FULL["spec"]["moduleLoader"]["container"]
_container["modprobe"]["firmwarePath"] = "/firmware"
_container["kernelMappings"][1] = {
    "literal": "6.1.0",
    "containerImage": "registry.example.com/a:1-${KERNEL_FULL_VERSION}",
    "sign": {
        "unsignedImage": "registry.example.com/b:2",
        "filesToSign": ["/opt/driver_0.ko"],
        "keySecret": {"name": "k"},
        "certSecret": {"name": "c"},
    },
}
_container["kernelMappings"][2:] = []

PIECES = [
    "", "a", "A", "0", "_", "-", ".", "/", ":", "@", "$", "^", "\\", "+", "*", "~", " ", "\n", "é", "..", "$$", "${", "}", "5.14.0",
    "latest", "v1", "main", "${KERNEL_FULL_VERSION}", "${KERNEL_XYZ}", "$KERNEL_VERSION", "${MOD_NAME}", "${a}",
    "registry.example.com", "registry:5000/a", "@sha256:" + "a" * 64, "/opt/", "/opt", "/lib/modules/", ".ko", ".ko.xz", "/dev", "/var/run",
    "-preflight", "kubelet-plugins", "cdi", "MOD_NAME", "PASSWORD", "token", "a" * 63, "a" * 300, "^.*$", ".+", "\\d", "[0-9]",
    "secrets", "/var/run/secrets/kubernetes.io/serviceaccount", "driver_0", "a" * 56, "é" * 30, "\\n", "\\+$", "a/" * 100, "node.kubernetes.io/unschedulable", "node-role.kubernetes.io/master", "Exists", "Equal", "NoExecute", "key", "v",
]  # fmt: skip
KEYS = [
    "build", "sign", "secrets", "registryTLS", "unsignedImage", "unsignedImageRegistryTLS", "baseImageRegistryTLS", "literal",
    "regexp", "selector", "inTreeModuleToRemove", "inTreeModulesToRemove", "rawArgs", "args", "parameters", "modulesLoadingOrder",
    "imagePullPolicy", "value", "tolerationSeconds", "effect", "operator", "key", "generateName", "name", "containerImage", "claims", "dra", "labels",
]  # fmt: skip

texts = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
values = st.recursive(
    texts | st.none() | st.booleans() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=5,
)


FACTS = SnapshotFacts([], {"Module", "Node"})


def missed(object: dict[str, Any]) -> list[tuple[str, Any]]:
    """What rules would find that are not asked."""
    review = Review(object, cluster=TRAITS, facts=FACTS, before=FACTS)
    return [
        (rule.id, problem)
        for rule, needs in NEEDING
        if review.kind in rule.kinds and not needs(review)
        for problem in rule.check(review)
    ]


@pytest.mark.parametrize("object", EXAMPLES)
def test_nothing_is_missed_in_an_example(object: dict[str, Any]) -> None:
    assert missed(defaulted(object)) == []


def test_nothing_is_missed_in_a_module_of_which_one_text_is_odd() -> None:
    object = copy.deepcopy(FULL)
    for node, key in _texts(object):
        text = node[key]
        for piece in PIECES:
            for odd in (piece, piece + text, text + piece, *(text.replace(char, piece, 1) for char in "./:_-${")):
                node[key] = odd
                assert missed(object) == [], (key, odd)
        node[key] = text


def _texts(node: Any) -> Iterator[tuple[Any, Any]]:
    """Where texts stand: the map or list, and the key or index."""
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if isinstance(value, str):
            yield node, key
        elif isinstance(value, dict | list):
            yield from _texts(value)


TWICE = {"resources": {"claims": [{"name": "a"}, {"name": "a"}]}}
ODD: list[tuple[str, str, dict[str, Any]]] = [
    ("SCH107", "metadata", {"generateName": "-a"}),
    ("SCH107", "metadata", {"labels": {"a b": ""}}),
    ("SCH107", "metadata", {"annotations": {"a b": ""}}),
    ("SCH107", "metadata", {"annotations": {"a": "b" * 300_000}}),
    ("SCH107", "metadata", {"annotations": {"a": "\U0001f40d" * 70_000}}),
    ("SCH107", "metadata", {"annotations": {f"{number:060}": "" for number in range(5000)}}),
    ("SCH107", "spec", {"dra": {}}),
    ("SCH107", "spec.devicePlugin", {"container": TWICE}),
    ("SCH107", "spec.devicePlugin", {"sidecar": TWICE}),
    ("BLD101", "build", {"buildArgs": [{"name": "DTK_AUTO", "value": "a"}]}),
    ("BLD102", "build", {"buildArgs": [{"name": "MY_CREDENTIALS", "value": "a"}]}),
    ("BLD102", "build", {"buildArgs": [{"name": "private_key", "value": "a"}]}),
    ("BLD103", "kernelMappings.1.sign", {"unsignedImageRegistryTLS": {"insecure": True}}),
    ("IMG104", "", {"containerImage": f"a/{'b' * 5000}:1"}),
    ("KMM202", "kernelMappings.0", {"regexp": ["^a$"]}),
    ("KMM203", "kernelMappings.0", {"regexp": "^\\w(?=a)$"}),
    ("MAP204", "kernelMappings.0", {"regexp": "", "literal": "6.1.0"}),
    ("SGN106", "sign", {"certSecret": {"name": "key"}}),
]


@pytest.mark.parametrize(("id", "place", "change"), ODD)
def test_a_rule_is_asked_where_it_finds_something(id: str, place: str, change: dict[str, Any]) -> None:
    object = copy.deepcopy(FULL)
    container = object["spec"]["moduleLoader"]["container"]
    node = object if place.startswith(("metadata", "spec")) else container
    if place == "build":
        container["build"] = copy.deepcopy(container["kernelMappings"][0]["build"])
    for step in filter(None, place.split(".")):
        node = node[int(step) if step.isdigit() else step]
    node |= change
    review = Review(object, facts=FACTS)
    assert list(RULES[id].check(review))
    needs = RULES[id].needs
    assert needs is None or needs(review)


@given(st.data())
@settings(max_examples=drawn(200))
def test_nothing_is_missed_whatever_stands_anywhere(data: st.DataObject) -> None:
    object = copy.deepcopy(FULL)
    for _ in range(data.draw(st.integers(1, 2))):
        _change(object["spec"] if data.draw(st.integers(0, 9)) else object["metadata"], data)
    assert missed(object) == []


def _change(node: Any, data: st.DataObject) -> None:
    """Puts something else, removes something or adds something, somewhere."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(node[key], dict | list) and node[key] and data.draw(st.integers(0, 4)):
            node = node[key]
            continue
        what = data.draw(st.sampled_from(["text", "text", "edited", "value", "removed", "added", "twice"]))
        if what == "removed":
            del node[key]
        elif what == "added" and isinstance(node, dict):
            node[data.draw(st.sampled_from(KEYS))] = data.draw(values)
        elif what == "twice" and isinstance(node, list):
            node.append(copy.deepcopy(node[key]))
        elif what == "edited" and isinstance(node[key], str):
            cut = data.draw(st.integers(0, len(node[key])))
            node[key] = node[key][:cut] + data.draw(texts) + node[key][cut:]
        else:
            node[key] = data.draw(texts if what == "text" else values)
        return


def test_a_sound_module_has_no_finding() -> None:
    assert Engine(Policy("strict")).judge(Review(defaulted(module(1)), cluster=TRAITS, facts=FACTS)) == []


def test_an_update_is_compared_with_what_was_only_if_its_spec_changes() -> None:
    old, new = module(1), module(1)
    new["metadata"]["labels"] = {"a": "b"}
    assert Review(new, old, "UPDATE").old_module is None
    new["spec"]["tolerations"] = []
    assert Review(new, old, "UPDATE").old_module is not None
