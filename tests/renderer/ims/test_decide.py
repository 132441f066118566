"""`kmodgate ims decide`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kmodgate.policy.ims.questions.question import Question
from kmodgate.policy.ims.versions import ims_release
from tests.command import run
from tests.draws import drawn

CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: ims-config, namespace: services}
data:
  JOB_ENABLE_DKMS: "true"
  JOB_KATA_RUNTIME: "kata-qemu"
"""


def decide(folder: Path, *arguments: str, config: str = CONFIG, stdin: str = ""):
    (folder / "cm.yaml").write_text(config)
    return run("ims", "decide", "--config", "cm.yaml", *arguments, cwd=folder, stdin=stdin)


@pytest.mark.parametrize(
    ("arguments", "first", "code"),
    [
        ("--csm 1.5.2 --type create --recipe-dkms false", "VM", 0),
        ("--csm 1.6.0 --type create --recipe-dkms false", "WORKER, PRIVILEGED", 1),
        ("--ims-version 3.20.0 --type create", "VM", 0),
        ("--csm 1.6.0 --type customize --remote", "REMOTE", 0),
        ("--csm 1.5.0 --type customize --request-dkms false", "WORKER", 1),
        ("--csm 1.4.0 --type customize --request-dkms false", "NO JOB: THE REQUEST IS REFUSED", 1),
        ("--csm 1.6.0 --type create --arch aarch64 --request-dkms false", "VM", 0),
    ],
)
def test_first_line_says_where_the_job_runs(tmp_path, arguments, first, code):
    result = decide(tmp_path, *arguments.split())
    assert (result.stdout.splitlines()[0], result.returncode, result.stderr) == (first, code, "")


def test_answer_names_containers_sources_and_the_smallest_change(tmp_path):
    said = decide(tmp_path, *"--csm 1.6.0 --type create --recipe-dkms false".split()).stdout
    assert "privileged on the worker, outside any VM: build-image" in said
    assert "decided by: recipe (require_dkms)" in said
    assert "not asked: ims-config (JOB_ENABLE_DKMS)" in said
    assert "cray ims recipes update --require-dkms true" in said


@pytest.mark.parametrize(
    ("arguments", "config", "change"),
    [
        ("--csm 1.6.0 --type customize", "JOB_ENABLE_DKMS: 'yes'", "ims_require_dkms: true"),
        ("--csm 1.6.0 --type customize --arch aarch64", "JOB_AARCH64_RUNTIME: ''", "JOB_AARCH64_RUNTIME"),
        ("--csm 1.4.0 --type create", "JOB_ENABLE_DKMS: 'false'", "JOB_ENABLE_DKMS"),
        ("--csm 1.6.0 --type create", "S3_READ_TIMEOUT: 60s", "correct S3_READ_TIMEOUT"),
        ("--csm 1.4.0 --type create --request-dkms true", "JOB_ENABLE_DKMS: 'true'", "leave require_dkms out"),
        ("--csm 1.6.0 --type create --request-dkms false", "JOB_ENABLE_DKMS: 'true'", "let the recipe decide"),
        ("--csm 1.6.0 --type create --remote", "JOB_ENABLE_DKMS: 'true'", "remote-build-nodes delete"),
    ],
)
def test_smallest_change(tmp_path, arguments, config, change):
    said = decide(tmp_path, *arguments.split(), config=config + "\n").stdout
    assert change in said.partition("smallest change into Kata:")[2]


def test_without_a_config_the_values_of_the_chart_are_taken_and_said(tmp_path):
    result = run("ims", "decide", "--csm", "1.5.2", "--type", "create", cwd=tmp_path)
    assert result.returncode == 1
    assert "values of the chart of CSM 1.5.2" in result.stdout


