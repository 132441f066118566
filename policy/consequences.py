"""Findings that only follow from a fault of a document's structure: a field in the wrong shape, or a missing one."""

from __future__ import annotations

from collections.abc import Iterable

from kmodgate.policy.findings import FieldPath, Finding, Mode

_NEED: dict[str, tuple[str, ...]] = {
    "IMG001": ("build", "sign", "dockerfile", "dockerfileConfigMap"),
    "KMM301": ("tolerations", "key", "operator"),
    "KMM302": ("tolerations", "key", "operator"),
    "KMM403": ("moduleName", "modulesLoadingOrder"),
    "KMM502": ("dirName",),
    "LDR201": ("inTreeModulesToRemove",),
    "PLG101": ("volumes", "name"),
    "SEL106": ("moduleLoader", "devicePlugin", "dra"),
    "SEL201": ("selector",),
    "SEL202": ("kernelMappings", "regexp", "literal"),
    "SGN101": ("build", "dockerfile", "dockerfileConfigMap", "unsignedImage"),
    "SGN105": ("moduleName", "modulesLoadingOrder", "filesToSign"),
    "SGN202": ("sign",),
}
"""Rule → the fields without which it finds something that may not be so."""


def follows(rule: str, faults: Iterable[FieldPath]) -> bool:
    """Return whether the finding of a rule may be gone once the fields at some paths are repaired."""
    fields = _NEED.get(rule, ())
    return any(_field(path) in fields for path in faults)


def _field(path: FieldPath) -> str:
    """The innermost field of a path; the index of a list item counts for the list, and a label for the selector."""
    if "selector" in path:
        return "selector"
    return next((step for step in reversed(path) if isinstance(step, str)), "")


def independent(found: list[tuple[Finding, FieldPath]]) -> list[tuple[Finding, FieldPath]]:
    """Return the findings of one object, with their paths, without those that follow from another one of them.

    These are the ones whose cause another finding tells, and those about a field that has the wrong type or is missing.
    What KMM's own webhook refuses stays beside the latter.
    """
    if len(found) < 2:
        return found
    shown = [(item, path) for item, path in found if item.mode in (Mode.ENFORCE, Mode.WARN)]
    causes = {item.identity for item, _ in shown}
    faults = [path for item, path in shown if item.rule in _STRUCTURE and item.mode is Mode.ENFORCE]
    return [
        (item, path)
        for item, path in found
        if item.told_by not in causes and (item.rule in _STRUCTURE or not _is_of(item.rule, path, faults))
    ]


def _is_of(rule: str, path: FieldPath, faults: list[FieldPath]) -> bool:
    """Whether the finding of a rule at a path follows from one of the faults."""
    is_at_fault = any(path[: len(fault)] == fault for fault in faults)
    return not rule.startswith("KMM") and (is_at_fault or follows(rule, faults))


_STRUCTURE = ("SCH102", "SCH103")
