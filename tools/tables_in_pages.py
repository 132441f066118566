"""The tables that are made in pages which people write: metrics in docs/webhook.md, report formats in docs/check.md."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from kmodgate.renderer.report import FORMATS
from kmodgate.webhook.telemetry.metrics import Metrics

_DOCS = Path(__file__).parent.parent / "docs"

_METRICS = re.compile(r"(?<=<!-- Generated from `webhook/telemetry/metrics\.py` by `make docs` -->\n).*?\n(?=\n)", re.S)


def webhook_page() -> str:
    """docs/webhook.md as it is, with the table of metrics."""
    table = "| metric | type | meaning |\n| --- | --- | --- |\n"
    for family in Metrics().families:
        labels = f"{{{','.join(family.labels)}}}" if family.labels else ""
        table += f"| `{family.name}{labels}` | {family.kind} | {family.help} |\n"
    page = (_DOCS / "webhook.md").read_text(encoding="utf-8")
    return _METRICS.sub(lambda _: table, page, count=1)


_FORMATS = re.compile(r"(?<=<!-- Generated from `renderer/report/findings/` by `make docs` -->\n).*?\n(?=\n)", re.S)


def check_page() -> str:
    """docs/check.md as it is, with the table of formats."""
    table = "| format | report |\n| --- | --- |\n"
    for name in FORMATS:
        module = importlib.import_module(f"kmodgate.renderer.report.findings.{name}")
        table += f"| `{name}` | {str(module.__doc__).splitlines()[0].rstrip('.').removeprefix('Findings ')} |\n"
    page = (_DOCS / "check.md").read_text(encoding="utf-8")
    return _FORMATS.sub(lambda _: table, page, count=1)