@pytest.mark.parametrize("flag", ["true", "false", "null"])
@pytest.mark.parametrize("names", [("special_parameters", "ims_require_dkms"), ("specialParameters", "imsRequireDkms")])
def test_cfs_sends_true_or_nothing(tmp_path, flag, names):
    layer = f'{{"name": "gpu", "{names[0]}": {{"{names[1]}": {flag}}}}}'
    (tmp_path / "cfs.json").write_text(f'{{"name": "compute", "layers": [{{"name": "a"}}, {layer}]}}')
    config = CONFIG.replace('"true"', '"false"')
    result = decide(tmp_path, "--csm", "1.6.0", "--cfs", "cfs.json", config=config)
    assert result.returncode == (0 if flag == "true" else 1)


@pytest.mark.parametrize(
    "arguments",
    [
        "--type create",
        "--csm 1.6.0",
        "--csm 1.7.0 --type create",
        "--ims-version 3.7.2 --type create",
        "--csm 1.6.0 --ims-version 3.20.0 --type create",
        "--csm 1.6.0 --type customize --recipe-dkms true",
        "--csm 1.5.0 --type create --remote",
        "--csm 1.4.0 --type create --recipe-dkms true",
        "--csm 1.4.0 --type create --arch aarch64",
        "--csm 1.6.0 --type create --cfs cm.yaml",
        "--csm 1.6.0 --cfs cm.yaml",
        "--csm 1.6.0 --type build",
        "--jsonl",
    ],
)
def test_unusable_arguments(tmp_path, arguments):
    result = decide(tmp_path, *arguments.split())
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("config", "place"),
    [
        (CONFIG.replace("ims-config", "other"), "no ConfigMap ims-config"),
        (CONFIG.replace('"true"', "true"), "cm.yaml:5:"),
        (CONFIG.replace('"true"', "1"), 'JOB_ENABLE_DKMS: "1"'),
        ("<html><body>login</body></html>", "cm.yaml:1:1: error[SCH002]"),
        ("", "no ConfigMap ims-config"),
        (f"{CONFIG}---\n{CONFIG}", "2 ConfigMaps ims-config"),
        ("kind: ConfigMap\nmetadata: {name: ims-config}\ndata: [1]\n", "cm.yaml"),
    ],
)
def test_unusable_config_is_named_with_its_place(tmp_path, config, place):
    result = decide(tmp_path, "--csm", "1.6.0", "--type", "create", config=config)
    assert result.returncode == 2
    assert place in result.stderr
    assert "fix: " in result.stderr


def test_null_is_empty_as_the_api_server_stores_it(tmp_path):
    arguments = "--csm 1.6.0 --type customize --arch aarch64".split()
    result = decide(tmp_path, *arguments, config="JOB_ENABLE_DKMS:\nJOB_AARCH64_RUNTIME: ~\n")
    assert (result.stdout.splitlines()[0], result.returncode) == ("WORKER, PRIVILEGED", 1)


def test_config_of_another_namespace_is_told_and_that_of_the_service_counts(tmp_path):
    other = CONFIG.replace("services", "default")
    arguments = "--csm 1.6.0 --type customize".split()
    assert "it is in namespace default" in decide(tmp_path, *arguments, config=other).stdout
    both = decide(tmp_path, *arguments, config=other.replace('"true"', '"false"') + "---\n" + CONFIG)
    assert (both.returncode, "namespace" in both.stdout) == (0, False)


def test_expressions_of_the_site_are_unknown_and_only_those_that_decide_are_in_the_way(tmp_path):
    config = CONFIG + '  JOB_CUSTOMER_ACCESS_NETWORK_DOMAIN: "{{ network.dns.external }}"\n'
    assert decide(tmp_path, *"--csm 1.6.0 --type create".split(), config=config).returncode == 0
    config = config.replace('"true"', '"{{ dkms }}"')
    assert decide(tmp_path, *"--csm 1.6.0 --type create".split(), config=config).returncode == 0
    result = decide(tmp_path, *"--csm 1.6.0 --type customize".split(), config=config)
    assert (result.returncode, "JOB_ENABLE_DKMS is a Jinja expression" in result.stderr) == (2, True)


