"""Findings → texts for people and programs, one writer a file."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from policy.findings import Finding

FORMATS = ("text", "json", "sarif", "junit", "github", "markdown")

Writer = Callable[[Sequence[Finding], str], str]
"""Findings and the name of the profile → a text."""


def writer(format: str) -> Writer:
    """The writer of a format other than text."""
    write: Writer = importlib.import_module(f"renderer.report.{format}_report").write
    return write
