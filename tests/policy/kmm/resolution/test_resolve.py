"""What KMM would do with a Module on a kernel, held against the verdicts of KMM itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kmodgate.policy.formats.regexps.go_regexps import BadPattern, Pattern, TooLarge, compile_any, compile_pattern
from kmodgate.policy.kmm.kernel import dns_safe, normalised
from kmodgate.policy.kmm.resolution.resolution_json import as_json
from kmodgate.policy.kmm.resolution.resolve import Unresolved, resolve
from kmodgate.policy.kmm.resolution.substitution import BadTemplate, substitute
from tests import oracle
from tests.command import Finished, run
from tests.fleets import REPOSITORY

EL9 = "5.14.0-427.13.1.el9_4.x86_64"


@pytest.mark.shared
def test_kernel_mappings_resolve_as_kmm_resolves_them() -> None:
    for case in oracle.lines("kernel-mappings"):
        try:
            answer: dict[str, Any] = {"resolved": as_json(resolve(case["module"], case["kernel"]))}
        except Unresolved as error:
            answer = {"failed": str(error)}
        assert answer == {key: case[key] for key in ("resolved", "failed") if key in case}, case["id"]


@pytest.mark.shared
def test_regular_expressions_compile_and_match_as_in_go() -> None:
    for case in oracle.lines("regexps"):
        pattern, bounded = compile_any(case["regexp"]), compile_pattern(case["regexp"])
        assert isinstance(pattern, BadPattern) == ("error" in case), case["regexp"]
        assert isinstance(bounded, TooLarge) or type(bounded) is type(pattern)
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


@pytest.mark.parametrize("regexp", [r"^(?:\pL{10}){30}$", r"\pL{900}", r"^.{1000}$"])
def test_an_expression_that_is_large_is_compiled_only_where_it_is_ones_own(regexp: str) -> None:
    assert compile_pattern(regexp) == TooLarge()
    assert isinstance(compile_any(regexp), Pattern)


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


def plugin_only(name: str, **spec: object) -> dict[str, object]:
    value = {"apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": "Module", "metadata": {"name": name, "namespace": "n"}}
    return {**value, "spec": {"selector": {"a": "b"}, **spec}}


PLUGIN = {"devicePlugin": {"container": {"image": "registry.example.com/p:1"}}}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "spec", [PLUGIN, {}, {"dra": {"driverName": "d.example.com", "container": {"image": "a/b:1"}}}]
)
def test_a_module_without_a_loader_is_said_to_load_nothing(
    tmp_path: Path, spec: dict[str, object], first: bool
) -> None:
    loader = module(kernelMappings=[{"regexp": ".", "containerImage": "a:1"}])
    items = [plugin_only("plugin", **spec), {**loader, "metadata": {"name": "nic", "namespace": "n"}}]
    dump = {"apiVersion": "v1", "kind": "List", "items": items if first else items[::-1]}
    (tmp_path / "dump.json").write_text(json.dumps(dump))
    (tmp_path / "nodes.json").write_text(json.dumps({"items": [node("worker")]}))
    for question in (["--kernel", EL9], ["--nodes", "nodes.json"]):
        text = run("resolve", "dump.json", *question, cwd=tmp_path)
        assert (text.returncode, "a:1" in text.stdout) == (0, True)
        assert "it has no moduleLoader and loads nothing" in text.stdout
        rows = json.loads(run("resolve", "dump.json", *question, "--format", "json", cwd=tmp_path).stdout)
        (said,) = [row for row in rows if row["module"] == "n/plugin"]
        assert "it has no moduleLoader" in (said.get("failed") or said["reason"])


def test_a_module_that_kmm_would_not_accept_is_an_error_after_the_answers(tmp_path: Path) -> None:
    loader = module(kernelMappings=[{"regexp": ".", "containerImage": "a:1"}])
    broken = {**loader, "metadata": {"name": "broken", "namespace": "n"}, "spec": {"selector": 1}}
    (tmp_path / "dump.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [broken, loader]}))
    result = run("resolve", "dump.json", "--kernel", EL9, cwd=tmp_path)
    assert (result.returncode, "a:1" in result.stdout, "n/broken is not valid" in result.stderr) == (2, True, True)


def _resolve(arguments: list[str], text: str, folder: Path) -> Finished:
    return run("resolve", *arguments, cwd=folder, stdin=text)


def node(
    name: str, *, taints: list[dict[str, str]] | None = None, kernel: str = EL9, **labels: str
) -> dict[str, object]:
    found = {"node-role.kubernetes.io/worker": "", **{key.replace("_", "-"): value for key, value in labels.items()}}
    info = {"kernelVersion": kernel} if kernel else {}
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": found},
        "spec": {"taints": taints or []},
        "status": {"nodeInfo": info},
    }


VERSION_LABEL = "kmm.node.kubernetes.io/version-module.n.m"


def write_nodes(folder: Path) -> None:
    """Write `nodes.json`: nodes that KMM loads on, and nodes that it passes over for one reason each."""
    taint = {"key": "example.com/a", "value": "b", "effect": "NoSchedule"}
    nodes = [
        node("good"),
        node("plus", kernel=f"{EL9}+"),
        node("cordoned", taints=[{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]),
        node("pressed", taints=[{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}]),
        node("preferred", taints=[{**taint, "effect": "PreferNoSchedule"}]),
        node("tolerated", taints=[taint]),
        node("other", taints=[{**taint, "value": "c"}]),
        node("old", kernel="4.18.0"),
        node("unknown", kernel=""),
    ]
    nodes[0]["metadata"]["labels"][VERSION_LABEL] = "1"  # type: ignore[index]
    nodes.append({**node("control-plane"), "metadata": {"name": "control-plane", "labels": {}}})
    (folder / "nodes.json").write_text(json.dumps({"items": nodes}))


def resolved_on_nodes(folder: Path, *arguments: str, **container: Any) -> str:
    """The output of `resolve` for a Module that selects workers and tolerates one taint, on the nodes of the folder."""
    value = module(kernelMappings=[{"literal": EL9, "containerImage": "a:1"}])
    value["metadata"] = {"name": "m", "namespace": "n"}
    value["spec"]["selector"] = {"node-role.kubernetes.io/worker": ""}
    value["spec"]["tolerations"] = [{"key": "example.com/a", "value": "b"}]
    value["spec"]["moduleLoader"]["container"] |= container
    (folder / "module.json").write_text(json.dumps(value))
    result = run("resolve", "module.json", "--nodes", "nodes.json", *arguments, cwd=folder)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_each_node_is_told_what_it_loads_or_why_nothing(tmp_path: Path) -> None:
    write_nodes(tmp_path)
    lines = resolved_on_nodes(tmp_path).splitlines()
    told = {line.split()[1]: line.split(maxsplit=2)[2] for line in lines}
    loading = {name for name, text in told.items() if text == "mapping 0: a:1"}
    assert loading == {"good", "plus", "pressed", "preferred", "tolerated"}
    assert told["cordoned"] == "no: taint node.kubernetes.io/unschedulable=:NoSchedule is not tolerated"
    assert told["other"] == "no: taint example.com/a=c:NoSchedule is not tolerated"
    assert told["control-plane"] == "no: selector node-role.kubernetes.io/worker=: the node has no such label"
    assert "kernel mapping not found" in told["old"]
    assert "not known" in told["unknown"]


def test_a_module_with_a_version_loads_on_nodes_with_its_label_only(tmp_path: Path) -> None:
    write_nodes(tmp_path)
    answers = json.loads(resolved_on_nodes(tmp_path, "--format", "json", version="1"))
    assert [item["node"] for item in answers if item["loads"]] == ["good"]
    assert VERSION_LABEL in next(item["reason"] for item in answers if item["node"] == "plus")


def test_labels_and_the_image_between_build_and_sign_are_told(tmp_path: Path) -> None:
    path = REPOSITORY / "tests/cases/sno-simple-kmod/sno-1/simple-kmod/module-simple-kmod.yaml"
    (answer,) = json.loads(run("resolve", str(path), "--kernel", EL9, "--format", "json", cwd=tmp_path).stdout)
    space = yaml.safe_load(path.read_text())["metadata"]["namespace"]
    assert answer["labels"] == {f"kmm.node.kubernetes.io/{space}.simple-kmod.ready": ""}
    assert answer["intermediateImage"] == f"{answer['resolved']['containerImage']}_{space}_simple-kmod_kmm_unsigned"


@pytest.mark.parametrize("arguments", [["--nodes", "x", "--kernel", "a"], [], ["--nodes", "missing.json"]])
def test_kernels_and_nodes_exclude_each_other(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "m.json").write_text(json.dumps(module(kernelMappings=[{"literal": "k", "containerImage": "a:1"}])))
    assert run("resolve", "m.json", *arguments, cwd=tmp_path).returncode == 2
