"""The alerts of manifests/, and the table of docs/webhook.md, name metrics that there are."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path

import pytest
import yaml

from tests.fleets import REPOSITORY

pytest.importorskip("prometheus_client")


def names(text: str) -> set[str]:
    return set(re.findall(r"\bkmodgate_[a-z_]+", text))


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the metrics of a server, with those that Prometheus derives."""
    from kmodgate.webhook.cluster.dump_file import read_snapshot
    from kmodgate.webhook.cluster.live_cluster import SnapshotCluster
    from kmodgate.webhook.flags import parse
    from kmodgate.webhook.server import Server
    from tests.e2e.api_server.certificates import Authority

    folder = tmp_path_factory.mktemp("server")
    pair = Authority(folder / "pki").issue("webhook")
    dump = REPOSITORY / "examples" / "webhook" / "cluster.yaml"
    arguments = ["serve", "--tls-cert", pair.certificate, "--tls-key", pair.key, "--facts", dump, "--audit-log", "none"]
    settings: Namespace = parse(list(map(str, arguments)), {})
    server = Server(settings, SnapshotCluster(read_snapshot(str(dump))))
    server.metrics.reviews.add("/validate", "CREATE", 0.001, allowed=True, dry_run=False)
    return names(server.metrics.page().decode())


def test_alerts_ask_for_metrics_that_there_are(exposed: set[str]) -> None:
    rules = yaml.safe_load((REPOSITORY / "manifests" / "alerts.yaml").read_text())
    asked = {name for group in rules["spec"]["groups"] for rule in group["rules"] for name in names(rule["expr"])}
    assert len(asked) >= 8
    assert asked <= exposed


def test_the_table_of_the_docs_has_every_metric_and_no_other(exposed: set[str]) -> None:
    text = Path(REPOSITORY / "docs" / "webhook.md").read_text()
    table = text.partition("### Metrics")[2].partition("###")[0]
    derived = {name for name in exposed if name.endswith(("_bucket", "_count", "_sum", "_created"))}
    assert names(table) - {"kmodgate_webhook"} == exposed - derived
