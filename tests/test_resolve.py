"""What KMM would do with a Module on a kernel, held against the verdicts of KMM itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from policy.kmm.answers import as_json
from policy.kmm.kernel import dns_safe, normalised
from policy.kmm.resolve import Unresolved, resolve
from policy.kmm.substitution import BadTemplate, substitute
from policy.patterns import BadPattern, Pattern, compile_pattern
from tests import oracle
from tests.fleets import REPOSITORY, run

EL9 = "5.14.0-427.13.1.el9_4.x86_64"


def test_kernel_mappings_resolve_as_kmm_resolves_them() -> None:
    for case in oracle.lines("kernel-mappings"):
        try:
            answer: dict[str, Any] = {"resolved": as_json(resolve(case["module"], case["kernel"]))}
        except Unresolved as error:
            answer = {"failed": str(error)}
        assert answer == {key: case[key] for key in ("resolved", "failed") if key in case}, case["id"]


def test_regular_expressions_compile_and_match_as_in_go() -> None:
    for case in oracle.lines("regexps"):
        pattern = compile_pattern(case["regexp"])
        assert isinstance(pattern, BadPattern) == ("error" in case), case["regexp"]
        if isinstance(pattern, Pattern):
            assert [pattern.searches(text) for text in case["texts"]] == case["match"], case["regexp"]


@pytest.mark.parametrize(
    ("regexp", "matches"),
    [
        ("4.18", "5.4.180"), (r"^\d+$", "12"), (r"\Q5.14\E", "5.14"), (r"\Qa\C\E", "a\\C"), (r"\\C", "\\C"), (r"(?i)EL9", "el9"),
        (r"(?P<a>x)", "x"), (r"(?<a>x)", "x"), (r"\z", ""), (r"\pL", "é"), (r"a{,3}", "a{,3}"), (r"[[:alpha:]]", "q"),
    ],
)  # fmt: skip
def test_go_syntax_is_accepted_and_searched_for(regexp: str, matches: str) -> None:
    pattern = compile_pattern(regexp)
    assert isinstance(pattern, Pattern)
    assert pattern.searches(matches)


@pytest.mark.parametrize(
    "regexp", [r"\C", r"\\\C", r"(?=a)", r"\1", r"a++", r"(?>a)", r"a{1001}", r"\Z", r"*a", "(", "\ud800"]
)
def test_what_go_refuses_is_refused(regexp: str) -> None:
    assert isinstance(compile_pattern(regexp), BadPattern)


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("$A-${A}", "x-x"), ("$Ab", ""), ("${MISSING}", ""), ("$$A", "$A"), ("$", "$"), ("a$-b", "a$-b"), ("$_", "$_"), ("$1", ""),
        ("${A:-d}", "x"), ("${E:-d}", "d"), ("${E-d}", ""), ("${M-d}", "d"), ("${M:=d}", "d"), ("${M=d}", "d"), ("${A:+y}", "y"),
        ("${M+y}", ""), ("${E+y}", "y"), ("${M:-$A}", "x"), ("${A/a/b}", "x"), ("${#A}", ""), ("${}", "${}"), ("${A}}", "x}"),
    ],
)  # fmt: skip
def test_templates_are_filled_as_kmm_fills_them(template: str, result: str) -> None:
    assert substitute(template, {"A": "x", "E": ""}) == result


@pytest.mark.parametrize("template", ["${A", "${", "${A:-b", "${A\n}"])
def test_a_brace_that_is_not_closed_is_an_error(template: str) -> None:
    with pytest.raises(BadTemplate, match="closing brace expected"):
        substitute(template, {"A": "x"})


def test_kernel_versions_are_written_as_tags_and_names() -> None:
    assert normalised("6.12.0-55.el10.x86_64+rt") == "6.12.0-55.el10.x86_64_rt"
    assert dns_safe("-6.12.0_55.EL10+") == "6-12-0-55-el10"


def module(**container: Any) -> dict[str, Any]:
    common = {"modprobe": {"moduleName": "m"}, "containerImage": "a:${KERNEL_XYZ}"}
    return {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {"name": "nic", "namespace": "net"},
        "spec": {"selector": {}, "moduleLoader": {"container": {**common, **container}}},
    }


def test_the_first_mapping_that_matches_wins_and_the_others_say_why_they_lose(tmp_path: Path) -> None:
    mappings = [
        {"literal": "5.14", "containerImage": ""},
        {"regexp": "el8", "containerImage": ""},
        {"regexp": "el9", "containerImage": "own:${MOD_NAME}"},
        {"regexp": ".*", "containerImage": ""},
    ]
    (tmp_path / "m.json").write_text(json.dumps(module(kernelMappings=mappings)))
    result = run("resolve", "m.json", "--kernel", f"{EL9}+", "--format", "json", cwd=tmp_path)
    (answer,) = json.loads(result.stdout)
    assert (answer["kernel"], answer["mapping"], answer["resolved"]["containerImage"]) == (EL9, 2, "own:nic")
    assert answer["lost"] == ["mapping 0: literal 5.14 is another kernel", "mapping 1: regexp el8 does not match"]


def test_rendered_modules_and_lists_from_stdin_are_read(tmp_path: Path) -> None:
    path = REPOSITORY / "tests/cases/edge-fleet/paris/ice/module-ice.yaml"
    result = run("resolve", str(path), "--kernel", EL9, "--kernel", "6.1.0", cwd=tmp_path)
    assert result.returncode == 0
    assert "mapping 0: registry.example.com/network/ice:" in result.stdout
    assert "failed: failed to find mapping for kernel 6.1.0: kernel mapping not found" in result.stdout
    listing = json.dumps(
        {"kind": "List", "items": [module(kernelMappings=[{"literal": "k", "containerImage": ""}])] * 2}
    )
    piped = _resolve(["-", "--kernel", "1.2.3", "--format", "yaml"], listing, tmp_path)
    assert piped.stdout.count("kernel mapping not found") == 2


def test_batches_answer_line_by_line_and_go_on_after_a_bad_one(tmp_path: Path) -> None:
    good = {"id": 1, "module": module(kernelMappings=[{"regexp": ".", "containerImage": ""}]), "kernel": "1.2.3+"}
    questions = [
        good,
        {"id": 2, "module": {}, "kernel": "x"},
        {"id": 3},
        {**good, "id": 4, "kernel": 5},
        {**good, "id": 5},
    ]
    text = "\n".join([*map(json.dumps, questions[:3]), "{", "[]", *map(json.dumps, questions[3:])])
    lines = [json.loads(line) for line in _resolve(["--jsonl"], text, tmp_path).stdout.splitlines()]
    assert [line["id"] for line in lines] == [1, 2, 3, None, None, 4, 5]
    assert lines[0]["resolved"]["kernelNormalizedVersion"] == "1.2.3_"
    assert all("failed" in line for line in lines[1:6])


@pytest.mark.parametrize(
    "arguments", [[], ["nothing.yaml", "--kernel", "x"], ["kind.yaml", "--kernel", "x"], ["bad.yaml", "--kernel", "x"]]
)
def test_unusable_questions_say_what_is_wrong(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "kind.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    (tmp_path / "bad.yaml").write_text("kind: Module\nmetadata: {name: a}\nspec: {}\n")
    result = run("resolve", *arguments, cwd=tmp_path)
    assert (result.returncode, "fix: " in result.stderr, "Traceback" in result.stderr) == (2, True, False)


def _resolve(arguments: list[str], text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "renderer.start", "resolve", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, input=text, capture_output=True, text=True, cwd=folder, env=environment, check=False)
