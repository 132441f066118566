"""GIT201 in a text of templates: it names the line, sees both branches of a condition, and tells what it cannot read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.review import Review
from kmodgate.policy.rules.commits.plain_secrets import plain_secret

SECRET = "- objectDefinition: {apiVersion: v1, kind: Secret, stringData: {key: hunter2}}\n"
READ = '{{ fromSecret "a" "b" "c" }}'


def found(text: str) -> list[Problem]:
    policy = {
        "apiVersion": "policy.open-cluster-management.io/v1",
        "kind": "ConfigurationPolicy",
        "metadata": {"name": "nic"},
        "spec": {"object-templates-raw": text},
    }
    problems = list(plain_secret(replace(Review(policy), in_tree=True)))
    assert all(problem.path == ("spec", "object-templates-raw") for problem in problems)
    return problems


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("", 1),
        ("{{- if true }}\n", 2),
        ("{{/* see {x}\n  and }} */}}\n", 3),
        ('{{ print "{" }}\n', 2),
        ("{{ range (list 1 2) }}", 1),
        ('{{- $a := printf "}}\\"" -}}\n{{ $b := `"{{` }}\n', 3),
    ],
)
def test_the_line_of_the_text_is_named_whatever_templates_are_before_it(before: str, line: int) -> None:
    assert [problem.line for problem in found(before + SECRET + "{{ end }}\n")] == [line]


@pytest.mark.parametrize(("one", "other"), [("hunter2", READ), (READ, "hunter2"), ("hunter2", "hunter3")])
def test_a_value_in_either_branch_of_a_condition_is_found(one: str, other: str) -> None:
    text = f"""\
- objectDefinition:
    apiVersion: v1
    kind: Secret
    stringData:
      {{{{- if .x }}}}
      key: {one}
      {{{{- else }}}}
      key: {other}
      {{{{- end }}}}
"""
    assert [problem.line for problem in found(text)] == [4]
    assert not found(text.replace("hunter2", READ).replace("hunter3", READ))


def test_a_text_that_cannot_be_read_is_told_where_it_may_hold_a_secret() -> None:
    text = "- a: {{ if .x }} key: 1 {{ else }} key: 2 {{ end }}\n"
    (problem,) = found(SECRET.replace("- obj", "- kind: x\n  obj") + text)
    assert (problem.message[:11], problem.severity, problem.line) == ("not checked", Severity.INFO, 3)
    assert not found(text)
