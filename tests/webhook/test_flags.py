"""Settings of `kmodgate-webhook serve`, from flags and the environment."""

from __future__ import annotations

import json
import os
import signal
from importlib.metadata import version
from pathlib import Path

import pytest

from kmodgate.webhook.flags import parse
from tests.command import start_forked
from tests.fork_client import WEBHOOK, finished
from tests.webhook.issued_certificates import leaf, write
from tests.webhook.reviews import (
    CLUSTER,
    broken_module,
    dump,
    module,
    review,
    uid,
)
from tests.webhook.server import serving


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


@pytest.mark.timing
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
    with (tmp_path / "stdout").open("w") as stdout, (tmp_path / "stderr").open("w") as stderr:
        run = start_forked(
            WEBHOOK,
            "serve",
            folder=tmp_path,
            variables={**os.environ, **usual, **change},
            stdout=stdout.fileno(),
            stderr=stderr.fileno(),
        )
        ended = finished(run)
    told = (tmp_path / "stderr").read_text()
    assert ended == code, told
    assert words in told
    assert "Traceback" not in told
    assert (tmp_path / "stdout").read_text() == ""


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


@pytest.mark.timing
def test_a_dump_of_another_shape_ends_it_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"facts\.json"):
        serving(tmp_path, facts="[1, 2]").__enter__()
