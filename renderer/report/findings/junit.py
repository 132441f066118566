"""Findings as JUnit XML: one suite a cluster, one test case a finding."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Sequence

from kmodgate.policy.findings import Finding, Mode
from kmodgate.renderer.report import Policies
from kmodgate.renderer.report.findings.unchecked import Note, notes
from kmodgate.renderer.wording import printable


def write(findings: Sequence[Finding], _policies: Policies) -> str:
    """A document with a suite for every cluster that has findings, and for every file outside of any cluster.

    Where nothing was found there is one case, which passes. So does that of what could not be checked.
    """
    root = ET.Element("testsuites", name="kmodgate check")
    suites: dict[str, list[Finding]] = defaultdict(list)
    found = [finding for finding in findings if not finding.is_unchecked]
    for finding in found:
        for name in finding.clusters or (finding.file or finding.object,):
            suites[name].append(finding)
    if not found:
        suite = ET.SubElement(root, "testsuite", name="kmodgate", tests="1", failures="0")
        ET.SubElement(suite, "testcase", classname="kmodgate", name="no findings")
    for name, cases in suites.items():
        failures = sum(finding.mode is Mode.ENFORCE for finding in cases)
        suite = ET.SubElement(root, "testsuite", name=printable(name), tests=str(len(cases)), failures=str(failures))
        for finding in cases:
            _case(suite, finding)
    _unchecked(root, notes(findings))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, finding: Finding) -> None:
    field = finding.spec_field or finding.field
    case = ET.SubElement(
        suite, "testcase", classname=printable(finding.object), name=printable(f"{finding.rule} {field}")
    )
    place = f"{finding.file}:{finding.line}:{finding.column}"
    text = printable(f"{place}: {finding.message}") + printable(f"; fix: {finding.fix}")
    if finding.mode is Mode.ENFORCE:
        ET.SubElement(case, "failure", message=printable(finding.message), type=finding.rule).text = text
    else:
        ET.SubElement(case, "system-out").text = f"{finding.mode}: {text}"


def _unchecked(root: ET.Element, missing: Sequence[Note]) -> None:
    if missing:
        suite = ET.SubElement(root, "testsuite", name="not checked", tests="1", failures="0")
        case = ET.SubElement(suite, "testcase", classname="kmodgate", name="not checked")
        ET.SubElement(case, "system-out").text = "\n".join(printable(note.text) for note in missing)
