"""Findings → texts for people and programs, one writer a file."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kmodgate.policy.findings import Finding

if TYPE_CHECKING:  # annotations only
    from kmodgate.renderer.compile.cluster_policies import HeldPolicy
    from kmodgate.renderer.diff.compare_fleets import Comparison
    from kmodgate.renderer.plan.plan import Plan

Policies = Sequence["HeldPolicy"]
"""The policies that held, each once."""

FORMATS = ("text", "json", "sarif", "junit", "github", "markdown")

Writer = Callable[[Sequence[Finding], Policies], str]
"""Findings, and the policies that held → a text."""


def plan_writer(format: str) -> Callable[[Plan, str], str]:
    """The writer of a plan in a format other than text; it takes what is put before the files of specs, too."""
    write: Callable[[Plan, str], str] = importlib.import_module(f"kmodgate.renderer.report.plan.{format}").write
    return write


def diff_writer(format: str) -> Callable[[Comparison, str], str]:
    """The writer of a comparison in a format other than text, as that of a plan."""
    write: Callable[[Comparison, str], str] = importlib.import_module(f"kmodgate.renderer.report.diff.{format}").write
    return write


def writer(format: str) -> Writer:
    """The writer of a format other than text."""
    write: Writer = importlib.import_module(f"kmodgate.renderer.report.findings.{format}").write
    return write
