"""Files of other tools: passed over and counted, where a broken object of ours is still an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fleets import FleetFolder
from tests.renderer.checking import BAD, break_driver, check, findings

FOREIGN = {
    "values.yaml": "image: {tag: a}\nextra:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: yes}\n",
    "list.yaml": "- apiVersion: v1\n  kind: Secret\n",
    "Chart.yaml": "apiVersion: v2\nname: a\nversion: 0.1.0\n",
    "kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a]\n",
    "anchors.yaml": "apiVersion: x.example.com/v1\nkind: Widget\na: &a {b: 1}\nc: *a\n",
    "alerts.yaml": 'groups:\n- rules:\n  - annotations: {summary: "{{ $labels.apiVersion }}"}\n',
    "schema.json": json.dumps({"properties": {"apiVersion": {"const": "v1"}, "kind": {"const": "Module"}}}),
    "panel.json": json.dumps({"annotations": {"list": [{"apiVersion": "v1", "kind": "Pod", "x": 1}]}}),
    "array.json": json.dumps([{"apiVersion": "v1", "kind": "Pod"}]),
    "comments.json": '{\n  // "apiVersion": for an editor\n  "a": {"apiVersion": "v1", "kind": "Pod"}\n}\n',
    "template.yaml": "{{- if .Values.on }}\napiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Values.name }}}\n{{- end }}\n",
    "quoted.yaml": 'apiVersion: v1\nkind: Namespace\nmetadata: {name: "{{ .Values.namespace }}"}\n',
    "jinja.yaml": "{% for n in names %}\napiVersion: v1\nkind: Secret\nmetadata: {name: {{ n }}}\n{% endfor %}\n",
    "latin.yaml": b"apiVersion: example.com/v1\nkind: Caf\xe9\n",
}

OURS = {
    "bad.yaml": (BAD, "KMM203"),
    "list.yaml": ("apiVersion: v1\nkind: List\nitems:\n- " + BAD.replace("\n", "\n  "), "KMM203"),
    "open.yaml": ("apiVersion: v1\nkind: Secret\nmetadata: {name: a\n", "SCH002"),
    "conflict.yaml": ("<<<<<<< ours\n" + BAD + "=======\n>>>>>>> theirs\n", "SCH002"),
    "broken-list.yaml": ("apiVersion: v1\nkind: List\nitems: [\n", "SCH002"),
    "second.yaml": ("a: 1\n---\n" + BAD, "SCH102"),
    "alias.yaml": ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: &n a}\ndata: {b: *n}\n", "SCH004"),
    "twice.json": ('{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "name": "b"}}', "SCH003"),
    "open.json": ('{"metadata": {"kind": "x"}, "kind": "Node", "apiVersion": "v1", "spec": ', "SCH002"),
    "latin.yaml": (b"apiVersion: v1\nkind: Secret\nmetadata: {name: caf\xe9}\n", "SCH001"),
    "spelling.yaml": ("apiVersion: kmm.sigs.x-k8s.io/v1beta1\nkind: module\nmetadata: {name: a}\n", "SCH108"),
    "text.yaml": (BAD.replace("metadata:", 'metadata:\n  annotations: {a: "{{ text }}"}', 1), "KMM203"),
}


def write(folder: Path, name: str, text: str | bytes) -> None:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("path", ["--ignore-other {}", "."])
def test_files_of_other_tools_are_passed_over(tmp_path: Path, name: str, path: str) -> None:
    write(tmp_path, name, FOREIGN[name])
    result = check(tmp_path, *path.format(name).split())
    assert (result.stdout, result.returncode) == ("", 0)
    assert result.stderr == "0 objects checked, 1 file passed over: 0 errors, 0 warnings\n"


@pytest.mark.parametrize("name", OURS)
def test_an_object_of_a_kind_with_rules_is_judged_and_its_mistakes_are_errors(tmp_path: Path, name: str) -> None:
    text, rule = OURS[name]
    write(tmp_path, name, text)
    report = findings(check(tmp_path, "--ignore-other", name, "--format", "json"))
    assert rule in {item["rule"] for item in report if item["mode"] == "enforce"}


def test_what_is_passed_over_is_counted_beside_what_is_checked(tmp_path: Path) -> None:
    for name in ("values.yaml", "schema.json"):
        write(tmp_path, name, FOREIGN[name])
    write(tmp_path, "bad.yaml", BAD)
    result = check(tmp_path, "--ignore-other", "values.yaml", "./values.yaml", "schema.json", "bad.yaml")
    assert result.stderr == "1 object checked, 2 files passed over: 2 errors, 0 warnings\n"


def test_a_file_that_is_named_alone_is_no_file_of_others(tmp_path: Path) -> None:
    write(tmp_path, "schema.json", FOREIGN["schema.json"])
    assert "error[SCH102] not a Kubernetes object" in check(tmp_path, "schema.json").stdout


@pytest.mark.parametrize("text", ['data: {a: "{{ .Values.a }}"}\n', "stringData:\n  a: |\n    {{- .Values.a }}\n"])
def test_in_a_chart_a_brace_in_data_makes_a_template(tmp_path: Path, text: str) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n" + text
    (tmp_path / "chart/templates").mkdir(parents=True)
    write(tmp_path, "secret.yaml", secret)
    write(tmp_path, "chart/templates/secret.yaml", secret)
    write(tmp_path, "chart/Chart.yaml", FOREIGN["Chart.yaml"])
    assert check(tmp_path, "secret.yaml", "--ignore-other").stderr.startswith("1 object checked: ")
    assert check(tmp_path, "chart").stderr.startswith("0 objects checked, 2 files passed over: ")


def test_a_rendered_object_without_rules_of_its_own_is_checked(fleet: FleetFolder) -> None:
    fleet.render()
    account = next((fleet.root / "rendered").rglob("serviceaccount-*.yaml"))
    assert fleet.run("check", "--ignore-other", str(account)).stderr.startswith("1 object checked: ")


def test_no_spec_is_looked_for_in_a_chart(fleet: FleetFolder) -> None:
    fleet.write("charts/a/Chart.yaml", FOREIGN["Chart.yaml"])
    fleet.write("charts/a/values.yaml", "# nothing\n")
    fleet.write("charts/a/templates/driver.yaml", "kind: KernelDriver\nmetadata: {name: {{ .Values.name }}}\n")
    fleet.render()
    assert fleet.run("check").returncode == 0


# --- Dockerfiles ---


def dockerfiles(fleet: FleetFolder) -> None:
    fleet.write("images/Dockerfile", "FROM scratch\n")
    fleet.write("images/arm.Dockerfile", "FROM scratch\n")
    fleet.write("images/other.Dockerfile", "FROM scratch\n")
    override = "overrides:\n- {clusters: {names: [paris]}, patch: {build: {dockerfile: ../images/arm.Dockerfile}}}"
    fleet.driver("nic", f"build: {{dockerfile: ../images/Dockerfile}}\n{override}")
    break_driver(fleet, "nic")


@pytest.mark.parametrize("name", ["images/Dockerfile", "images/arm.Dockerfile"])
def test_a_dockerfile_means_the_specs_that_name_it(fleet: FleetFolder, name: str) -> None:
    dockerfiles(fleet)
    for folder, argument in ((fleet.root, name), (fleet.root.parent, f"fleet/{name}")):
        report = findings(check(folder, "--ignore-other", argument, "--format", "json"))
        refused = {(item["rule"], item["file"]) for item in report if item["mode"] == "enforce"}
        assert refused == {("KMM203", argument.replace(name, "drivers/nic.yaml"))}


def test_a_dockerfile_that_no_spec_names_is_passed_over(fleet: FleetFolder) -> None:
    dockerfiles(fleet)
    result = fleet.run("check", "--ignore-other", "images/other.Dockerfile")
    assert (result.returncode, result.stdout) == (0, "")
    assert "1 file passed over" in result.stderr
