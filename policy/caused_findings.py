"""Findings that only follow from a fault of a document's structure: a field in the wrong shape, or a missing one."""

from __future__ import annotations

from collections.abc import Iterable

from kmodgate.policy.findings import FieldPath, Finding, Mode

_STRUCTURE = ("SCH102", "SCH103")

_NEED: dict[str, tuple[str, ...]] = {
    "DAY001": ("clusters",),
    "DAY002": ("clusters",),
    "IMG001": ("build", "sign", "dockerfile", "dockerfileConfigMap"),
    "KMM301": ("tolerations", "key", "operator"),
    "KMM302": ("tolerations", "key", "operator"),
    "KMM403": ("moduleName", "modulesLoadingOrder"),
    "KMM502": ("dirName",),
    "LDR201": ("inTreeModulesToRemove",),
    "PLG101": ("volumes", "name"),
    "REF006": ("clusters",),
    "SCH112": ("devicePlugin", "container", "image", "volumes", "name"),
    "SEL106": ("moduleLoader", "devicePlugin", "dra"),
    "SEL201": ("selector",),
    "SEL202": ("kernelMappings", "regexp", "literal"),
    "SGN101": ("build", "dockerfile", "dockerfileConfigMap", "unsignedImage"),
    "SGN105": ("moduleName", "modulesLoadingOrder", "filesToSign"),
    "SGN202": ("sign",),
}
"""Rule → the fields without which it finds something that may not be so."""


_OF_TWO_FIELDS = ("KMM204",)
"""Rules that hold of another field, too: an image that is missing in a mapping may be missing at the container."""


def independent(found: list[tuple[Finding, FieldPath]]) -> list[tuple[Finding, FieldPath]]:
    """Return the findings but those that follow from a field of the wrong type, or from one that is missing.

    Each comes with the path of its field. What follows from a fault that does not refuse stays.
    """
    faults = [path for item, path in found if item.rule in _STRUCTURE and item.mode is Mode.ENFORCE]
    return [(item, path) for item, path in found if not _is_of_faults(item.rule, path, faults)] if faults else found


def _is_of_faults(rule: str, path: FieldPath, faults: Iterable[FieldPath]) -> bool:
    if rule in _STRUCTURE:
        return False
    is_at_fault = rule not in _OF_TWO_FIELDS and any(path[: len(fault)] == fault for fault in faults)
    return is_at_fault or follows(rule, faults)


def follows(rule: str, faults: Iterable[FieldPath]) -> bool:
    """Return whether the finding of a rule may be gone once the fields at some paths are repaired."""
    fields = _NEED.get(rule, ())
    return any(_field(path) in fields for path in faults)


def _field(path: FieldPath) -> str:
    """The innermost field of a path; the index of a list item counts for the list, and a label for the selector."""
    if "selector" in path:
        return "selector"
    return next((step for step in reversed(path) if isinstance(step, str)), "")
