"""`kmodgate-webhook serve` as an operator sees it: settings, readiness, reload of the policy, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from kmodgate.policy.config import Policy, Profile
from kmodgate.webhook.admission import policy_file
from kmodgate.webhook.admission.policy_file import PolicyFile, load
from kmodgate.webhook.cluster.live_facts import MODULES
from kmodgate.webhook.settings import parse
from tests.e2e.waiting import eventually
from tests.fleets import REPOSITORY
from tests.webhook.api_stub import bookmark, events, failure, page
from tests.webhook.issued_certificates import leaf, write
from tests.webhook.reviews import (
    CLUSTER,
    broken_module,
    dump,
    in_list,
    loading_container,
    module,
    namespace,
    pod,
    review,
    uid,
)
from tests.webhook.server import Reply, Webhook, serving
from tests.webhook.stalling import api_server, modules_of, stalled

POLICY = "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {{name: lab}}\nspec: {{{}}}\n"

LOADING = review("CREATE", "Pod", pod(containers=[loading_container()]))


# --- policy ---


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY.format("modes: {PRV: audit}"))
    return file


def test_a_policy_that_changes_is_taken_over_for_objects_of_any_size(tmp_path: Path, policy: Path) -> None:
    large = pod(containers=[loading_container()])
    large["metadata"]["annotations"] = {"a": "x" * 300_000}
    with serving(tmp_path, "--policy", str(policy)) as server:
        first = server.post(LOADING)
        assert server.post(review("CREATE", "Pod", large)).allowed
        policy.write_text(POLICY.format("modes: {PRV: enforce}"))
        taken = server.event("policy taken over")
        then = server.post(LOADING)
        assert (first.allowed, then.allowed) == (True, False)
        assert not server.post(review("CREATE", "Pod", large)).allowed
        assert then.response["auditAnnotations"]["policy"] == taken["hash"]
        assert first.response["auditAnnotations"]["policy"] != taken["hash"]
        assert server.metric('kmodgate_policy_reloads_total{outcome="taken"}') == 1
        assert server.metric(f'kmodgate_policy_info{{hash="{taken["hash"]}",profile="default"}}') == 1
        assert server.operations("/metrics")[1].count("\nkmodgate_policy_info{") == 1


def test_a_broken_policy_leaves_the_last_good_one_in_force_and_says_so_until_it_is_mended(
    tmp_path: Path, policy: Path
) -> None:
    policy.write_text(POLICY.format("modes: {PRV: enforce}"))
    with serving(tmp_path, "--policy", str(policy)) as server:
        before = server.post(LOADING)
        policy.write_text(POLICY.format("modes: {PRV: perhaps}"))
        told = server.event("policy refused; the last good one stays in force")
        assert (told["level"], str(policy) in told["problem"]) == ("error", True)
        assert json.loads(server.post(LOADING).body) == json.loads(before.body)
        assert server.metric("kmodgate_policy_valid") == 0
        assert server.metric('kmodgate_policy_reloads_total{outcome="refused"}') == 1
        status, detail = server.operations("/readyz")
        assert (status, f"[+] policy: {told['problem']}" in detail) == (200, True)
        policy.write_text(POLICY.format("modes: {PRV: audit}"))
        server.event("policy taken over")
        assert server.post(LOADING).allowed
        assert server.metric("kmodgate_policy_valid") == 1
        assert "[+] policy\n" in server.operations("/readyz")[1]


def test_a_policy_that_is_restored_to_what_is_in_force_is_told_of_and_the_problem_gone(
    tmp_path: Path, policy: Path
) -> None:
    good = policy.read_text()
    with serving(tmp_path, "--policy", str(policy)) as server:
        policy.write_text(POLICY.format("modes: {PRV: perhaps}"))
        server.event("policy refused; the last good one stays in force")
        policy.write_text(good)
        told = server.event("policy valid again, and the one in force")
        assert (told["level"], told["hash"]) == ("info", server.event("serving")["policy"])
        assert server.metric("kmodgate_policy_valid") == 1
        assert server.metric('kmodgate_policy_reloads_total{outcome="restored"}') == 1
        assert "[+] policy\n" in server.operations("/readyz")[1]


BROKEN = {
    "empty": "", "no YAML": "{", "another kind": "kind: Other\n", "an unknown field": POLICY.format("unknown: 1"),
    "not text": "\x00", "two documents": POLICY.format("") + "---\n" + POLICY.format(""),
}  # fmt: skip


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_no_file_that_is_no_policy_replaces_one_that_is(policy: Path, text: str) -> None:
    file = PolicyFile(policy, None)
    held = file.policy
    policy.write_text(text)
    assert not file.refresh()
    assert (file.policy, str(policy) in file.problem) == (held, True)


def test_a_policy_that_changes_while_it_is_read_for_the_first_time_is_read_again(
    policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded_and_changed(path: Path | None, profile: Profile | None) -> Policy:
        found = load(path, profile)
        policy.write_text(POLICY.format("modes: {PRV: enforce}"))
        return found

    monkeypatch.setattr(policy_file, "load", loaded_and_changed)
    file = PolicyFile(policy, None)
    assert file.refresh()
    assert file.policy.modes == {"PRV": "enforce"}


def test_a_policy_whose_file_is_gone_stays_in_force(policy: Path) -> None:
    file = PolicyFile(policy, None)
    held = file.policy
    policy.unlink()
    assert not file.refresh()
    assert (file.policy, bool(file.problem)) == (held, True)


# --- settings ---


def test_every_setting_may_come_from_the_environment(tmp_path: Path) -> None:
    files = write(tmp_path / "tls", leaf())
    facts = tmp_path / "cluster.json"
    facts.write_text(dump(*CLUSTER))
    environment = {
        "KMODGATE_LISTEN": "127.0.0.1:0", "KMODGATE_OPS_LISTEN": "127.0.0.1:0", "KMODGATE_AUDIT_LOG": "-",
        "KMODGATE_TLS_CERT": str(files.certificate), "KMODGATE_TLS_KEY": str(files.key), "KMODGATE_FACTS": str(facts),
        "KMODGATE_PROFILE": "parity", "KMODGATE_DRAIN": "0",
    }  # fmt: skip
    with serving(tmp_path, environment=environment) as server:
        assert server.event("serving")["profile"] == "parity"
        asked = review("CREATE", "Module", broken_module())
        assert server.post(asked).code == 422
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert json.loads(server.stdout.read_text())["uid"] == uid(asked)


CERTIFICATE = ["--tls-cert", "a", "--tls-key", "b"]

BEATEN: dict[str, tuple[list[str], dict[str, str], dict[str, object]]] = {
    "another cluster": (
        ["--facts", "x", *CERTIFICATE],
        {"KMODGATE_KUBECONFIG": "k", "KMODGATE_IN_CLUSTER": "true"},
        {"facts": "x", "kubeconfig": None, "in_cluster": False},
    ),
    "a pair of files": (
        ["--in-cluster", "--certificate-secret", "a/b", "--certificate-name", "c"],
        {"KMODGATE_TLS_CERT": "a", "KMODGATE_TLS_KEY": "b"},
        {"certificate_secret": "a/b", "tls_cert": None, "tls_key": None},
    ),
    "a list": (
        ["--facts", "x", *CERTIFICATE, "--client-auth", "require", "--client-ca", "c", "--client-name", "ann"],
        {"KMODGATE_CLIENT_NAME": "bob, eve"},
        {"client_name": ["ann"]},
    ),
    "a switch": (["--facts", "x", *CERTIFICATE], {"KMODGATE_IN_CLUSTER": "No"}, {"in_cluster": False}),
    "nothing": (
        CERTIFICATE,
        {"KMODGATE_FACTS": "x", "KMODGATE_KUBERNETES": "v1.34.2+k3s1", "KMODGATE_DRAIN": "1.5"},
        {"facts": "x", "kubernetes": "1.34", "drain": 1.5, "listen": (None, 9443), "max_requests": 128},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("flags", "environment", "expected"), BEATEN.values(), ids=BEATEN.keys())
def test_a_flag_beats_the_variables_that_it_contradicts(
    flags: list[str], environment: dict[str, str], expected: dict[str, object]
) -> None:
    settings = vars(parse(["serve", *flags], environment))
    assert {name: settings[name] for name in expected} == expected


def test_lists_of_the_environment_are_separated_by_commas() -> None:
    environment = {"KMODGATE_FACTS": "x", "KMODGATE_CLIENT_AUTH": "require", "KMODGATE_CLIENT_CA": "c"}
    settings = parse(["serve", *CERTIFICATE], environment | {"KMODGATE_CLIENT_NAME": "bob, eve,"})
    assert settings.client_name == ["bob", "eve"]


def test_a_flag_counts_more_than_the_environment(tmp_path: Path) -> None:
    with serving(tmp_path, "--profile", "strict", environment={"KMODGATE_PROFILE": "parity"}) as server:
        assert server.event("serving")["profile"] == "strict"


UNUSABLE = {
    "a variable that names no profile": ({"KMODGATE_PROFILE": "loose"}, 2, "KMODGATE_PROFILE=loose"),
    "a variable that is no number": ({"KMODGATE_MAX_REQUESTS": "many"}, 2, "KMODGATE_MAX_REQUESTS"),
    "two clusters": ({"KMODGATE_KUBECONFIG": "/a"}, 2, "exactly one of"),
    "a switch that is neither on nor off": ({"KMODGATE_IN_CLUSTER": "yep"}, 2, "KMODGATE_IN_CLUSTER=yep"),
    "callers that are not asked for": ({"KMODGATE_CLIENT_CA": "/a"}, 2, "need --client-auth"),
    "names that are not asked for": ({"KMODGATE_CLIENT_NAME": "ann"}, 2, "need --client-auth"),
    "a version that is none": ({"KMODGATE_KUBERNETES": "garbage"}, 2, "KMODGATE_KUBERNETES: 'garbage'"),
    "no kubeconfig": ({"KMODGATE_FACTS": "", "KMODGATE_KUBECONFIG": "/nonexistent"}, 2, "/nonexistent: no usable kubeconfig"),
    "no pod around it": ({"KMODGATE_FACTS": "", "KMODGATE_IN_CLUSTER": "true"}, 2, "the ServiceAccount of the pod"),
    "a dump of nothing": ({"KMODGATE_FACTS": "/dev/null"}, 2, "--facts /dev/null:1: no object"),
    "no dump": ({"KMODGATE_FACTS": "/nonexistent"}, 2, "--facts /nonexistent: cannot be read: No such file"),
    "no policy in the file": ({"KMODGATE_POLICY": "/nonexistent"}, 2, "--policy /nonexistent: No such file"),
    "no certificate": ({"KMODGATE_TLS_CERT": "/nonexistent"}, 2, "--tls-cert /nonexistent: cannot be read: No such file"),
    "no key in the file": ({"KMODGATE_TLS_KEY": "/dev/null"}, 2, "--tls-key /dev/null: no PEM private key"),
    "no folder for the log": ({"KMODGATE_AUDIT_LOG": "/nonexistent/log"}, 3, "--audit-log: [Errno 2]"),
    "a version of another flavour": ({"KMODGATE_KMM": "2.7"}, 2, "there is no KMM 2.7; --kmm and --kmm-flavour go together"),
    "an address that is not ours": ({"KMODGATE_LISTEN": "192.0.2.1:443"}, 3, "--listen: "),
    "operations at an address that is not ours": ({"KMODGATE_OPS_LISTEN": "192.0.2.1:80"}, 3, "--ops-listen: "),
}  # fmt: skip


@pytest.mark.parametrize(("change", "code", "words"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_settings_that_cannot_be_used_end_it_with_a_reason(
    tmp_path: Path, change: dict[str, str], code: int, words: str
) -> None:
    files = write(tmp_path, leaf())
    (tmp_path / "facts.json").write_text(dump(*CLUSTER))
    usual = {
        "KMODGATE_LISTEN": "127.0.0.1:0", "KMODGATE_OPS_LISTEN": "127.0.0.1:0", "KMODGATE_TLS_KEY": str(files.key),
        "KMODGATE_TLS_CERT": str(files.certificate), "KMODGATE_FACTS": str(tmp_path / "facts.json"),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "kmodgate.webhook.main", "serve"], cwd=REPOSITORY, env={**os.environ, **usual, **change},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("flavour", "version", "found"), [("redhat", "2.7", True), ("redhat", "2.6", False), ("upstream", "2.6", False)]
)
def test_rules_of_versions_go_by_whose_build_of_kmm_it_is(
    tmp_path: Path, flavour: str, version: str, found: bool
) -> None:
    item = module()
    item["spec"]["dra"] = {"driverName": "NO/NAME", "container": {"image": "quay.io/acme/dra:1.0"}}
    with serving(tmp_path, "--kmm", version, "--kmm-flavour", flavour, facts=dump(*CLUSTER)) as server:
        assert ("KMM103" in server.post(review("CREATE", "Module", item)).rules()) is found


MISTAKES = {
    "a flag that there is not": (["serve", "--nope"], "unrecognized arguments: --nope"),
    "an address that is none": (["serve", "--listen", "x"], "argument --listen: 'x' is no address"),
    "settings that do not go together": (["serve"], "give exactly one of --in-cluster"),
    "another command": (["server"], "invalid choice: 'server'"),
}


@pytest.mark.parametrize(("arguments", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_on_the_command_line_is_one_line_that_leads_to_the_help(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments, {})
    (line,) = capsys.readouterr().err.splitlines()
    assert (ended.value.code, words in line) == (2, True)
    assert line.startswith("kmodgate-webhook: ")
    assert line.endswith("; see kmodgate-webhook serve --help")


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--version"], {})
    assert (ended.value.code, capsys.readouterr().out) == (0, f"kmodgate-webhook {version('kmodgate')}\n")


# --- readiness ---


def test_it_is_ready_when_certificate_facts_and_policy_are_there(webhook: Webhook) -> None:
    status, text = webhook.operations("/readyz")
    assert (status, text.splitlines()) == (200, ["[+] serving", "[+] certificate", "[+] facts", "[+] policy"])
    assert webhook.metric("kmodgate_ready") == 1


def test_it_is_not_ready_with_a_certificate_that_is_about_to_end_and_answers_all_the_same(tmp_path: Path) -> None:
    files = write(tmp_path / "tls", leaf(lifetime=timedelta(minutes=59)))
    with serving(tmp_path, "--tls-cert", str(files.certificate), "--tls-key", str(files.key)) as server:
        status, text = server.operations("/readyz")
        assert (status, "[-] certificate: the one in use ends at 20" in text) == (503, True)
        assert 0 < server.metric("kmodgate_certificate_expiry_seconds") < 3600
        assert server.operations("/healthz")[0] == 200
        assert server.post(review("CREATE", "Module", module())).status == 200


def test_it_is_not_ready_before_every_kind_was_read_once(tmp_path: Path) -> None:
    with api_server(tmp_path) as stub:
        stub.lists(failure(500, "etcd is gone"), path=MODULES.path)
        stub.lists(failure(500, "etcd is gone"), path=modules_of("drivers"))
        with serving(tmp_path, "--kubeconfig", str(stub.kubeconfig)) as server:
            status, text = server.operations("/readyz")
            assert (status, "[-] facts: " in text, text.count("Module: ")) == (503, True, 1)
            assert server.operations("/healthz") == (200, "ok\n")
            refused = server.post(review("DELETE", "Namespace", None, namespace("drivers")))
            assert (refused.code, refused.rules()) == (503, ["REF201"])
            assert server.post(review("CREATE", "Pod", pod())).allowed
            stub.lists(page(), path=MODULES.path)
            stub.watches(events(bookmark("10"), stalls=True), path=MODULES.path)
            eventually(lambda: server.operations("/readyz")[0] == 200, "the Modules are read")


# --- the end ---


@pytest.fixture
def draining(tmp_path: Path) -> Iterator[Webhook]:
    """A server that was told to end, and that goes on listening for a while."""
    with serving(tmp_path, "--drain", "600", facts=dump(*CLUSTER)) as server:
        server.signal(signal.SIGTERM)
        assert server.event("draining")["seconds"] == 600
        yield server


def test_after_sigterm_it_says_that_it_leaves_and_goes_on_answering(draining: Webhook) -> None:
    assert draining.event("asked to end")["signal"] == "SIGTERM"
    status, text = draining.operations("/readyz")
    assert (status, "[-] serving: draining" in text) == (503, True)
    assert draining.operations("/healthz")[0] == 200
    for _ in range(3):
        reply = draining.post(review("CREATE", "Module", broken_module()))
        assert (reply.code, reply.headers["Connection"]) == (422, "close")


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(draining: Webhook, second: signal.Signals) -> None:
    draining.signal(second)
    assert draining.wait() == 128 + signal.SIGTERM
    assert draining.events()[-1]["event"] == "stopped"


def test_sigterm_ends_it_after_the_delay(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain", "0.2") as server:
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert [event["event"] for event in server.events()] == ["serving", "asked to end", "draining", "stopped"]


def test_ctrl_c_ends_it_without_delay(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain", "600") as server:
        server.signal(signal.SIGINT)
        assert server.wait() == 0
        assert server.event("draining")["seconds"] == 0


def test_an_idle_connection_does_not_keep_it(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain", "0", "--grace", "3600") as server, server.caller() as caller:
        caller.post(review("CREATE", "Module", module()))
        server.signal(signal.SIGTERM)
        assert server.wait() == 0


@pytest.mark.parametrize(
    ("number", "padding"), [(signal.SIGTERM, 0), (signal.SIGINT, 300_000)], ids=["SIGTERM, small", "SIGINT, large"]
)
def test_a_review_that_is_on_its_way_is_answered_before_the_end(
    tmp_path: Path, number: signal.Signals, padding: int
) -> None:
    with api_server(tmp_path) as stub:
        stub.lists(stalled, path=modules_of("slow"))
        with serving(tmp_path, "--kubeconfig", str(stub.kubeconfig), "--drain", "0") as server:
            eventually(lambda: server.operations("/readyz")[0] == 200, "it is ready")
            item = namespace("slow", **({"a": "x" * padding} if padding else {}))
            asked = review("DELETE", "Namespace", None, item)
            replies: list[Reply] = []
            caller = threading.Thread(target=lambda: replies.append(server.post(asked, timeout="2s")))
            caller.start()
            eventually(lambda: server.metric("kmodgate_reviews_in_flight") == 1, "the review is on its way")
            eventually(
                lambda: any(request.path == modules_of("slow") for request in stub.asked), "the cluster is asked"
            )
            server.signal(number)
            assert server.wait() == 0
            caller.join(30)
            assert [(reply.response["uid"], reply.code) for reply in replies] == [(uid(asked), 503)]
            assert server.decision(uid(asked))["allowed"] is False


def test_a_dump_of_another_shape_ends_it_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"facts\.json"):
        serving(tmp_path, facts="[1, 2]").__enter__()


def test_an_empty_cluster_is_a_cluster(tmp_path: Path) -> None:
    with serving(tmp_path, facts=dump(in_list("Namespace"))) as server:
        assert server.post(review("CREATE", "Pod", pod())).allowed
