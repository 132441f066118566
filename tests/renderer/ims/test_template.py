"""`kmodgate ims template`: the class and the annotation are put right, and no other byte is changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kmodgate.policy.ims.templates import XATTR
from kmodgate.renderer.ims.template_edits import UneditableError, edited, edits
from tests.command import run
from tests.draws import drawn
from tests.objects.ims_templates import (
    CUSTOMIZE,
    KIWI,
    SETTINGS,
    STYLES,
    as_blocks,
    as_json,
    config_maps,
    job_key,
    with_job,
)

CLASS = "      runtimeClassName: $runtime_class\n"
ANNOTATIONS = f'''      annotations:
        "{XATTR}": "[\\"-o\\", \\"xattr\\"]"
'''
COMMENT = "      # empty for jobs without DKMS and for remote ones, which makes it null: no quotes\n"
WANTED = f"""      annotations:
        {XATTR}: '["-o", "xattr"]'
"""


def live() -> dict[str, Any]:
    """A template as a live one has its annotations: in a block."""
    return with_job(config_maps()[CUSTOMIZE], ANNOTATIONS, WANTED)


def fixed(text: str, folder: Path, *options: str) -> str:
    (folder / "cm.yaml").write_text(text)
    done = run("ims", "template", "--fix", *options, "cm.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_right_is_printed_as_it_is(tmp_path: Path) -> None:
    for config_map in (*config_maps(), live()):
        for style in STYLES:
            assert fixed(style(config_map), tmp_path) == style(config_map)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (CLASS, ""),
        (COMMENT + CLASS, ""),
        (CLASS, "      #runtimeClassName: $runtime_class\n"),
        (CLASS, "#      runtimeClassName: $runtime_class\n"),
        (CLASS, '      runtimeClassName: "$runtime_class"\n'),
        (CLASS, "      runtimeClassName: kata-qemu\n"),
        (CLASS, "      runtimeClassName:\n"),
        (WANTED, ""),
        (WANTED, f"      annotations:\n        {XATTR}: -o,xattr\n"),
        (WANTED, "      annotations: {}\n"),
        (WANTED, "      annotations:\n"),
        (WANTED, "      annotations:\n        example.com/ä: 'x'\n"),
    ],
)
def test_the_class_and_the_annotation_are_put_right(style: Any, old: str, new: str, tmp_path: Path) -> None:
    broken = with_job(live(), old, new)
    result = fixed(style(broken), tmp_path)
    (value,) = yaml.safe_load(result).get("items", [yaml.safe_load(result)])
    template = yaml.safe_load(value["data"][job_key(value)])["spec"]["template"]
    assert template["spec"]["runtimeClassName"] == "$runtime_class"
    assert template["metadata"]["annotations"][XATTR] == '["-o", "xattr"]'
    assert fixed(result, tmp_path) == result
    assert {key: text for key, text in value["data"].items() if "_job_" not in key} == {
        key: text for key, text in broken["data"].items() if "_job_" not in key
    }


def test_only_the_lines_in_question_are_others(tmp_path: Path) -> None:
    text = as_blocks(
        with_job(with_job(live(), CLASS, "      # runtimeClassName: $runtime_class  # slow\n"), WANTED, "")
    )
    before, after = text.splitlines(), fixed(text, tmp_path).splitlines()
    assert [line.strip() for line in before if line not in after] == ["# runtimeClassName: $runtime_class  # slow"]
    assert [line for line in after if line not in before] == [
        "          annotations:",
        f'            {XATTR}: \'["-o", "xattr"]\'',
        "          runtimeClassName: $runtime_class  # slow",
    ]


def test_other_options_stay_and_get_the_syntax_of_the_runtime(tmp_path: Path) -> None:
    broken = with_job(live(), '["-o", "xattr"]', '["-o", "cache=auto"]')
    assert f'{XATTR}: \'["-o", "cache=auto", "-o", "xattr"]\'' in fixed(as_blocks(broken), tmp_path)
    assert f"{XATTR}: '-o,cache=auto,-o,xattr'" in fixed(as_blocks(broken), tmp_path, "--flavour", "rust")
    odd = with_job(live(), '["-o", "xattr"]', "[\"--tag=''x''\"]")
    assert f"{XATTR}: '[\"--tag=''x''\", \"-o\", \"xattr\"]'" in fixed(as_blocks(odd), tmp_path)
    native = with_job(live(), '["-o", "xattr"]', "--xattr")
    assert fixed(as_blocks(native), tmp_path, "--flavour", "rust") == as_blocks(native)


def test_line_endings_of_windows_stay(tmp_path: Path) -> None:
    (tmp_path / "cm.yaml").write_bytes(as_blocks(with_job(live(), CLASS, "")).replace("\n", "\r\n").encode())
    done = run("ims", "template", "--fix", "cm.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\r\n") == done.stdout.count("\n")


def test_a_file_of_the_chart_keeps_its_actions(tmp_path: Path) -> None:
    text = as_blocks(with_job(live(), CLASS, "")).replace(SETTINGS.utils_image, "{{ .Values.utils }}:{{ .Values.tag }}")
    text = "{{/*\nA comment\n*/}}\n" + text.replace("namespace: services", "namespace: {{ .Values.namespace }}")
    result = fixed(text, tmp_path)
    assert [line for line in result.splitlines() if line not in text] == ["          runtimeClassName: $runtime_class"]
    assert result.count("{{") == text.count("{{")


def test_without_fix_it_tells_what_is_wrong_and_where(tmp_path: Path) -> None:
    text = as_blocks(with_job(live(), CLASS, "      # runtimeClassName: $runtime_class\n"))
    (tmp_path / "cm.yaml").write_text(text)
    done = run("ims", "template", "cm.yaml", cwd=tmp_path)
    line = text.splitlines().index("          # runtimeClassName: $runtime_class") + 1
    assert done.returncode == 1
    assert done.stdout.startswith(f"cm.yaml:{line}:1: error[IMS204] ConfigMap services/cray-configmap-ims")
    (tmp_path / "cm.yaml").write_text(as_blocks(live()))
    assert run("ims", "template", "cm.yaml", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no ConfigMap with job templates"),
        ("<html><body>login</body></html>", "HTML"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ims-config}\n", "no ConfigMap with job templates"),
        (as_blocks({**live(), "data": {"x": "y"}}), "image_job_customize.yaml.template is missing"),
        (as_blocks(with_job(live(), CLASS, "\t\tx: [\n")), "no YAML"),
        (as_blocks(with_job(live(), "      annotations:\n", "      labels: {}\n      annotations:\n")), "stands twice"),
        (as_blocks(live()).replace(".template: |", ".template: >"), "no YAML"),
        (as_json(live()).replace('"kind": "ConfigMap"', '"kind": 5'), "not a Kubernetes object"),
        (as_blocks({**live(), "data": {job_key(live()): "- a\n- b"}}), "is no Job"),
        (as_blocks({**live(), "data": {job_key(live()): "spec: {template: {spec: {containers: []}}}"}}), "on lines of"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_printed(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "cm.yaml").write_text(text)
    done = run("ims", "template", "--fix", "cm.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr


def test_stdin_is_read_and_named(tmp_path: Path) -> None:
    text = as_blocks(with_job(live(), CLASS, ""))
    done = run("ims", "template", "-", cwd=tmp_path, stdin=text)
    assert done.stdout.startswith("<stdin>:")
    assert run("ims", "template", "--fix", "-", cwd=tmp_path, stdin=text).stdout.count("runtimeClassName:") == 1


def test_a_file_that_is_missing_or_two_for_fix(tmp_path: Path) -> None:
    assert run("ims", "template", "none.yaml", cwd=tmp_path).returncode == 2
    assert "one by one" in run("ims", "template", "--fix", "a", "b", cwd=tmp_path).stderr


_JOB = config_maps()[KIWI]["data"][job_key(config_maps()[KIWI])]


@settings(max_examples=drawn(40))
@given(data=st.data(), flavour=st.sampled_from(["go", "rust"]))
def test_any_template_is_put_right_once_and_for_all_or_refused(data: st.DataObject, flavour: Any) -> None:
    text = mutated(_JOB, data.draw)
    try:
        result = edited(text, found := edits(text, flavour))
    except UneditableError:
        return
    assert edits(result, flavour) == []
    kept = result.split("\n")
    touched = {edit.line for edit in found if edit.replaces}
    assert all(line in kept for number, line in enumerate(text.split("\n")) if number not in touched)


def mutated(text: str, draw: Callable[..., Any]) -> str:
    """A text with a few of its lines gone, doubled, moved, indented or replaced."""
    lines = text.split("\n")
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(lines) - 1))
        action = draw(st.sampled_from(["drop", "double", "indent", "replace", "swap"]))
        if action == "drop":
            del lines[place]
        elif action == "double":
            lines.insert(place, lines[place])
        elif action == "indent":
            lines[place] = " " * draw(st.integers(0, 8)) + lines[place].lstrip()
        elif action == "replace":
            lines[place] = draw(
                st.sampled_from(["", "$", "$(x)", "a: $b", "- x", "\tx", "&a [*a]", "{{ x", "? !!set", "---"])
            )
        else:
            other = draw(st.integers(0, len(lines) - 1))
            lines[place], lines[other] = lines[other], lines[place]
    return "\n".join(lines)


def test_findings_stand_in_the_order_of_lines_with_the_severity_of_check(tmp_path: Path) -> None:
    broken = with_job(with_job(live(), CLASS, "      # runtimeClassName: $runtime_class\n"), WANTED, "")
    (tmp_path / "cm.yaml").write_text(as_blocks(broken))
    lines = [line for line in run("ims", "template", "cm.yaml", cwd=tmp_path).stdout.splitlines() if "fix:" not in line]
    assert [line.split(": ")[1].partition(" ")[0] for line in lines] == ["warning[IMS205]", "error[IMS204]"]
    assert [int(line.split(":")[1]) for line in lines] == sorted(int(line.split(":")[1]) for line in lines)


def test_what_fix_leaves_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "cm.yaml").write_text(as_blocks(with_job(live(), CLASS, CLASS + "      # $(nproc)\n")))
    assert "1 finding left" in run("ims", "template", "--fix", "cm.yaml", cwd=tmp_path).stderr
    (tmp_path / "cm.yaml").write_text(as_blocks(live()))
    assert "left" not in run("ims", "template", "--fix", "cm.yaml", cwd=tmp_path).stderr
