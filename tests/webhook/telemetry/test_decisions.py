"""What an operator reads of the decisions: the audit log and the page of metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kmodgate.webhook.telemetry.metrics import Metrics
from tests.e2e.waiting import eventually
from tests.webhook.reviews import (
    CLUSTER,
    Object,
    broken_module,
    dkms_pod,
    dump,
    module,
    named,
    pod,
    review,
    uid,
)
from tests.webhook.server import Webhook, serving

# --- the audit log ---


@pytest.mark.timing
def test_the_log_goes_on_in_a_new_file_after_the_old_one_was_renamed(tmp_path: Path) -> None:
    with serving(tmp_path, facts=dump(*CLUSTER)) as server:
        before = review("CREATE", "Module", module())
        server.post(before)
        old = server.audit.rename(tmp_path / "audit.jsonl.1")
        asked = []

        def is_there() -> bool:
            asked.append(review("CREATE", "Module", module()))
            server.post(asked[-1])
            return server.audit.exists()

        eventually(is_there, "a new file")

        def written() -> list[str]:
            texts = (file.read_text() for file in (old, server.audit))
            return [json.loads(line)["uid"] for text in texts for line in text.split("\n")[:-1]]

        eventually(lambda: len(written()) > len(asked), "every decision has its line")
        assert written() == [uid(item) for item in (before, *asked)]
        assert server.metric("kmodgate_audit_lines_lost") == 0


def test_a_line_says_who_asked_what_and_by_which_rules_it_was_decided(webhook: Webhook) -> None:
    asked = review("CREATE", "Module", broken_module())
    reply = webhook.post(asked)
    line = webhook.decision(uid(asked))
    assert line["denied"] == reply.rules()
    assert line["policy"] == reply.response["auditAnnotations"]["policy"]
    assert {key: line[key] for key in ("path", "allowed", "user", "operation", "kind", "namespace", "name", "dryRun")} == {
        "path": "/validate", "allowed": False, "user": "alice", "operation": "CREATE",
        "kind": "kmm.sigs.x-k8s.io/Module", "namespace": "drivers", "name": "nic", "dryRun": False,
    }  # fmt: skip
    assert re.fullmatch(r"[0-9a-f]{64}", line["input"])
    assert type(line["microseconds"]) is int
    again = {**asked, "request": asked["request"] | {"uid": "another"}}
    webhook.post(again)
    assert webhook.decision("another")["input"] != line["input"]


def test_a_line_is_one_line_whatever_names_hold(webhook: Webhook) -> None:
    asked = review("CREATE", "Pod", pod(), name='a\n{"uid": "forged"}\n', userInfo={"username": "eve\r\n\u2028"})
    webhook.post(asked)
    assert webhook.decision(uid(asked))["user"] == "eve\r\n\u2028"
    assert all(line["uid"] != "forged" for line in webhook.decisions())


# --- metrics ---


def families(server: Webhook) -> dict[str, set[tuple[tuple[str, str], ...]]]:
    """The labels of every sample, by its name."""
    found: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for family in text_string_to_metric_families(server.operations("/metrics")[1]):
        for sample in family.samples:
            found.setdefault(sample.name, set()).add(tuple(sorted(sample.labels.items())))
    return found


SUFFIXES = {"histogram": "_bucket"}


NOT_YET = ("kmodgate_policy_reloads_total", "kmodgate_collections_refused", "kmodgate_job_pods_refused")
"""Of which there is none before the policy changes, and before the garbage collector or the pod of a Job is refused."""


def test_the_page_of_metrics_is_what_prometheus_reads(webhook: Webhook) -> None:
    webhook.post(review("CREATE", "Module", broken_module()))
    webhook.send("GET", "/elsewhere")
    found = families(webhook)
    for family in Metrics().families:
        name = family.name + SUFFIXES.get(family.kind, "")
        if name not in NOT_YET:
            assert {key for sample in found[name] for key, _ in sample} - {"le"} == set(family.labels)
    assert "process_resident_memory_bytes" in found


def test_no_label_takes_a_value_from_what_is_asked(tmp_path: Path) -> None:
    with serving(tmp_path, facts=dump(*CLUSTER)) as server:

        def ask(number: int) -> None:
            text = f"made-up-{number}"
            item: Object = named(text, text, text, f"{text}/{text}")
            kind, user = {"group": text, "version": text, "kind": text}, {"username": text, "groups": [text]}
            server.post(review("CREATE", "Pod", item, kind=kind, userInfo=user, subResource=text, namespace=text))
            server.post(review("CREATE", "Module", broken_module(text, text)))
            server.post(review("CREATE", "Pod", dkms_pod(), operation=text))
            server.send(f"METHOD{number}", f"/{text}", headers={"Host": text, "Content-Type": text})
            server.send("POST", f"/validate?timeout={text}", b"{", {"Content-Type": "application/json"})

        ask(0)
        before = families(server)
        for number in range(1, 6):
            ask(number)
        assert {name: len(samples) for name, samples in families(server).items()} == {
            name: len(samples) for name, samples in before.items()
        }
        assert "made-up" not in server.operations("/metrics")[1]
