"""What the rules about job templates say of a text on the line that is wrong, and of any text at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Finding, Severity
from kmodgate.policy.ims.template_proof import LONGEST, where
from kmodgate.policy.ims.template_text import STATES, placeholders, readable_chart, without_actions
from kmodgate.policy.ims.templates import HOLDERS, VARIABLES, supplied
from kmodgate.policy.review import ClusterTraits, Review
from kmodgate.schemas.compiled import any_schema
from tests.draws import drawn
from tests.objects.ims_templates import CUSTOMIZE, KIWI, PACKER, config_maps, job_key, with_job

ENGINE = Engine(read_policy({"profile": "strict"}))
CLASS = "      runtimeClassName: $runtime_class\n"


def findings(config_map: dict[str, Any], release: str = "") -> list[Finding]:
    traits = ClusterTraits(schema_of=any_schema, ims_version=release)
    return ENGINE.evaluate(Review(config_map, cluster=traits, facts=SnapshotFacts([], ["ConfigMap"])))


def of_job(config_map: dict[str, Any], old: str, new: str) -> list[tuple[str, int, Severity]]:
    """The findings about a template of a Job with another text, each with the line in the template."""
    return [(item.rule, item.line, item.severity) for item in findings(with_job(config_map, old, new))]


def line_of(config_map: dict[str, Any], text: str) -> int:
    return config_map["data"][job_key(config_map)].split("\n").index(text) + 1


@pytest.mark.parametrize("index", [KIWI, PACKER, CUSTOMIZE])
def test_a_finding_is_on_its_line_of_the_template(index: int) -> None:
    config_map = config_maps()[index]
    line = line_of(config_map, CLASS.rstrip("\n"))
    assert of_job(config_map, CLASS, CLASS.replace("$runtime", "$runtim")) == [
        ("IMS201", line, "error"),
        ("IMS204", line, "error"),
    ]
    assert of_job(config_map, CLASS, "      x: $(nproc)\n" + CLASS) == [
        ("IMS202", line, "error"),
        ("IMS203", line, "error"),
    ]
    assert of_job(config_map, CLASS, "      # " + CLASS.lstrip()) == [("IMS204", line, "error")]
    assert of_job(config_map, "backoffLimit: 0", "backoffLimit: no") == [
        ("IMS203", line_of(config_map, "  backoffLimit: 0"), "error")
    ]


def test_a_field_of_hpes_own_text_that_kubernetes_drops_is_a_note() -> None:
    selector = "                labelSelector:\n"
    found = of_job(config_maps()[KIWI], selector, f"{selector}                  namespaces: [$namespace]\n")
    assert [(rule, severity) for rule, _, severity in found] == [("IMS203", "info")]


def test_the_template_of_hpe_for_packer_is_found() -> None:
    endpoint = "            - name: S3_BUCKET\n"
    found = of_job(
        config_maps()[PACKER], endpoint, f'            - name: S3_HOST\n              value: "$s3_host"\n{endpoint}'
    )
    assert [rule for rule, _, _ in found] == ["IMS201"]


def test_the_old_name_of_the_capabilities_is_a_note_until_something_newer_stands_beside_it() -> None:
    old = config_maps("3.15.0")[CUSTOMIZE]
    assert {(item.rule, item.severity) for item in findings(old)} == {("IMS201", "info")}
    newer = of_job(old, "$remote_build_node", "$remote_heartbeat_timeout_count")
    assert {(rule, severity) for rule, _, severity in newer} == {("IMS201", "error")}


def test_the_templates_beside_it_and_lines_of_hpe_tell_that_a_name_is_old() -> None:
    old, newer = config_maps("3.15.0")[CUSTOMIZE], config_maps("3.20.0")[KIWI]
    traits = ClusterTraits(schema_of=any_schema)
    beside = Engine(read_policy({})).evaluate(
        Review(old, cluster=traits, facts=SnapshotFacts([old, newer], ["ConfigMap"]))
    )
    assert {(item.rule, item.severity) for item in beside} == {("IMS201", "warning")}
    selector = "                labelSelector:\n"
    found = of_job(old, selector, f"{selector}                  namespaces:\n                  - $namespace\n")
    assert {(rule, severity) for rule, _, severity in found if rule == "IMS201"} == {("IMS201", "warning")}


def test_a_name_that_nobody_changes_is_a_note_without_quotes_and_one_that_all_choose_a_warning() -> None:
    base = config_maps()[KIWI]
    assert {item[::2] for item in of_job(base, '"$kernel_filename"', "$kernel_filename")} == {("IMS207", "info")}
    assert {item[::2] for item in of_job(base, '"$image_root_archive_name"', "${image_root_archive_name}")} == {
        ("IMS207", "warning")
    }


def test_a_template_cut_out_of_its_config_map_misses_the_others_as_a_note() -> None:
    base = config_maps()[KIWI]
    cut = {**base, "data": {job_key(base): base["data"][job_key(base)]}}
    assert {(item.rule, item.severity) for item in findings(cut)} == {("IMS210", "info")}
    two = {**base, "data": dict(list(base["data"].items())[:3])}
    assert {(item.rule, item.severity) for item in findings(two)} == {("IMS210", "error")}


def test_of_a_known_release_each_placeholder_is_judged() -> None:
    for release in ("3.17.1", "3.17.2", "3.32.0"):
        assert [item for config_map in config_maps(release) for item in findings(config_map, release)] == []
    upgraded = [item for config_map in config_maps("3.15.0") for item in findings(config_map, "3.20.0")]
    assert {(item.rule, item.severity, item.fix) for item in upgraded} == {
        ("IMS201", "error", "write $security_capabilities")
    }
    (early,) = findings(config_maps("3.32.0")[CUSTOMIZE], "3.31.0")
    assert (
        "$remote_heartbeat_timeout_count: IMS 3.31.0 does not fill it in, releases from 3.32.0 on do" in early.message
    )


def test_a_text_of_another_name_or_kind_is_none_of_them() -> None:
    broken = with_job(config_maps()[KIWI], CLASS, "")
    assert findings({**broken, "metadata": {"name": "another"}}) == []
    assert findings({**broken, "kind": "Secret"}) == []


@pytest.mark.parametrize(
    "data", [None, [], "x", 5, {"image_job_customize.yaml.template": 5}, {"image_job_customize.yaml.template": None}]
)
def test_data_of_another_type_misses_its_templates(data: object) -> None:
    config_map = {**config_maps()[CUSTOMIZE], "data": data}
    assert {item.rule for item in findings(config_map)} == {"IMS210"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "$" * 1000,
        "[" * 5000,
        "a: &a [x]\nb: [*a, *a]",
        "a: &a [x, x]\n" + "\n".join(f"a{i}: &a{i} [*a{i - 1 or ''}, *a{i - 1 or ''}]" for i in range(1, 40)),
        "!!python/object:os.system {}",
        "kind: Job\napiVersion: batch/v1\nmetadata: 5\nspec: []",
        "kind: Job\napiVersion: batch/v1\nmetadata: {name: 5}\nspec: {template: {spec: {containers: [null, 5], volumes: 7}}}",
        "kind: Job\napiVersion: batch/v1\nspec: {backoffLimit: .nan, parallelism: 99999999999999999999999999, x: .inf}",
        "? [a, b]\n: x",
        "a: 2020-13-45",
        "a: " + "9" * 5000,
        "a: .nan\nb: 1:30\nc: !!binary aGk=\nd: !!set {x}",
        "\0",
        "a: '\ud800'",
        "kind: Job\n---\nkind: Job\n",
        "{{ .Values.x",
        "x" * (LONGEST + 1),
        "{{\n" * (LONGEST // 3),
        "#" * LONGEST,
        "$x" * 1000 + " " * LONGEST,
    ],
)
def test_any_text_gives_findings_and_no_bug(text: str) -> None:
    base = config_maps()[CUSTOMIZE]
    found = findings({**base, "data": {**base["data"], job_key(base): text}})
    assert [item.message for item in found if "the rule failed" in item.message] == []


_LINES = config_maps()[KIWI]["data"][job_key(config_maps()[KIWI])].split("\n")
_ODD = st.sampled_from(
    ["", "$x", "$", "a: $b", "- - x", "\tx", "&a x", "*a", "}{", "? x", "---", "...", "{{ x }}", "spec: 5", "metadata:"]
)


@settings(max_examples=drawn(30))
@given(st.lists(st.tuples(st.integers(0, len(_LINES) - 1), st.booleans(), st.integers(0, 12), _ODD), max_size=5))
def test_edits_at_random_never_crash_a_rule(changes: list[tuple[int, bool, int, str]]) -> None:
    lines = list(_LINES)
    for place, is_inserted, indent, text in changes:
        place = min(place, len(lines))
        lines[place : place + (not is_inserted)] = [" " * indent + text]
    base = config_maps()[KIWI]
    found = findings({**base, "data": {**base["data"], job_key(base): "\n".join(lines)}})
    assert [item.message for item in found if "the rule failed" in item.message] == []


def test_actions_of_helm_become_a_word_and_lines_keep_their_numbers() -> None:
    text = "{{/*\nx\n*/}}\na: {{ .Values.x }}:{{ .y }}\n  {{- if .z }}\nb: 1 {{ open\n"
    assert without_actions(text).split("\n") == ["", "", "", "a: helm:helm", "", "b: 1 {{ open", ""]
    assert without_actions("  {{ end }}{{ end }} \na: {{ x\n}} b") == "\na: helm\n b"
    assert readable_chart("a: {{ .Values.x }}") == "a: {{ .Values.x }}"
    assert readable_chart(f"a: {{{{ x }}}} # {next(iter(HOLDERS))}").startswith("a: helm")


def test_placeholders_are_those_of_python() -> None:
    found = [(item.name, item.line, item.shown) for item in placeholders("$a ${b}\n$$c $(d)\n# $E_1 $9")]
    assert found == [("a", 1, "$a"), ("b", 1, "${b}"), ("", 2, "$(d)"), ("E_1", 3, "$E_1"), ("", 3, "$9")]


def test_what_each_release_fills_in() -> None:
    assert "security_capabilites" in supplied("customize", (3, 17, 1))
    assert "security_capabilites" not in supplied("customize", (3, 17, 2))
    assert "remote_heartbeat_timeout_count" not in supplied("customize", (3, 31, 0))
    assert "template_dictionary" not in supplied("customize", (3, 33, 0))
    assert "job_arch" not in supplied("create", (3, 8, 7))
    assert "s3_host" not in VARIABLES


def test_states_are_named_where_not_all_are_meant() -> None:
    assert where(STATES) == ""
    assert where([state for state in STATES if not state.dkms]) == " (in jobs without DKMS)"
    assert where(STATES[:1]) == " (in some jobs)"
