"""Bad input: whatever an object or a file holds, there is an answer, soon, and with a field."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import Gate, Policy, read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Mode, format_path
from kmodgate.policy.formats.image_references import parse_image
from kmodgate.policy.formats.object_files import parse_objects
from kmodgate.policy.formats.regexps.go_regexps import BadPattern, Pattern, TooLarge, compile_pattern
from kmodgate.policy.formats.yaml_documents import OBJECTS, SPEC, parse
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.kmm.kinds import MISSPELT
from kmodgate.policy.kmm.nodes.node_selection import Node
from kmodgate.policy.kmm.resolution.substitution import BadTemplate, names
from kmodgate.policy.review import Review
from kmodgate.policy.rule import RULES, load_rules
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.references import references
from tests.draws import drawn
from tests.fleets import REPOSITORY
from tests.objects.modules import TRAITS
from tests.policy.rules.test_rules import EXAMPLES, example

STRICT = Engine(Policy("strict"))
KMM_KINDS = {
    "Module": "kmm.sigs.x-k8s.io/v1beta1",
    "ManagedClusterModule": "hub.kmm.sigs.x-k8s.io/v1beta1",
    "PreflightValidation": "kmm.sigs.x-k8s.io/v1beta2",
    "PreflightValidationOCP": "kmm.sigs.x-k8s.io/v1beta1",
}


def kinds() -> dict[str, str]:
    """Every kind that a rule looks at, with an apiVersion of it."""
    load_rules()
    others = {kind for rule in RULES.values() for kind in rule.kinds} - KMM_KINDS.keys() - {MISSPELT}
    return KMM_KINDS | {
        kind.rpartition("/")[2]: f"{group}/v1" if (group := kind.rpartition("/")[0]) else "v1" for kind in others
    }


KINDS = kinds()
FACTS = (
    "Secret", "ConfigMap", "ServiceAccount", "Namespace", "Node", "Module", "NodeModulesConfig", "RoleBinding",
    "ClusterRoleBinding", "Role", "ClusterRole", "SecurityContextConstraints", "RuntimeClass",
)  # fmt: skip
PARTS = (
    "metadata", "labels", "annotations", "data", "stringData", "type", "spec", "status", "roleRef", "subjects", "rules",
    "users", "groups", "allowPrivilegedContainer", "key", "cert", "dockerfile", "modules", "verbs", "resources",
)  # fmt: skip
FULL = [
    yaml.safe_load(path.read_text()) for path in sorted((REPOSITORY / "tests/cases/full-module").rglob("module-*.yaml"))
]

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20)
    | st.sampled_from(["${", "$(", "a:b", "/../", "\0", "(", "^.*$", "5.14.0+", "x" * 300, "\ud800"])
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def judged(object: Any, old: Any = None, others: Any = (), before: Any = ()) -> None:
    value = defaulted(object)
    nodes = [
        Node(
            "n",
            {"node-role.kubernetes.io/worker": ""},
            [("a", "b", "NoSchedule")],
            "5.14.0-1.el9.x86_64",
            secure_boot=True,
        )
    ]
    facts = SnapshotFacts([*FULL, *others], {"Secret", "ConfigMap", "RoleBinding", "ClusterRoleBinding"}, nodes)
    review = Review(
        value,
        None if old is None else defaulted(old),
        "CREATE" if old is None else "UPDATE",
        cluster=TRAITS,
        facts=facts,
        in_tree=True,
        now=datetime(2026, 1, 31, tzinfo=UTC),
        before=SnapshotFacts([*FULL, *before]),
    )
    for finding, path in [*STRICT.judge(review), *STRICT.judge_by_facts(review)]:
        assert "the rule failed" not in finding.message, finding
        assert finding.field
        assert finding.fix
        assert isinstance(path, tuple)


@given(st.sampled_from(sorted(KINDS)), values, values)
@settings(max_examples=drawn(100))
def test_any_object_of_a_known_kind_is_judged(kind: str, metadata: Any, spec: Any) -> None:
    judged({"apiVersion": KINDS[kind], "kind": kind, "metadata": metadata, "spec": spec})
    judged({"apiVersion": KINDS[kind], "kind": kind, "metadata": metadata, "spec": {"moduleSpec": spec}})


@given(st.data())
@settings(max_examples=drawn(120))
def test_a_module_with_anything_anywhere_is_judged(data: st.DataObject) -> None:
    module = copy.deepcopy(data.draw(st.sampled_from(FULL)))
    for _ in range(data.draw(st.integers(1, 3))):
        node: Any = module
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            key = data.draw(st.sampled_from(keys))
            if isinstance(node[key], dict | list) and node[key] and data.draw(st.booleans()):
                node = node[key]
                continue
            node[key] = data.draw(values)
            break
    judged(module)
    judged(module, data.draw(st.sampled_from(FULL)))
    judged(data.draw(st.sampled_from(FULL)), others=[module])


things = st.recursive(
    values,
    lambda inner: st.dictionaries(st.sampled_from(PARTS), inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=20,
)


@given(st.data())
@settings(max_examples=drawn(60))
def test_facts_that_are_anything_are_looked_at(data: st.DataObject) -> None:
    module = defaulted(data.draw(st.sampled_from(FULL)))
    namespace = module["metadata"]["namespace"]
    names = [("Namespace", "", namespace), ("SecurityContextConstraints", "", "privileged")]
    names += [(kind, namespace, name) for _, _, kind, name, _ in references(ModuleView(module))]
    names += [(kind, namespace, "a") for kind in FACTS]
    known: list[Any] = []
    for kind, where, name in data.draw(st.lists(st.sampled_from(names), max_size=6)):
        item = data.draw(st.dictionaries(st.sampled_from(PARTS), things, max_size=5))
        metadata = item.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        known.append({**item, "kind": kind, "metadata": {**metadata, "namespace": where, "name": name}})
    judged(module, others=known, before=known[::2])
    judged({"apiVersion": "v1", "kind": "Namespace", **data.draw(st.dictionaries(st.just("metadata"), things))})


@pytest.mark.parametrize("key", ["0", "007", "+1", "-1", "1e3", "9" * 30])
def test_a_key_of_digits_is_no_index(key: str) -> None:
    module = copy.deepcopy(FULL[0])
    module["metadata"]["labels"] = {key: False, "a": "b"}
    found = Engine(Policy("parity")).evaluate(Review(module, cluster=TRAITS))
    assert [(finding.rule, finding.field) for finding in found] == [
        ("SCH102", format_path(("metadata", "labels", key)))
    ]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values but the kind, by which rules are asked, and the fact found."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if (*path, key) not in (("kind",), ("apiVersion",)):
            yield (*path, key)
            yield from places(item, (*path, key))


def with_value(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """A copy with another value at a path."""
    if not path:
        return other
    found = copy.copy(value)
    found[path[0]] = with_value(value[path[0]], path[1:], other)
    return found


OTHERS = [{"a": 1}, ["a"], None, 5, True, "x", [{"a": None}], [None]]


def spoilt(data: st.DataObject, item: Any) -> Any:
    """An object with a value of another type, or of none that was meant, somewhere."""
    return with_value(item, data.draw(st.sampled_from(list(places(item)))), data.draw(st.sampled_from(OTHERS)))


SMALL = [path for path in EXAMPLES if path.stat().st_size < 20_000]


@given(st.data())
@settings(max_examples=drawn(300))
def test_an_example_of_a_rule_with_a_value_of_another_type_is_judged(data: st.DataObject) -> None:
    policy, review = example(data.draw(st.sampled_from(SMALL)))
    no_bug_in(policy, replace(review, object=defaulted(spoilt(data, review.object))))
    if review.old is not None:
        no_bug_in(policy, replace(review, old=spoilt(data, review.old)))


@given(st.data())
@settings(max_examples=drawn(100))
def test_an_example_beside_a_fact_of_another_type_is_judged(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([path for path in SMALL if "# facts:\n---" in path.read_text()]))
    policy, review = example(path)
    known = [item for item in yaml.safe_load_all(path.read_text().partition("# facts:\n")[2]) if item]
    index = data.draw(st.integers(0, len(known) - 1))
    facts = SnapshotFacts([*known[:index], spoilt(data, known[index]), *known[index + 1 :]], {"Module", "Node"})
    no_bug_in(policy, replace(review, facts=facts))


def no_bug_in(policy: Policy, review: Review) -> None:
    for finding in Engine(policy).evaluate(review):
        assert "the rule failed" not in finding.message, finding
        assert finding.field
        assert finding.fix


SPOILT = {
    "IMG301/fail-operator": ("spec", "template", "spec", "containers", 0, "env", 0, "name"),
    "IMS308/fail-no-configmap": ("metadata", "namespace"),
    "LDR104/fail-kernel-of-no-mapping": ("spec", "moduleLoader", "container", "kernelMappings", 0, "regexp"),
}


@pytest.mark.parametrize("value", OTHERS, ids=str)
@pytest.mark.parametrize("name", SPOILT)
def test_a_name_that_is_no_text_is_judged(name: str, value: Any) -> None:
    policy, review = example(REPOSITORY / "tests/rules" / f"{name}.yaml")
    no_bug_in(policy, replace(review, object=defaulted(with_value(review.object, SPOILT[name], value))))


def test_a_runtime_class_whose_handler_is_no_text_is_judged() -> None:
    policy, review = example(REPOSITORY / "tests/rules/KTA104/pass-there.yaml")
    known = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "kata-qemu"}, "handler": {}}
    no_bug_in(policy, replace(review, facts=SnapshotFacts([known], {"RuntimeClass"})))


def test_every_example_is_judged_with_facts() -> None:
    for path in sorted((REPOSITORY / "tests/cases").rglob("module-*.yaml")):
        judged(yaml.safe_load(path.read_text()))


@given(st.text(max_size=200) | st.text(alphabet="ab:-[]{}&*!|>'\"#%@`\n \t0.", max_size=80))
@settings(max_examples=drawn(200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for reading in (SPEC, OBJECTS):
        documents, findings = parse(text, "x", reading)
        assert all(finding.message and finding.fix for finding in findings)
        for document in documents:
            document.position(("a", 0))
    found: list[Any] = []
    list(parse_objects(text, "x", found))


@given(st.text(max_size=60) | st.text(alphabet="$a{}_:-=+1", max_size=30))
@settings(max_examples=drawn(200))
def test_any_image_and_template_has_an_answer(text: str) -> None:
    parse_image(text)
    with suppress(BadTemplate):
        names(text)


HUGE: dict[str, Any] = {
    "100,000 mappings": {"kernelMappings": [{"regexp": f"^{n}$", "containerImage": ""} for n in range(100_000)]},
    "100,000 literals": {"kernelMappings": [{"literal": f"{n}", "containerImage": ""} for n in range(100_000)]},
    "100,000 modules in order": {"modprobe": {"moduleName": "m", "modulesLoadingOrder": ["m"] * 100_000}},
    "a text of 10 MB": {"containerImage": "a/" * 5_000_000, "kernelMappings": [{"literal": "a", "containerImage": ""}]},
    "a tag of 10 MB": {
        "containerImage": "a:" + "b" * 10_000_000,
        "kernelMappings": [{"regexp": "a", "containerImage": ""}],
    },
    "a huge number": {"version": 10**400, "containerImage": math.nan},
    "files of 10 MB": {"sign": {"filesToSign": ["/opt/" + "a" * 10_000_000, "$" * 1_000_000]}},
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_objects_are_judged_in_the_end(name: str) -> None:
    container = {"modprobe": {"moduleName": "m"}, "containerImage": "a:1", "kernelMappings": [], **HUGE[name]}
    spec = {"selector": {}, "moduleLoader": {"container": container}}
    judged({"apiVersion": KINDS["Module"], "kind": "Module", "metadata": {"name": "a", "namespace": "b"}, "spec": spec})


def _nested() -> Any:
    nested: Any = {}
    for _ in range(10_000):
        nested = {"a": nested}
    return nested


def test_an_object_nested_ten_thousand_deep_is_judged() -> None:
    first, second = (
        {"apiVersion": KINDS["Module"], "kind": "Module", "metadata": {"name": "a"}, "spec": _nested()} for _ in "ab"
    )
    judged(first)
    judged(first, second)
    found: list[Any] = []
    assert list(parse_objects(json.dumps({"apiVersion": "v1", "kind": "A"}) + "[" * 10_000, "x", found))
    assert found


@pytest.mark.parametrize(
    "text",
    [
        "(a+)+$",
        "(a|aa)+$",
        "(" * 5000 + ")" * 5000,
        "a{1000}{1000}",
        "[" * 5000,
        "(?i)" * 2000,
        "\\pL{900}",
        ".*" * 2000 + "x",
        "(a*)*" * 200,
    ],
)
def test_no_expression_hangs(text: str) -> None:
    pattern = compile_pattern(text)
    assert isinstance(pattern, Pattern | BadPattern | TooLarge)
    if isinstance(pattern, Pattern):
        pattern.searches("a" * 5000 + "!")


@pytest.mark.parametrize("key", ["name", "namespace", "generateName"])
@pytest.mark.parametrize("gate", ["check", "admit"])
def test_a_module_whose_name_is_nested_is_refused_with_a_title(key: str, gate: Gate) -> None:
    metadata = {"namespace": "drivers", **({} if key == "generateName" else {"name": "nic"}), key: _nested()}
    object = {"apiVersion": KINDS["Module"], "kind": "Module", "metadata": metadata, "spec": {}}
    exception = {"rule": "SCH104", "object": {"name": "other"}, "owner": "a", "ticket": "A-1", "expires": "2999-01-01"}
    review = Review(object, cluster=TRAITS, facts=SnapshotFacts([]), user="alice")
    findings = Engine(read_policy({"exceptions": [exception]}), gate).evaluate(review)
    assert "SCH104" in {finding.rule for finding in findings if finding.mode is Mode.ENFORCE}
    assert all("…" in finding.object and "rule failed" not in finding.message for finding in findings)