def test_expression_in_an_object_of_the_cluster_is_only_a_text(tmp_path):
    config = CONFIG.replace("services}", 'services, resourceVersion: "812"}')
    config += '  JOB_CUSTOMER_ACCESS_NETWORK_ACCESS_POOL: "{{ a.pool }}"\n'
    said = decide(tmp_path, *"--csm 1.6.0 --type create".split(), config=config).stdout
    assert said.startswith("NO JOB: THE SERVICE FAILS\n")
    assert "because: JOB_CUSTOMER_ACCESS_NETWORK_ACCESS_POOL" in said


def test_every_setting_that_keeps_the_service_from_starting_is_named_and_to_be_corrected(tmp_path):
    config = CONFIG + '  S3_READ_TIMEOUT: ""\n  S3_CONNECT_TIMEOUT: "1m"\n  FLASK_ENV: "prod"\n'
    said = decide(tmp_path, *"--csm 1.6.0 --type create --recipe-dkms false".split(), config=config).stdout
    assert said.startswith("NO JOB: THE SERVICE DOES NOT START\n")
    for key in ("S3_READ_TIMEOUT", "S3_CONNECT_TIMEOUT", "FLASK_ENV"):
        assert f"because: {key}: " in said
        assert f": correct {key} in ims-config" in said
    assert "and: set the recipe's flag" in said


def test_text_that_breaks_the_job_is_a_failure_of_the_service(tmp_path):
    config = CONFIG + '  JOB_CUSTOMER_ACCESS_NETWORK_DOMAIN: "a: b"\n'
    said = decide(tmp_path, *"--csm 1.6.0 --type create".split(), config=config).stdout
    assert said.startswith("NO JOB: THE SERVICE FAILS\n")
    assert "smallest change into Kata: correct JOB_CUSTOMER_ACCESS_NETWORK_DOMAIN" in said


def test_remote_node_has_no_invented_name(tmp_path):
    said = decide(tmp_path, *"--csm 1.6.0 --type customize --remote".split()).stdout
    assert "remote node of x86_64 takes the job" in said


def test_config_may_be_a_list_plain_data_or_have_the_overlay_of_our_own(tmp_path):
    arguments = "--csm 1.6.0 --type customize".split()
    item = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "ims-config"},
        "data": {"JOB_ENABLE_DKMS": "0"},
    }
    site = {**item, "metadata": {"name": "ims-config-site"}, "data": {"JOB_ENABLE_DKMS": "true"}}
    for items, code in (([item], 1), ([item, site], 0)):
        listed = json.dumps({"kind": "List", "apiVersion": "v1", "items": items})
        assert decide(tmp_path, *arguments, config=listed).returncode == code
    assert decide(tmp_path, *arguments, config='JOB_ENABLE_DKMS: "0"\n').returncode == 1


def lines(folder: Path, *values: Any):
    text = "".join(value if isinstance(value, str) else json.dumps(value) + "\n" for value in values)
    result = run("ims", "decide", "--jsonl", cwd=folder, stdin=text)
    return result, [json.loads(line) for line in result.stdout.splitlines()]


GOOD = Question(ims_release("3.33.0"), {}, "create").inputs()


