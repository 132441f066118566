"""Readiness of the server."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from kmodgate.webhook.cluster.live_facts import MODULES
from tests.e2e.waiting import eventually
from tests.webhook.api_stub import bookmark, events, failure, page
from tests.webhook.issued_certificates import leaf, write
from tests.webhook.reviews import (
    dump,
    in_list,
    module,
    namespace,
    pod,
    review,
)
from tests.webhook.server import Webhook, serving
from tests.webhook.stalling import api_server, modules_of

pytestmark = pytest.mark.timing


def test_it_is_ready_when_certificate_facts_and_policy_are_there(webhook: Webhook) -> None:
    status, text = webhook.operations("/readyz")
    *lines, last = text.splitlines()
    assert (status, lines) == (200, ["[+] serving", "[+] certificate", "[+] facts", "[+] policy"])
    assert last.startswith("[+] kmm: not known who KMM is")
    assert webhook.metric("kmodgate_kmm_known") == 0
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
            assert (status, "[-] facts: " in text, text.count(" Module: ")) == (503, True, 1)
            assert server.operations("/healthz") == (200, "ok\n")
            refused = server.post(review("DELETE", "Namespace", None, namespace("drivers")))
            assert (refused.code, refused.rules()) == (503, ["REF201"])
            assert server.post(review("CREATE", "Pod", pod())).allowed
            stub.lists(page(), path=MODULES.path)
            stub.watches(events(bookmark("10"), stalls=True), path=MODULES.path)
            eventually(lambda: server.operations("/readyz")[0] == 200, "the Modules are read")


def test_an_empty_cluster_is_a_cluster(tmp_path: Path) -> None:
    with serving(tmp_path, facts=dump(in_list("Namespace"))) as server:
        assert server.post(review("CREATE", "Pod", pod())).allowed


def test_where_there_is_no_kmm_nobody_has_to_say_who_it_is(tmp_path: Path) -> None:
    with api_server(tmp_path) as stub:
        stub.lists(failure(404, "there is no such kind"), path=MODULES.path)
        with serving(tmp_path, "--kubeconfig", str(stub.kubeconfig)) as server:
            eventually(lambda: "[+] kmm\n" in server.operations("/readyz")[1], "the kind is known to be missing")
            assert server.metric("kmodgate_kmm_known") == 1