def test_bad_lines_are_named_and_the_others_answered(tmp_path):
    bad = [
        "no json\n",
        "[1]\n",
        '{"id": 3}\n',
        {"id": 4, "inputs": {**GOOD, "ims_version": "3.99.0"}},
        {"id": 5, "inputs": {**GOOD, "ims_config": {"JOB_ENABLE_DKMS": True}}},
        {"id": 6, "inputs": {**GOOD, "remote_nodes": [1]}},
        {"id": 7, "inputs": {**GOOD, "record": "x"}},
        "[" * 100_000 + "\n",
    ]
    result, answers = lines(tmp_path, {"id": "a", "inputs": GOOD}, *bad, "\n", {"id": "z", **GOOD})
    assert result.returncode == 2
    assert [answer["id"] for answer in answers] == ["a", None, None, 3, 4, 5, 6, 7, None, "z"]
    assert [sorted(answer) for answer in answers[1:-1]] == [["error", "id"]] * 8
    assert answers[0].keys() == answers[-1].keys()
    assert answers[0]["accepted"] is answers[-1]["accepted"] is True


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({"record": {**GOOD["record"], "kind": "foo"}}, "record.kind is 'foo'"),
        ({"record": {"posted": {}}}, "record.kind is missing"),
        ({"record": {**GOOD["record"], "then": [{"op": "delete"}]}}, "record.then[0].op is 'delete'"),
        ({"record": {**GOOD["record"], "then": {}}}, "record.then is no list"),
        ({"record": {**GOOD["record"], "then": [5]}}, "record.then[0] is no object"),
        ({"record": {**GOOD["record"], "arch": "aarch64"}}, "record.arch is unknown"),
        ({"remote_nodes": [{}]}, "remote_nodes[0].xname is missing"),
        ({"remote_nodes": [{"xname": "x1", "arch": "aarch64"}]}, "remote_nodes[0].arch is unknown"),
        ({"imsconfig": {}}, "imsconfig is unknown"),
        ({"s3": []}, "s3 is no object"),
    ],
)
def test_lines_with_fields_that_nobody_knows_are_not_guessed_at(tmp_path, inputs, named):
    result, (answer,) = lines(tmp_path, {"id": 1, "inputs": {**GOOD, **inputs}})
    assert (result.returncode, sorted(answer)) == (2, ["error", "id"])
    assert f"inputs.{named}" in answer["error"]


def test_lines_of_one_kind_are_all_answered(tmp_path):
    result, answers = lines(tmp_path, {"id": 1, "inputs": GOOD}, {"id": 2, "inputs": {**GOOD, "ims_version": "3.9.0"}})
    assert result.returncode == 0
    assert [answer["risk"] for answer in answers] == ["vm", "worker-privileged"]


@pytest.mark.parametrize("options", [["--csm", "1.6.0"], ["--remote"], ["--format", "json"]])
def test_lines_exclude_the_options_of_one_job(tmp_path, options):
    assert run("ims", "decide", "--jsonl", *options, cwd=tmp_path, stdin="{}").returncode == 2


def test_lines_must_be_there(tmp_path):
    assert run("ims", "decide", "--jsonl", cwd=tmp_path, stdin="\n").returncode == 2


_FLAGS = st.sampled_from([None, True, False])


@hypothesis_settings(max_examples=drawn(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    version=st.sampled_from(["3.9.3", "3.12.0", "3.15.0", "3.20.0", "3.33.0"]),
    job_type=st.sampled_from(["create", "customize"]),
    arch=st.sampled_from(["x86_64", "aarch64"]),
    request_flag=_FLAGS,
    recipe=_FLAGS,
    switch=st.sampled_from(["true", "false", "yes", ""]),
    kata=st.sampled_from(["kata-qemu", "runc", "#kata", "kata: x"]),
)
def test_both_forms_agree(tmp_path, version, job_type, arch, request_flag, recipe, switch, kata):
    config = {"JOB_ENABLE_DKMS": switch, "JOB_KATA_RUNTIME": kata}
    recipe = recipe if job_type == "create" else None
    question = Question(ims_release(version), config, job_type, arch, request_flag, recipe)
    _, (line,) = lines(tmp_path, {"id": None, "inputs": {**question.inputs(), "ims_version": version}})
    options = ["--ims-version", version, "--type", job_type, "--arch", arch, "--format", "json"]
    for name, flag in (("--request-dkms", request_flag), ("--recipe-dkms", recipe)):
        options += [] if flag is None else [name, str(flag).lower()]
    result = decide(tmp_path, *options, config=json.dumps(config))
    assert json.loads(result.stdout) == line
    assert result.returncode == (0 if line["risk"] in ("vm", "remote") else 1)
